package mesosjson

import (
	"encoding/base64"
	"slices"
	"strconv"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// message is what reader and writer need to know of a message type.
type message struct {
	fields   []field // in the order of the .proto file, in which Mesos writes them
	byName   map[string]*field
	byNumber []*field // by field number
	defaults bool     // some field has a preset
}

type field struct {
	index    int // in message.fields
	number   protowire.Number
	name     string
	key      string // `"name":`
	tag      []byte // as a single element is encoded
	kind     protoreflect.Kind
	repeated bool
	required bool
	inner    *message // of a message
	enum     *enum    // of an enum
	mapKey   *field   // of a map: what its entries hold
	mapValue *field
	// preset is the value that a server writes for the field if it is not set; empty for none.
	preset string
}

// enum has the names of an enum by number and the other way round.
type enum struct {
	numbers map[string]int32
	names   map[int32]string
}

// schemas has the message types seen so far, by protoreflect.MessageDescriptor. Descriptors never
// change and never go away, and so do the entries.
var schemas sync.Map

func schemaOf(md protoreflect.MessageDescriptor) *message {
	if m, ok := schemas.Load(md); ok {
		return m.(*message)
	}
	b := builder{}
	m := b.message(md)
	for md, m := range b {
		schemas.LoadOrStore(md, m)
	}
	return m
}

// builder has the messages of one build, so that a message that contains itself is built once.
type builder map[protoreflect.MessageDescriptor]*message

func (b builder) message(md protoreflect.MessageDescriptor) *message {
	if m, ok := schemas.Load(md); ok {
		return m.(*message)
	}
	if m := b[md]; m != nil {
		return m
	}
	fields := md.Fields()
	m := &message{fields: make([]field, fields.Len()), byName: make(map[string]*field, fields.Len())}
	b[md] = m
	for i := range m.fields {
		f := &m.fields[i]
		b.field(f, fields.Get(i))
		f.index = i
		m.byName[f.name] = f
		if n := int(f.number); n < 4096 {
			m.byNumber = append(m.byNumber, slices.Repeat([]*field{nil}, max(0, n+1-len(m.byNumber)))...)
			m.byNumber[n] = f
		}
		m.defaults = m.defaults || f.preset != ""
	}
	return m
}

func (b builder) field(f *field, fd protoreflect.FieldDescriptor) {
	*f = field{
		number: fd.Number(), name: string(fd.Name()), key: `"` + string(fd.Name()) + `":`, kind: fd.Kind(),
		tag:      protowire.AppendTag(nil, fd.Number(), wireType(fd.Kind())),
		repeated: fd.IsList(), required: fd.Cardinality() == protoreflect.Required,
	}
	switch {
	case fd.IsMap():
		f.mapKey, f.mapValue = new(field), new(field)
		b.field(f.mapKey, fd.MapKey())
		b.field(f.mapValue, fd.MapValue())
	case fd.Message() != nil:
		f.inner = b.message(fd.Message())
	case fd.Enum() != nil:
		values := fd.Enum().Values()
		f.enum = &enum{numbers: map[string]int32{}, names: map[int32]string{}}
		for i := range values.Len() {
			v := values.Get(i)
			f.enum.numbers[string(v.Name())] = int32(v.Number())
			if _, alias := f.enum.names[int32(v.Number())]; !alias {
				f.enum.names[int32(v.Number())] = string(v.Name())
			}
		}
	}
	if written[fd.FullName()] {
		f.preset = "[]"
	}
	options, _ := fd.Options().(*descriptorpb.FieldOptions)
	if fd.HasDefault() && fd.Cardinality() == protoreflect.Optional && !options.GetDeprecated() {
		f.preset = preset(fd)
	}
}

// written are the lists that a master writes even if they are empty, because it does not build these
// answers as messages but writes their JSON by hand.
var written = map[protoreflect.FullName]bool{
	"mesos.v1.agent.Response.GetExecutors.completed_executors":    true,
	"mesos.v1.agent.Response.GetExecutors.executors":              true,
	"mesos.v1.agent.Response.GetFrameworks.completed_frameworks":  true,
	"mesos.v1.agent.Response.GetFrameworks.frameworks":            true,
	"mesos.v1.agent.Response.GetTasks.completed_tasks":            true,
	"mesos.v1.agent.Response.GetTasks.launched_tasks":             true,
	"mesos.v1.agent.Response.GetTasks.pending_tasks":              true,
	"mesos.v1.agent.Response.GetTasks.queued_tasks":               true,
	"mesos.v1.agent.Response.GetTasks.terminated_tasks":           true,
	"mesos.v1.master.Response.GetAgents.agents":                   true,
	"mesos.v1.master.Response.GetAgents.recovered_agents":         true,
	"mesos.v1.master.Response.GetExecutors.executors":             true,
	"mesos.v1.master.Response.GetFrameworks.frameworks":           true,
	"mesos.v1.master.Response.GetFrameworks.completed_frameworks": true,
	"mesos.v1.master.Response.GetTasks.tasks":                     true,
	"mesos.v1.master.Response.GetTasks.unreachable_tasks":         true,
	"mesos.v1.master.Response.GetTasks.completed_tasks":           true,
}

// preset returns the default of a field in JSON.
func preset(fd protoreflect.FieldDescriptor) string {
	switch v := fd.Default(); fd.Kind() {
	case protoreflect.EnumKind:
		return `"` + string(fd.DefaultEnumValue().Name()) + `"`
	case protoreflect.StringKind:
		return string(appendString(nil, v.String()))
	case protoreflect.BytesKind:
		return `"` + base64.StdEncoding.EncodeToString(v.Bytes()) + `"`
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return string(appendDouble(nil, v.Float(), bits(fd.Kind())))
	case protoreflect.BoolKind:
		return strconv.FormatBool(v.Bool())
	default:
		return v.String()
	}
}

// lookup returns the field with this name, or nil. next is the index of the field that comes next if
// the fields come in the order in which Mesos writes them; it saves the search.
func (m *message) lookup(name []byte, next int) *field {
	if next < len(m.fields) && m.fields[next].name == string(name) {
		return &m.fields[next]
	}
	return m.byName[string(name)]
}

func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// bits returns the size of a floating point kind.
func bits(kind protoreflect.Kind) int {
	if kind == protoreflect.FloatKind {
		return 32
	}
	return 64
}
