package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
)

// What Mesos says of bodies that are not what they should be.

// ParseError is a text that is no JSON, or JSON of another type than is expected. Its text is that of Mesos' parser.
type ParseError struct{ Text string }

func (e *ParseError) Error() string { return e.Text }

// ConversionError is JSON that does not make the message. Its text is that of Mesos' conversion.
type ConversionError struct{ Text string }

func (e *ConversionError) Error() string { return e.Text }

// DecodeJSON reads a JSON object into a message. The error is a *ParseError or a *ConversionError.
func DecodeJSON(body []byte, into proto.Message) error {
	if err := parse(body, '{'); err != nil {
		return err
	}
	return inWords(body, codec.JSON.Unmarshal(body, into))
}

// DecodeJSONList reads a JSON array of objects, each into a message that make makes. The error is a *ParseError or a *ConversionError.
func DecodeJSONList[M proto.Message](body []byte, make func() M) ([]M, error) {
	if err := parse(body, '['); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, &ParseError{err.Error()}
	}
	var out []M
	for _, raw := range list {
		m := make()
		if err := inWords(raw, codec.JSON.Unmarshal(raw, m)); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// parse checks that a text is JSON of the type that begins with the given character.
func parse(text []byte, first byte) error {
	var v json.RawMessage
	if err := json.Unmarshal(text, &v); err != nil {
		at := int64(len(text))
		if e, ok := errors.AsType[*json.SyntaxError](err); ok && e.Error() != "unexpected end of JSON input" {
			at = max(0, e.Offset-1)
		}
		return syntaxError(text, at)
	}
	if bytes.TrimLeft(text, " \t\r\n")[0] != first {
		return &ParseError{"Unexpected JSON type parsed"}
	}
	return nil
}

func syntaxError(text []byte, offset int64) error {
	at := int(min(max(offset, 0), int64(len(text))))
	line := 1 + bytes.Count(text[:at], []byte("\n"))
	rest := text[at:]
	return &ParseError{fmt.Sprintf("syntax error at line %d near: %s", line, rest[:min(len(rest), 200)])}
}

// inWords puts the error of decoding a JSON text into the words of Mesos.
func inWords(text []byte, err error) error {
	e, ok := errors.AsType[*codec.DecodeError](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return &ConversionError{err.Error()}
	case e.Kind == codec.ErrSyntax:
		if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] != '{' && json.Valid(text) {
			return &ConversionError{"Expecting a JSON object"}
		}
		return syntaxError(text, e.Offset)
	case e.Kind == codec.ErrMissingField:
		return &ConversionError{"Missing required fields: " + strings.Join(e.Missing, ", ")}
	}
	field, _, _ := strings.Cut(e.Path[strings.LastIndexByte(e.Path, '.')+1:], "[")
	var s string
	_ = json.NewDecoder(bytes.NewReader(text[min(max(e.Offset, 0), int64(len(text))):])).Decode(&s) // what was found, if it is a string
	if kind, ok := strings.CutPrefix(e.Detail, "does not take "); ok {
		_, kind, _ = strings.Cut(kind, " ")
		return &ConversionError{"Not expecting a JSON " + kind + " for field '" + field + "'"}
	}
	switch {
	case strings.HasPrefix(e.Detail, "expected an object"):
		return &ConversionError{"Not expecting a JSON string for field '" + field + "'"}
	case strings.HasPrefix(e.Detail, "unknown enum value"):
		return &ConversionError{"Failed to find enum for '" + s + "'"}
	case strings.HasPrefix(e.Detail, "expected a number"):
		return &ConversionError{"Failed to parse '" + s + "' as a JSON number for field '" + field + "'"}
	case strings.HasPrefix(e.Detail, "expected a boolean"):
		return &ConversionError{"Failed to parse '" + s + "' as a JSON boolean for field '" + field + "'"}
	case strings.HasSuffix(e.Detail, "base64 alphabet"):
		return &ConversionError{"Failed to base64 decode bytes field '" + field + "': Invalid character '" + invalidBase64(s) + "'"}
	}
	return &ConversionError{"field '" + e.Path + "': " + e.Detail}
}

// invalidBase64 returns the first character that is not in the alphabet.
func invalidBase64(s string) string {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("+/ \t\r\n", c) >= 0) {
			return s[i : i+1]
		}
	}
	return ""
}

// decodeError says what is wrong with the body of a call.
func decodeError(body []byte, err error) string {
	if e, ok := errors.AsType[*codec.DecodeError](err); ok && e.MediaType == codec.MediaTypeProtobuf {
		return "Failed to parse body into Call protobuf"
	}
	err = inWords(body, err)
	if _, ok := errors.AsType[*ParseError](err); ok {
		return "Failed to parse body into JSON: " + err.Error()
	}
	return "Failed to convert JSON into Call protobuf: " + err.Error()
}
