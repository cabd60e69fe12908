package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// decodeProtobuf decodes a record of a stream in protobuf into the tree that its JSON would give,
// except that only fields that are on the wire are in it.
func decodeProtobuf(path string, record []byte) (any, error) {
	var m proto.Message
	switch {
	case strings.HasSuffix(path, "/scheduler"):
		m = new(schedulerpb.Event)
	case strings.HasSuffix(path, "/executor"):
		m = new(executorpb.Event)
	default:
		m = new(masterpb.Event)
	}
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(record, m); err != nil {
		return nil, fmt.Errorf("record in protobuf: %w", err)
	}
	return tree(m.ProtoReflect()), nil
}

// tree turns a message into a JSON value. Bytes that no field claims show as "_unknown".
func tree(m protoreflect.Message) any {
	object := make(map[string]any)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		switch {
		case f.IsMap():
			entries := make(map[string]any)
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				entries[k.String()] = scalar(f.MapValue(), v)
				return true
			})
			object[name] = entries
		case f.IsList():
			elements := make([]any, v.List().Len())
			for i := range elements {
				elements[i] = scalar(f, v.List().Get(i))
			}
			object[name] = elements
		default:
			object[name] = scalar(f, v)
		}
		return true
	})
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		object["_unknown"] = base64.StdEncoding.EncodeToString(unknown)
	}
	return object
}

func scalar(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return tree(v.Message())
	case protoreflect.BoolKind:
		return v.Bool()
	case protoreflect.StringKind:
		return v.String()
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
		return json.Number(strconv.Itoa(int(v.Enum())))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return double(v.Float())
	}
	return json.Number(v.String())
}

// double writes a number the way Mesos does: shortest, but with a decimal point.
func double(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Sprint(f)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return json.Number(s)
}
