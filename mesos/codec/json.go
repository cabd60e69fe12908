package codec

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

type jsonCodec struct{ defaults bool }

func (jsonCodec) MediaType() string { return MediaTypeJSON }
func (jsonCodec) Append(dst []byte, m proto.Message) ([]byte, error) {
	return protojson.MarshalOptions{UseProtoNames: true}.MarshalAppend(dst, m)
}
func (jsonCodec) Unmarshal(data []byte, m proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
}
func (c jsonCodec) UnmarshalOwned(data []byte, m proto.Message) error { return c.Unmarshal(data, m) }
