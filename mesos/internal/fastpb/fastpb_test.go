package fastpb_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/internal/fastpb"
	"github.com/mesokit/mesokit/mesos/internal/pbtest"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

var roots = []proto.Message{
	(*schedulerpb.Event)(nil), (*schedulerpb.Call)(nil), (*executorpb.Event)(nil), (*executorpb.Call)(nil),
}

func newMessage(root proto.Message) proto.Message { return root.ProtoReflect().New().Interface() }

// frame returns the first frame of a file of package codec.
func frame(tb testing.TB, name string) []byte {
	tb.Helper()
	raw, err := os.ReadFile("../../codec/testdata/" + name + ".pb.recordio")
	if err != nil {
		tb.Fatal(err)
	}
	body, err := recordio.NewReader(bytes.NewReader(raw), recordio.Config{}).Next()
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// same decodes body with this package and with the standard runtime and compares everything that a
// program can see.
func same(t *testing.T, root proto.Message, body []byte) (decoded bool) {
	t.Helper()
	want, got := newMessage(root), newMessage(root)
	wantErr := proto.Unmarshal(body, want)
	frame := bytes.Clone(body)
	gotErr := fastpb.Unmarshal(frame, got)
	if (wantErr == nil) != (gotErr == nil) {
		t.Fatalf("%T %x: standard runtime says %v, we say %v", root, body, wantErr, gotErr)
	}
	if wantErr != nil {
		missing := proto.CheckInitialized(want) != nil && proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(body, want) == nil
		if missing && gotErr.Error() != wantErr.Error() {
			t.Errorf("missing field: got %v, want %v", gotErr, wantErr)
		}
		return false
	}
	if !proto.Equal(want, got) {
		t.Fatalf("%T %x differs (-standard +ours):\n%s", root, body, cmp.Diff(want, got, protocmp.Transform()))
	}
	// proto.Equal does not look at the order of unknown fields; the encoding does.
	o := proto.MarshalOptions{Deterministic: true}
	wantAgain, err1 := o.Marshal(want)
	gotAgain, err2 := o.Marshal(got)
	if err1 != nil || err2 != nil || !bytes.Equal(wantAgain, gotAgain) {
		t.Fatalf("%T encodes to\n%x, %v; standard runtime\n%x, %v", root, gotAgain, err2, wantAgain, err1)
	}
	if !bytes.Equal(frame, body) {
		t.Fatalf("decoding changed the frame")
	}
	return true
}

func TestDecodesAsTheStandardRuntimeDoes(t *testing.T) {
	odd := pbtest.Options{OddFloats: true, OddEnums: true, OddStrings: true, Unknown: true}
	for _, root := range roots {
		n := 0
		for seed := range uint64(400) {
			r := rand.New(rand.NewPCG(seed, 1))
			odd.MissingRequired = seed%4 == 0
			m := newMessage(root)
			pbtest.Random(r, m, odd)
			body, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			same(t, root, body)
			if same(t, root, pbtest.Damage(r, body, m.ProtoReflect().Descriptor())) {
				n++
			}
		}
		if n < 80 {
			t.Errorf("%T: only %d of 400 damaged messages decode; the test has lost its point", root, n)
		}
	}
}

func TestDecodesEveryFrameAsTheStandardRuntimeDoes(t *testing.T) {
	for _, name := range []string{"update", "offers-1", "offers-10", "offers-100"} {
		body := frame(t, name)
		if !same(t, roots[0], body) {
			t.Errorf("%s does not decode", name)
		}
		if len(body) > 1000 {
			continue
		}
		for i := range body {
			same(t, roots[0], body[:i])
		}
	}
}

// field encodes a length-delimited field.
func field(num protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(parts, nil))
}

