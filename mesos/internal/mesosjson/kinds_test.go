package mesosjson_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/mesokit/mesokit/mesos/internal/mesosjson"
	"github.com/mesokit/mesokit/mesos/internal/pbtest"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// everyKind describes a message with a field of every kind, alone, in lists packed and not, and as map
// key. Mesos uses half of them so far.
func everyKind(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	all := &descriptorpb.DescriptorProto{Name: proto.String("All")}
	add := func(name string, typ descriptorpb.FieldDescriptorProto_Type, label descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: &name, JsonName: &name, Number: proto.Int32(int32(len(all.Field) + 1)), Type: typ.Enum(), Label: label.Enum(),
		}
		switch typ {
		case descriptorpb.FieldDescriptorProto_TYPE_MESSAGE:
			f.TypeName = proto.String(".test.All")
		case descriptorpb.FieldDescriptorProto_TYPE_ENUM:
			f.TypeName = proto.String(".test.Enum")
		}
		all.Field = append(all.Field, f)
		return f
	}
	for typ := descriptorpb.FieldDescriptorProto_TYPE_DOUBLE; typ <= descriptorpb.FieldDescriptorProto_TYPE_SINT64; typ++ {
		if typ == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
			continue // JSON has no groups, and neither has Mesos
		}
		add("one_"+typ.String(), typ, descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL)
		add("many_"+typ.String(), typ, descriptorpb.FieldDescriptorProto_LABEL_REPEATED)
		switch typ {
		case descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE:
		default:
			add("packed_"+typ.String(), typ, descriptorpb.FieldDescriptorProto_LABEL_REPEATED).Options = &descriptorpb.FieldOptions{Packed: proto.Bool(true)}
		}
		switch typ {
		case descriptorpb.FieldDescriptorProto_TYPE_FLOAT, descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, descriptorpb.FieldDescriptorProto_TYPE_BYTES,
			descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_TYPE_ENUM:
			continue // no map keys
		}
		entry := entryName("map_" + typ.String())
		f := add("map_"+typ.String(), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_LABEL_REPEATED)
		f.TypeName = proto.String(".test.All." + entry)
		all.NestedType = append(all.NestedType, &descriptorpb.DescriptorProto{
			Name: &entry, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
			Field: []*descriptorpb.FieldDescriptorProto{
				{Name: proto.String("key"), Number: proto.Int32(1), Type: typ.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
				{Name: proto.String("value"), Number: proto.Int32(2), Type: descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), TypeName: proto.String(".test.Enum"), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()},
			},
		})
	}
	fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("test"), MessageType: []*descriptorpb.DescriptorProto{all},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("Enum"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("ZERO"), Number: proto.Int32(0)}, {Name: proto.String("BELOW"), Number: proto.Int32(-7)},
		}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fd.Messages().Get(0)
}

// entryName is the name that a map field's entry type must have.
func entryName(field string) string {
	var out []byte
	up := true
	for _, c := range []byte(field) {
		switch {
		case c == '_':
			up = true
		case up && c >= 'a' && c <= 'z':
			out = append(out, c-'a'+'A')
			up = false
		default:
			out = append(out, c)
			up = false
		}
	}
	return string(out) + "Entry"
}

func TestEveryKindOfFieldAgreesWithProtojson(t *testing.T) {
	md := everyKind(t)
	for seed := range uint64(200) {
		m := dynamicpb.NewMessage(md)
		pbtest.Random(rand.New(rand.NewPCG(seed, 11)), m, pbtest.Options{OddFloats: true})
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := mesosjson.FromWire(nil, wire, md, false)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		read := dynamicpb.NewMessage(md)
		if err := protojson.Unmarshal(ours, read); err != nil || !proto.Equal(m, read) {
			t.Fatalf("protojson reads our output as another message, error %v:\n%s\n%s", err, cmp.Diff(m, read, protocmp.Transform()), ours)
		}
		for _, text := range [][]byte{ours, theirs} {
			again, err := mesosjson.ToWire(nil, text, md)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			read := dynamicpb.NewMessage(md)
			if err := proto.Unmarshal(again, read); err != nil || !proto.Equal(m, read) {
				t.Fatalf("we read another message, error %v:\n%s\n%s", err, cmp.Diff(m, read, protocmp.Transform()), text)
			}
		}
	}
}

func TestFromWireRejectsWhatIsNoMessage(t *testing.T) {
	md := new(mesospb.FrameworkInfo).ProtoReflect().Descriptor()
	for _, wire := range []string{"\x0a\x05", "\x80", "\x00\x00", "\x6a\x02\x0a\x05", "\x6a\x01\x80", "\x5a\x02\x0a\x05"} {
		got, err := mesosjson.FromWire([]byte("x"), []byte(wire), md, true)
		if err == nil || string(got) != "x" {
			t.Errorf("%x: got %q", wire, got)
		}
	}
}

func TestFromWireTakesFieldsInAnyOrder(t *testing.T) {
	md := new(mesospb.FrameworkInfo).ProtoReflect().Descriptor()
	// name, roles, unknown field 99, user, roles, user again, name as a number, a map entry twice
	wire := "\x12\x01n" + "\x62\x01a" + "\x98\x06\x01" + "\x0a\x01u" + "\x62\x01b" + "\x0a\x01v" + "\x10\x05" +
		"\x6a\x05\x0a\x01k\x12\x00" + "\x6a\x05\x0a\x01k\x12\x00"
	got, err := mesosjson.FromWire(nil, []byte(wire), md, false)
	want := `{"user":"v","name":"n","roles":["a","b"],"offer_filters":{"k":{}}}`
	if string(got) != want || err != nil {
		t.Errorf("error %v\ngot  %s\nwant %s", err, got, want)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	md := new(mesospb.TaskID).ProtoReflect().Descriptor()
	_, err := mesosjson.ToWire(nil, []byte(`{"value":1}`), md)
	e, ok := errors.AsType[*mesosjson.Error](err)
	if !ok || e.Syntax || e.Path != "value" || e.Offset != 9 {
		t.Errorf("got %#v", err)
	}
}

// FuzzFromWire turns any bytes into JSON; what comes out can be read.
func FuzzFromWire(f *testing.F) {
	f.Add([]byte("\x0a\x01u\x12\x01n"), false)
	f.Add([]byte("\x6a\x05\x0a\x01k\x12\x00"), true)
	md := new(mesospb.TaskInfo).ProtoReflect().Descriptor()
	for seed := range uint64(8) {
		m := new(mesospb.TaskInfo)
		pbtest.Random(rand.New(rand.NewPCG(seed, 12)), m, pbtest.Options{Unknown: true, OddEnums: true})
		wire, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, wire []byte, defaults bool) {
		text, err := mesosjson.FromWire(nil, wire, md, defaults)
		if err != nil {
			return
		}
		e, _ := errors.AsType[*mesosjson.Error](second(mesosjson.ToWire(nil, text, md)))
		if e != nil && !(e.Syntax && len(wire) > 2*mesosjson.MaxDepth) {
			t.Fatalf("%v\n%s", e, text)
		}
	})
}

func second[A, B any](_ A, b B) B { return b }
