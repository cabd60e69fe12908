// Package codec encodes and decodes Mesos messages in the two media types of the v1 API.
package codec

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Media types of the v1 API.
const (
	MediaTypeJSON     = "application/json"
	MediaTypeProtobuf = "application/x-protobuf"
	MediaTypeRecordIO = "application/recordio"
)

// Codec encodes and decodes messages in one media type. Codecs are safe for concurrent use.
type Codec interface {
	// MediaType returns the value of the Content-Type header for this encoding.
	MediaType() string
	// Append appends the encoding of m to dst.
	Append(dst []byte, m proto.Message) ([]byte, error)
	// Unmarshal resets m and decodes data into it. m keeps no reference to data.
	Unmarshal(data []byte, m proto.Message) error
	// UnmarshalOwned is Unmarshal for data that the caller gives away: m may refer to it.
	UnmarshalOwned(data []byte, m proto.Message) error
}

// The codecs.
var (
	JSON     Codec = jsonCodec{}
	Protobuf Codec = protobufCodec{}
)

// ByMediaType returns the codec for a Content-Type, compared byte for byte as Mesos does.
func ByMediaType(mediaType string) (Codec, bool) {
	switch mediaType {
	case MediaTypeJSON:
		return JSON, true
	case MediaTypeProtobuf:
		return Protobuf, true
	}
	return nil, false
}

type jsonCodec struct{}

func (jsonCodec) MediaType() string { return MediaTypeJSON }
func (jsonCodec) Append(dst []byte, m proto.Message) ([]byte, error) {
	return protojson.MarshalOptions{UseProtoNames: true}.MarshalAppend(dst, m)
}
func (jsonCodec) Unmarshal(data []byte, m proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
}
func (c jsonCodec) UnmarshalOwned(data []byte, m proto.Message) error { return c.Unmarshal(data, m) }

type protobufCodec struct{}

func (protobufCodec) MediaType() string { return MediaTypeProtobuf }
func (protobufCodec) Append(dst []byte, m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(dst, m)
}
func (protobufCodec) Unmarshal(data []byte, m proto.Message) error { return proto.Unmarshal(data, m) }
func (c protobufCodec) UnmarshalOwned(data []byte, m proto.Message) error {
	return c.Unmarshal(data, m)
}