func TestOddFramesDecodeAsWithTheStandardRuntime(t *testing.T) {
	id := func(s string) []byte { return field(1, []byte(s)) }
	cases := map[string]struct {
		root int
		body []byte
	}{
		"empty":                            {0, nil},
		"field number 0":                   {0, []byte{0, 0}},
		"largest field number":             {0, protowire.AppendVarint(protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.VarintType), 1)},
		"field number too large":           {0, append(protowire.AppendVarint(nil, 1<<32|8), 0)},
		"tag of eleven bytes":              {0, append(bytes.Repeat([]byte{0x88}, 10), 1)},
		"tag that overflows":               {0, append(bytes.Repeat([]byte{0xff}, 9), 2)},
		"cut tag":                          {0, []byte{0x88}},
		"known tag in three bytes":         {0, []byte{0x88, 0x80, 0, 8}},
		"enum of ten bytes":                {0, append([]byte{8}, protowire.AppendVarint(nil, 1<<63+5)...)},
		"enum without a name":              {0, []byte{8, 99}},
		"negative enum":                    {0, append([]byte{8}, protowire.AppendVarint(nil, 1<<64-1)...)},
		"last scalar wins":                 {0, []byte{8, 1, 8, 2}},
		"length over the end":              {0, []byte{0x12, 5, 0}},
		"length of 2^63":                   {0, append([]byte{0x12}, protowire.AppendVarint(nil, 1<<63)...)},
		"length of 2^64-1":                 {0, append([]byte{0x12}, protowire.AppendVarint(nil, 1<<64-1)...)},
		"end of a group that never began":  {0, []byte{8<<3 | 4}},
		"group that never ends":            {0, []byte{0xa3, 0x06}},
		"group ended by another":           {0, []byte{0xa3, 0x06, 0xac, 0x06}},
		"known number as a group":          {0, []byte{1<<3 | 3, 1<<3 | 4}},
		"wire type 6":                      {0, []byte{8 | 6, 0}},
		"wire type 7":                      {0, []byte{8 | 7, 0}},
		"missing required field":           {0, field(5)},
		"message in two parts":             {0, bytes.Join([][]byte{field(2, field(1, id("f"))), field(2, field(3, id("m"), []byte{16, 1, 24, 2}))}, nil)},
		"required field in a later part":   {0, bytes.Join([][]byte{field(2, []byte{0x11, 1, 2, 3, 4, 5, 6, 7, 8}), field(2, field(1, id("f")))}, nil)},
		"required field in no part":        {0, bytes.Join([][]byte{field(2), field(2)}, nil)},
		"list with a gap":                  {0, field(3, field(1, field(1, id("a"))), []byte{0x78, 1}, field(1, field(1, id("b"))))},
		"list in two parts":                {1, bytes.Join([][]byte{field(15, field(1, []byte("a")), field(1, []byte("b"))), field(15, field(1, []byte("c")))}, nil)},
		"map entry without a key":          {1, field(3, field(3, field(1, field(2))))},
		"map entry without a value":        {1, field(3, field(3, field(1, id("role"))))},
		"empty map entry":                  {1, field(3, field(3, field(1)))},
		"map key twice":                    {1, field(3, field(3, field(1, id("a"), id("b"), field(2), field(2))))},
		"map entry with unknown fields":    {1, field(3, field(3, field(1, id("a"), []byte{24, 1}, field(2))))},
		"map entry with a bad field":       {1, field(3, field(3, field(1, id("a"), []byte{0, 1}, field(2))))},
		"map entry with a key of number":   {1, field(3, field(3, field(1, []byte{8, 1}, field(2))))},
		"cut map entry":                    {1, field(3, field(3, field(1, id("a"), []byte{0x12, 9})))},
		"map value without required field": {1, field(3, field(1, field(13, id("role"), field(2, field(1, field(1, id("x"), field(2)))))))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { same(t, roots[tc.root], tc.body) })
	}
}

// nested returns a container id with depth parents, each in the one before.
func nested(depth int) []byte {
	// Written from the inside out, backwards, so that it takes one pass.
	reverse := func(b []byte) []byte { slices.Reverse(b); return b }
	body := reverse(field(1, []byte("innermost")))
	for range depth {
		head := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.BytesType), uint64(len(body)))
		body = append(body, reverse(append(field(1, []byte("x")), head...))...)
	}
	return reverse(body)
}

