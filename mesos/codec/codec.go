// Package codec encodes and decodes Mesos messages in the two media types of the v1 API, exactly as
// Apache Mesos writes and reads them.
//
//	c, ok := codec.ByMediaType(response.Header.Get("Content-Type"))
//	...
//	event := new(schedulerpb.Event)
//	if err := c.UnmarshalOwned(frame, event); err != nil {
//		return err
//	}
//
// Protobuf is the fast one: a scheduler's or executor's event is decoded by package
// mesos/internal/fastpb at about a quarter of the cost of the standard runtime. JSON is for people,
// for clients without protobuf, and for reading what other programs wrote; json.go has its rules.
//
// Bodies that do not decode give a *DecodeError.
package codec

import "google.golang.org/protobuf/proto"

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
	// Append appends the encoding of m to dst. It fails, and returns dst as it was, if a required
	// field of m is not set.
	Append(dst []byte, m proto.Message) ([]byte, error)
	// Unmarshal resets m and decodes data into it. m keeps no reference to data. After an error,
	// which is a *DecodeError, the content of m is undefined.
	Unmarshal(data []byte, m proto.Message) error
	// UnmarshalOwned is Unmarshal for data that the caller gives away: m may refer to it, so that
	// nobody may write to it any more. What is decoded is kept in memory as a whole: a program that
	// keeps a small part of a large message for long should keep a proto.Clone of the part.
	UnmarshalOwned(data []byte, m proto.Message) error
}

// The codecs.
var (
	// JSON writes the fields that are set and no others, so that what is decoded again is equal. It is
	// what clients use.
	JSON Codec = jsonCodec{}
	// ServerJSON writes, in addition, the defaults of unset optional fields, and the empty lists of
	// the answers to GET_TASKS and its like, as a Mesos master and agent do: "checkpoint":false,
	// "refuse_seconds":5.0, "unreachable_tasks":[]. It reads what JSON reads.
	ServerJSON Codec = jsonCodec{defaults: true}
	// Protobuf is the binary encoding.
	Protobuf Codec = protobufCodec{}
)

// ByMediaType returns the codec for a Content-Type, compared byte for byte as Mesos does: parameters
// such as "; charset=utf-8", or another case, are not recognised.
func ByMediaType(mediaType string) (Codec, bool) {
	switch mediaType {
	case MediaTypeJSON:
		return JSON, true
	case MediaTypeProtobuf:
		return Protobuf, true
	}
	return nil, false
}

// ServerByMediaType is ByMediaType for the side of the conversation that a master or agent has.
func ServerByMediaType(mediaType string) (Codec, bool) {
	if mediaType == MediaTypeJSON {
		return ServerJSON, true
	}
	return ByMediaType(mediaType)
}
