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
// Bodies that do not decode give a *DecodeError.
//
// # Protobuf
//
// Events and calls of schedulers and executors are decoded by package mesos/internal/fastpb: the same
// result as that of the standard runtime, in some 30 allocations however large the event is. Messages
// decoded together share memory, see Codec.UnmarshalOwned. The operator APIs use the standard runtime.
//
// # JSON
//
// JSON is for people, for clients without protobuf, and for reading what other programs wrote. It is
// not that of protojson. Written are: fields in the order of the .proto file, by their original names;
// 64-bit integers as bare numbers; doubles in the shortest form, always with a point or an exponent;
// enums by name; bytes in padded base64; maps as objects with sorted keys; a google.protobuf.Duration
// as the message it is; nothing for empty lists and unknown fields. Strings are not checked to be
// UTF-8. Two cases differ from Mesos, which writes what is not JSON or loses it: NaN and the infinities
// are the strings "NaN", "Infinity" and "-Infinity"; an enum number without a name, which comes from a
// newer peer, is left out like an unknown field, but is an error in a required field.
//
// Read are original names only; unknown fields are skipped, null is a field that is not set, the last
// of several fields with one name counts. Numbers, true and false may be quoted; fractions given to
// integers lose what follows the point; integers too large for 32 bits lose their upper bits, and
// those too large for 64 become the nearest number. Enums go by name: an unknown name is an error if
// the field is required, and no value otherwise. Base64 is the standard alphabet, may lack padding, may
// contain white space, and ends at the first "=". A single value for a list is a list of one; lists
// within lists are flattened. Half of an escaped surrogate pair becomes U+FFFD. Objects and arrays nest
// at most 200 deep, the top level is an object, and nothing may follow it.
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
	//
	// Parts of m share memory with each other: whoever keeps a small part of a large message for long keeps a copy of it, made by
	// Detach.
	Unmarshal(data []byte, m proto.Message) error
	// UnmarshalOwned is Unmarshal for data that the caller gives away: m may refer to it, so that
	// nobody may write to it any more. It is the fastest way.
	UnmarshalOwned(data []byte, m proto.Message) error
	// UnmarshalDetached is Unmarshal with a result of which every part may be kept: none shares memory with another, or with data.
	// It is that of the standard runtime, and as slow.
	UnmarshalDetached(data []byte, m proto.Message) error
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
