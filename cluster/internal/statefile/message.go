package statefile

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Message is a protobuf message in the data of a state file. In contrast to what comes over the wire it is read strictly: unknown
// fields, unknown names of enums and missing fields are errors.
type Message[T any, M interface {
	*T
	proto.Message
}] struct{ M M }

// MarshalJSON writes the message with the names of its fields as in the .proto file.
func (m Message[T, M]) MarshalJSON() ([]byte, error) {
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(m.M)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Message[T, M]) UnmarshalJSON(data []byte) error {
	m.M = new(T)
	return protojson.Unmarshal(data, m.M)
}
