package codec

import (
	"bytes"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/internal/fastpb"
)

type protobufCodec struct{}

func (protobufCodec) MediaType() string { return MediaTypeProtobuf }

func (protobufCodec) Append(dst []byte, m proto.Message) ([]byte, error) {
	out, err := appendProtobuf(dst, m)
	if err != nil {
		return dst, encodeError(m, err)
	}
	return out, nil
}

// vtMarshaler is what protoc-gen-go-vtproto generates for the packages of scheduler and executor
// traffic.
type vtMarshaler interface {
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
}

func appendProtobuf(dst []byte, m proto.Message) ([]byte, error) {
	vt, ok := m.(vtMarshaler)
	if !ok {
		return proto.MarshalOptions{}.MarshalAppend(dst, m)
	}
	n := vt.SizeVT()
	dst = slices.Grow(dst, n)
	_, err := vt.MarshalToSizedBufferVT(dst[len(dst) : len(dst)+n])
	return dst[:len(dst)+n], err
}

func (protobufCodec) Unmarshal(data []byte, m proto.Message) error {
	if fastpb.Knows(m) {
		return unmarshalFast(bytes.Clone(data), m)
	}
	return unmarshalStandard(data, m)
}

func (protobufCodec) UnmarshalOwned(data []byte, m proto.Message) error {
	if fastpb.Knows(m) {
		return unmarshalFast(data, m)
	}
	return unmarshalStandard(data, m)
}

func (protobufCodec) UnmarshalDetached(data []byte, m proto.Message) error {
	return unmarshalStandard(data, m)
}

func unmarshalFast(frame []byte, m proto.Message) error {
	err := fastpb.Unmarshal(frame, m)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fastpb.ErrMalformed), errors.Is(err, fastpb.ErrTooDeep):
		return &DecodeError{MediaType: MediaTypeProtobuf, Message: m.ProtoReflect().Descriptor().FullName(), Offset: -1, Kind: ErrSyntax, Detail: err.Error()}
	}
	return missingFields(MediaTypeProtobuf, m)
}

func unmarshalStandard(data []byte, m proto.Message) error {
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(data, m); err != nil {
		return &DecodeError{MediaType: MediaTypeProtobuf, Message: m.ProtoReflect().Descriptor().FullName(), Offset: -1, Kind: ErrSyntax, Detail: "malformed protobuf"}
	}
	if proto.CheckInitialized(m) != nil {
		return missingFields(MediaTypeProtobuf, m)
	}
	return nil
}
