package codec

import (
	"bytes"
	"errors"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/internal/fastpb"
	"github.com/mesokit/mesokit/mesos/internal/mesosjson"
)

// jsonCodec goes through the wire format: mesosjson turns JSON into it and back in one pass over
// bytes, and the decoders and encoders of protobuf do the rest.
//
// What it reads and writes is what Mesos does, which is not what protojson does: see the documentation
// of package mesosjson, and docs/behaviour.md#json.
type jsonCodec struct{ defaults bool }

func (jsonCodec) MediaType() string { return MediaTypeJSON }

func (c jsonCodec) Append(dst []byte, m proto.Message) ([]byte, error) {
	wire := scratch.Get().(*[]byte)
	defer putScratch(wire)
	body, err := appendProtobuf((*wire)[:0], m)
	if err != nil {
		return dst, encodeError(m, err)
	}
	*wire = body
	out, err := mesosjson.FromWire(dst, body, m.ProtoReflect().Descriptor(), c.defaults)
	if err != nil {
		return dst, encodeError(m, err)
	}
	return out, nil
}

func (jsonCodec) Unmarshal(data []byte, m proto.Message) error {
	return unmarshalJSON(data, m, fastpb.Knows(m))
}

func (c jsonCodec) UnmarshalOwned(data []byte, m proto.Message) error { return c.Unmarshal(data, m) }

func (jsonCodec) UnmarshalDetached(data []byte, m proto.Message) error {
	return unmarshalJSON(data, m, false)
}

func unmarshalJSON(data []byte, m proto.Message, fast bool) error {
	wire := scratch.Get().(*[]byte)
	defer putScratch(wire)
	md := m.ProtoReflect().Descriptor()
	body, err := mesosjson.ToWire((*wire)[:0], data, md)
	if err != nil {
		e := &DecodeError{MediaType: MediaTypeJSON, Message: md.FullName(), Kind: ErrValue, Offset: -1, Detail: err.Error()}
		if j, ok := errors.AsType[*mesosjson.Error](err); ok {
			e.Path, e.Offset, e.Detail = j.Path, int64(j.Offset), j.Detail
			if j.Syntax {
				e.Kind = ErrSyntax
			}
		}
		return e
	}
	*wire = body
	if fast {
		err = fastpb.Unmarshal(bytes.Clone(body), m)
	} else {
		err = proto.Unmarshal(body, m)
	}
	if err != nil {
		// The wire format comes from mesosjson, so that nothing else can be wrong with it.
		return missingFields(MediaTypeJSON, m)
	}
	return nil
}

// scratch has buffers for the wire format on its way from or to JSON.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// maxScratch is the largest buffer that is kept.
const maxScratch = 4 << 20

func putScratch(b *[]byte) {
	if cap(*b) <= maxScratch {
		scratch.Put(b)
	}
}
