package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Values are trees as encoding/json makes them with UseNumber: map[string]any, []any, string,
// json.Number, bool, nil.

// decode reads one JSON value and nothing after it.
func decode(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

// encode writes a value as compact JSON with sorted keys and without escaping for HTML.
func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprintf("%v", v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// get follows keys into objects; it is nil if one is missing.
func get(v any, keys ...string) any {
	for _, k := range keys {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[k]
	}
	return v
}

// text is get for strings; it is empty if there is none.
func text(v any, keys ...string) string {
	s, _ := get(v, keys...).(string)
	return s
}

// list is get for arrays.
func list(v any, keys ...string) []any {
	l, _ := get(v, keys...).([]any)
	return l
}

// kind names the JSON type of a value. Integers and numbers with a fraction or exponent count as
// two types: Mesos writes 5.0 for a double.
func kind(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "bool"
	case nil:
		return "null"
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return "double"
		}
		return "integer"
	}
	return fmt.Sprintf("%T", v)
}

// transform copies a tree and replaces what f wants replaced. f is called for every value below the
// root with its key, before what is inside of it. The key of an element is that of its array, and
// that of a field "value" is that of the object, so that ids are called by what they identify.
func transform(v any, key string, f func(key string, v any) (any, bool)) any {
	if replaced, ok := f(key, v); ok {
		return replaced
	}
	switch v := v.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for k, inner := range v {
			copied[k] = transform(inner, inside(key, k), f)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, inner := range v {
			copied[i] = transform(inner, key, f)
		}
		return copied
	}
	return v
}

// inside is the key under which the field k of the object called key counts.
func inside(key, k string) string {
	if k == "value" && key != "" {
		return key
	}
	return k
}

// walk calls f for every value of a tree with its key, as transform does.
func walk(v any, key string, f func(key string, v any)) {
	f(key, v)
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			walk(inner, inside(key, k), f)
		}
	case []any:
		for _, inner := range v {
			walk(inner, key, f)
		}
	}
}
