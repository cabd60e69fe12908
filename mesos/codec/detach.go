package codec

import "google.golang.org/protobuf/proto"

// Detach returns a deep copy of m that shares no memory with it: not the frame that m was decoded from, either. It is what to keep of
// a message that was decoded by UnmarshalOwned or Unmarshal, as a rule a small part of it; proto.Clone is not enough, since it shares
// strings. For a single string there is strings.Clone.
func Detach[M proto.Message](m M) M {
	if !m.ProtoReflect().IsValid() { // a nil pointer
		return m
	}
	copied := m.ProtoReflect().New().Interface()
	body, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
	if err == nil {
		err = proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(body, copied)
	}
	if err != nil { // strings that are not UTF-8 are no error in proto2, and nothing else can be wrong with a message
		panic("codec: detaching a message: " + err.Error())
	}
	return copied.(M)
}
