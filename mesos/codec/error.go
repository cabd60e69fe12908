package codec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What can be wrong with a body, in the order in which Mesos checks. A codec wraps each of these in a
// *DecodeError.
var (
	// ErrSyntax: not JSON, JSON whose top level is no object, or not protobuf.
	ErrSyntax = errors.New("malformed")
	// ErrValue: well-formed JSON with a value that a field cannot have.
	ErrValue = errors.New("unusable value")
	// ErrMissingField: a message without a required field.
	ErrMissingField = errors.New("missing required fields")
)

// DecodeError is a body that is not the message that it should be. It unwraps to its Kind.
type DecodeError struct {
	// MediaType is that of the codec.
	MediaType string
	// Message is the type that the body should have been.
	Message protoreflect.FullName
	// Kind is one of the Err values of this package.
	Kind error
	// Path leads to the offending field or to the first missing one, as in
	// "accept.operations[0].launch". It is empty for a syntax error.
	Path string
	// Offset is the position of the offending value in the body, in bytes; -1 if it has none, as a
	// missing field.
	Offset int64
	// Missing has the paths of all required fields that are missing, in the order of the schema.
	Missing []string
	// Detail says what was found.
	Detail string
}

func (e *DecodeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "decode %s from %s: ", e.Message, e.MediaType)
	if e.Kind == ErrMissingField {
		fmt.Fprintf(&b, "%v: %s", e.Kind, strings.Join(e.Missing, ", "))
		return b.String()
	}
	if e.Path != "" {
		fmt.Fprintf(&b, "field %s: ", e.Path)
	}
	b.WriteString(e.Detail)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " (at byte %d)", e.Offset)
	}
	return b.String()
}

// Unwrap returns the kind of the error.
func (e *DecodeError) Unwrap() error { return e.Kind }

// missingFields returns the error for the required fields that m lacks.
func missingFields(mediaType string, m proto.Message) error {
	var missing []string
	findMissing(m.ProtoReflect(), "", &missing)
	e := &DecodeError{
		MediaType: mediaType, Message: m.ProtoReflect().Descriptor().FullName(),
		Kind: ErrMissingField, Offset: -1, Missing: missing,
	}
	if len(missing) > 0 {
		e.Path = missing[0]
	}
	return e
}

// findMissing adds the paths of the required fields that m lacks, as the C++ runtime of Mesos names
// them in its answers: those of m itself in the order of the schema, then those of what m contains in
// the order of field numbers.
func findMissing(m protoreflect.Message, prefix string, out *[]string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); fd.Cardinality() == protoreflect.Required && !m.Has(fd) {
			*out = append(*out, prefix+string(fd.Name()))
		}
	}
	var inner []protoreflect.FieldDescriptor
	for i := range fields.Len() {
		if fd := fields.Get(i); fd.Message() != nil && m.Has(fd) {
			inner = append(inner, fd)
		}
	}
	slices.SortFunc(inner, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number() - b.Number()) })
	for _, fd := range inner {
		path, value := prefix+string(fd.Name()), m.Get(fd)
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() == nil {
				continue
			}
			var keys []string
			value.Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
				keys = append(keys, k.String())
				return true
			})
			slices.Sort(keys)
			for _, k := range keys {
				findMissing(value.Map().Get(protoreflect.ValueOfString(k).MapKey()).Message(), path+"["+strconv.Quote(k)+"].", out)
			}
		case fd.IsList():
			for j := range value.List().Len() {
				findMissing(value.List().Get(j).Message(), path+"["+strconv.Itoa(j)+"].", out)
			}
		default:
			findMissing(value.Message(), path+".", out)
		}
	}
}

// encodeError names the required fields that are not set, which the errors of the marshallers do in
// part at best.
func encodeError(m proto.Message, err error) error {
	name := m.ProtoReflect().Descriptor().FullName()
	var missing []string
	findMissing(m.ProtoReflect(), "", &missing)
	if len(missing) == 0 {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return fmt.Errorf("encode %s: %w: %s", name, ErrMissingField, strings.Join(missing, ", "))
}