func TestNestingIsLimitedAsInTheStandardRuntime(t *testing.T) {
	// event.update.status.container_status.container_id(.parent)*
	event := func(depth int) []byte {
		status := bytes.Join([][]byte{field(1, field(1, []byte("t"))), {16, 1}, field(13, field(4, nested(depth)))}, nil)
		return field(5, field(1, status))
	}
	if !same(t, roots[0], event(100)) {
		t.Error("100 levels are refused")
	}
	accepted := map[bool]int{}
	for _, depth := range []int{9994, 9995, 9996, 9997, 10100} {
		var want, got schedulerpb.Event
		wantErr := proto.Unmarshal(event(depth), &want)
		gotErr := fastpb.Unmarshal(event(depth), &got)
		accepted[gotErr == nil]++
		if (wantErr == nil) != (gotErr == nil) || gotErr != nil && !errors.Is(gotErr, fastpb.ErrTooDeep) {
			t.Errorf("depth %d: standard runtime says %v, we say %v", depth, wantErr, gotErr)
		}
		if gotErr != nil {
			continue
		}
		id := got.GetUpdate().GetStatus().GetContainerStatus().GetContainerId()
		for range depth {
			id = id.GetParent()
		}
		if id.GetValue() != "innermost" {
			t.Errorf("depth %d: the innermost is %v", depth, id)
		}
	}
	if accepted[true] == 0 || accepted[false] == 0 {
		t.Errorf("the depths are all on one side of the limit: %v", accepted)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	if err := fastpb.Unmarshal([]byte{0x12, 5}, new(schedulerpb.Event)); !errors.Is(err, fastpb.ErrMalformed) {
		t.Errorf("got %v, want %v", err, fastpb.ErrMalformed)
	}
}

func TestOtherMessagesAreLeftAlone(t *testing.T) {
	m := &masterpb.Call{Type: masterpb.Call_GET_HEALTH.Enum()}
	err := fastpb.Unmarshal([]byte{8, 2}, m)
	if !errors.Is(err, fastpb.ErrUnknownType) || fastpb.Knows(m) || !fastpb.Knows(new(executorpb.Call)) || m.GetType() != masterpb.Call_GET_HEALTH {
		t.Errorf("error %v, message %v", err, m)
	}
}

func TestUnmarshalResetsTheMessage(t *testing.T) {
	m := &schedulerpb.Event{Error: &schedulerpb.Event_Error{Message: proto.String("old")}}
	if err := fastpb.Unmarshal([]byte{8, 8}, m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT.Enum()}, m, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestMessagesOfAFrameDoNotShareWhatCanBeChanged(t *testing.T) {
	m := new(schedulerpb.Event)
	if err := fastpb.Unmarshal(frame(t, "offers-10"), m); err != nil {
		t.Fatal(err)
	}
	want := proto.CloneOf(m)
	// Appending to a list or to bytes, and writing through any pointer, changes that one field.
	offers := m.GetOffers().GetOffers()
	offers[0].Resources = append(offers[0].Resources, &mesospb.Resource{Name: proto.String("new")})
	*offers[1].Hostname = "changed"
	*offers[1].Resources[0].Type = mesospb.Value_SET
	*offers[2].Resources[0].Scalar.Value = 7
	w := want.GetOffers().GetOffers()
	w[0].Resources = append(w[0].Resources, &mesospb.Resource{Name: proto.String("new")})
	w[1].Hostname = proto.String("changed")
	w[1].Resources[0].Type = mesospb.Value_SET.Enum()
	w[2].Resources[0].Scalar.Value = proto.Float64(7)
	if diff := cmp.Diff(want, m, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}

	m = new(schedulerpb.Event)
	body, err := proto.Marshal(&schedulerpb.Event{Message: &schedulerpb.Event_Message{
		AgentId: &mesospb.AgentID{Value: proto.String("a")}, ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")},
		Data: []byte("data"),
	}, Type: schedulerpb.Event_MESSAGE.Enum(), Error: &schedulerpb.Event_Error{Message: proto.String("after")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fastpb.Unmarshal(body, m); err != nil {
		t.Fatal(err)
	}
	m.Message.Data = append(m.Message.Data, "XXXXXXXX"...)
	if m.GetError().GetMessage() != "after" {
		t.Errorf("appending to bytes wrote into the next field: %v", m)
	}
}

// What pass one counts must be exactly what pass two takes; otherwise memory is wasted or the number
// of allocations explodes.
func TestAllocationsDoNotGrowWithTheEvent(t *testing.T) {
	allocs := func(name string) float64 {
		body := frame(t, name)
		return testing.AllocsPerRun(50, func() {
			if err := fastpb.Unmarshal(body, new(schedulerpb.Event)); err != nil {
				t.Fatal(err)
			}
		})
	}
	one, hundred := allocs("offers-1"), allocs("offers-100")
	if hundred > one+4 || hundred > 60 {
		t.Errorf("%v allocations for an event of 100 offers, %v for one offer", hundred, one)
	}
}

func TestWrongWireTypesDoNotPileUp(t *testing.T) {
	// A string field sent as a number is counted but never taken. Were the count kept for the next
	// frame, decoders would allocate more and more.
	body := bytes.Repeat([]byte{1 << 3, 1}, 1000)
	odd := field(8, body)
	for range 100 {
		_ = fastpb.Unmarshal(odd, new(schedulerpb.Event))
	}
	var m schedulerpb.Event
	if err := fastpb.Unmarshal(field(8, field(1, []byte("short"))), &m); err != nil || m.GetError().GetMessage() != "short" {
		t.Errorf("error %v, message %v", err, &m)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_ = fastpb.Unmarshal(odd, new(schedulerpb.Event))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10 {
		t.Errorf("%d bytes allocated to decode a frame of %d bytes", n, len(odd))
	}
}

func FuzzUnmarshal(f *testing.F) {
	for i, root := range roots {
		for seed := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, 2))
			m := newMessage(root)
			pbtest.Random(r, m, pbtest.Options{OddEnums: true, Unknown: true})
			body, err := proto.Marshal(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), body)
		}
	}
	f.Add(uint8(0), frame(f, "update"))
	f.Add(uint8(0), frame(f, "offers-1"))
	f.Fuzz(func(t *testing.T, root uint8, body []byte) {
		same(t, roots[int(root)%len(roots)], body)
	})
}
