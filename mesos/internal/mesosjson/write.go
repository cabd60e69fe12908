package mesosjson

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// FromWire appends to dst the JSON of the message of type md that wire holds. Unknown fields are left
// out. With defaults, optional fields that are not set but have a default in the .proto file, and are
// not deprecated, are written with it, and so are a few lists that are empty, as Mesos does.
//
// wire should come from an encoder. The error is that of a malformed message, or of a required enum
// whose number has no name.
func FromWire(dst, wire []byte, md protoreflect.MessageDescriptor, defaults bool) ([]byte, error) {
	w := writers.Get().(*writer)
	w.out, w.defaults = dst, defaults
	err := w.message(schemaOf(md), wire)
	out := w.out
	w.out = nil
	w.places = w.places[:0]
	writers.Put(w)
	if err != nil {
		return dst, err
	}
	return out, nil
}

var writers = sync.Pool{New: func() any { return new(writer) }}

type writer struct {
	out      []byte
	defaults bool
	// places is a stack: for each message being written, what is known of each of its fields.
	places []place
}

// place says where a field is in the encoding of its message.
type place struct {
	start int32 // of the value, of the first if the field is repeated and of the last otherwise
	count int32
	typ   protowire.Type
}

func errMalformed(m string) error { return fmt.Errorf("malformed protobuf in %s", m) }

// message writes the message b. The encoding has the fields in the order of their numbers, but they
// are written in the order of the .proto file: a first pass finds them.
func (w *writer) message(m *message, b []byte) error {
	if len(b) > math.MaxInt32 {
		return fmt.Errorf("message of %d bytes is too large", len(b))
	}
	if len(b) == 0 && !(w.defaults && m.defaults) {
		w.out = append(w.out, '{', '}')
		return nil
	}
	base := len(w.places)
	w.places = slices.Grow(w.places, len(m.fields))[:base+len(m.fields)]
	places := w.places[base:]
	clear(places)
	for i := 0; i < len(b); {
		num, typ, n := consumeTag(b[i:])
		if n < 0 {
			return errMalformed("a tag")
		}
		i += n
		start := i
		if n = valueSize(num, typ, b[i:]); n < 0 {
			return errMalformed("a value")
		}
		i += n
		if int(num) >= len(m.byNumber) || m.byNumber[num] == nil {
			continue
		}
		f := m.byNumber[num]
		if packed := f.repeated && typ == protowire.BytesType; typ != wireType(f.kind) && !packed {
			continue // an unknown field, as the decoders see it
		}
		p := &places[f.index]
		if p.count++; p.count == 1 || !f.repeated && f.mapValue == nil {
			p.start, p.typ = int32(start), typ
		}
	}
	open := byte('{')
	for i := range m.fields {
		f := &m.fields[i]
		p := w.places[base+i]
		mark := len(w.out)
		if p.count == 0 && (!w.defaults || f.preset == "") {
			continue
		}
		w.out = append(w.out, open)
		w.out = append(w.out, f.key...)
		wrote, err := true, error(nil)
		switch {
		case p.count == 0:
			w.out = append(w.out, f.preset...)
		case f.mapValue != nil:
			err = w.mapEntries(f, b, p)
		case f.repeated:
			wrote, err = w.list(f, b, p)
		default:
			wrote, _, err = w.value(f, b[p.start:])
			if !wrote && f.required && err == nil {
				n, _ := protowire.ConsumeVarint(b[p.start:])
				err = fmt.Errorf("field %s: enum number %d has no name", f.name, int32(n))
			}
		}
		if err != nil {
			return err
		}
		if !wrote {
			w.out = w.out[:mark]
			continue
		}
		open = ','
	}
	w.places = w.places[:base]
	if open == '{' {
		w.out = append(w.out, '{')
	}
	w.out = append(w.out, '}')
	return nil
}

// elements calls write with each value of field f of the message b, in order.
func elements(f *field, b []byte, p place, write func(value []byte, packed bool) error) error {
	for i, left, typ := int(p.start), p.count, p.typ; ; {
		n := valueSize(f.number, typ, b[i:])
		packed := typ == protowire.BytesType && wireType(f.kind) != typ
		if err := write(b[i:i+n], packed); err != nil {
			return err
		}
		if left--; left == 0 {
			return nil
		}
		for i += n; ; i += n {
			num, t, m := consumeTag(b[i:])
			i += m
			n = valueSize(num, t, b[i:])
			if num == f.number && (t == wireType(f.kind) || t == protowire.BytesType) {
				typ = t
				break
			}
		}
	}
}

// list writes the values of a repeated field. It reports false if there is none with a name.
func (w *writer) list(f *field, b []byte, p place) (wrote bool, err error) {
	open := byte('[')
	one := func(b []byte) (int, error) {
		mark := len(w.out)
		w.out = append(w.out, open)
		wrote, n, err := w.value(f, b)
		if wrote {
			open = ','
		} else {
			w.out = w.out[:mark]
		}
		return n, err
	}
	err = elements(f, b, p, func(value []byte, packed bool) error {
		if !packed {
			_, err := one(value)
			return err
		}
		all, _ := protowire.ConsumeBytes(value)
		for len(all) > 0 {
			n, err := one(all)
			if err != nil {
				return err
			}
			all = all[n:]
		}
		return nil
	})
	w.out = append(w.out, ']')
	return open == ',', err
}

// mapEntries writes a map as an object, sorted by key. Of several entries with the same key the last
// counts.
func (w *writer) mapEntries(f *field, b []byte, p place) error {
	type entry struct {
		key   string // as JSON string
		value []byte
	}
	var entries []entry
	err := elements(f, b, p, func(value []byte, _ bool) error {
		e := entry{key: `""`}
		if f.mapKey.kind != protoreflect.StringKind {
			e.key = `"0"`
		}
		body, _ := protowire.ConsumeBytes(value)
		for len(body) > 0 {
			num, typ, n := consumeTag(body)
			if n < 0 {
				return errMalformed("a map")
			}
			body = body[n:]
			if n = valueSize(num, typ, body); n < 0 {
				return errMalformed("a map")
			}
			switch {
			case num == 1 && typ == wireType(f.mapKey.kind):
				sub := &writer{}
				if _, _, err := sub.value(f.mapKey, body); err != nil {
					return err
				}
				e.key = string(sub.out)
				if f.mapKey.kind != protoreflect.StringKind {
					e.key = `"` + e.key + `"`
				}
			case num == 2 && typ == wireType(f.mapValue.kind):
				e.value = body[:n]
			}
			body = body[n:]
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	open := byte('{')
	for i, e := range entries {
		if i+1 < len(entries) && entries[i+1].key == e.key {
			continue
		}
		mark := len(w.out)
		w.out = append(w.out, open)
		w.out = append(append(w.out, e.key...), ':')
		if e.value == nil {
			e.value = make([]byte, 8) // the zero of every type
		}
		wrote, _, err := w.value(f.mapValue, e.value)
		if err != nil {
			return err
		}
		if !wrote {
			w.out = w.out[:mark]
			continue
		}
		open = ','
	}
	if open == '{' {
		w.out = append(w.out, '{')
	}
	w.out = append(w.out, '}')
	return nil
}

// value writes the single value at the start of b and returns its size. It reports false, having
// written nothing, for an enum number that has no name.
func (w *writer) value(f *field, b []byte) (wrote bool, n int, err error) {
	switch wireType(f.kind) {
	case protowire.VarintType:
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return false, 0, errMalformed("a number")
		}
		switch f.kind {
		case protoreflect.BoolKind:
			w.out = strconv.AppendBool(w.out, v != 0)
		case protoreflect.EnumKind:
			name, ok := f.enum.names[int32(v)]
			if !ok {
				return false, n, nil
			}
			w.out = append(append(append(w.out, '"'), name...), '"')
		case protoreflect.Int32Kind:
			w.out = strconv.AppendInt(w.out, int64(int32(v)), 10)
		case protoreflect.Int64Kind:
			w.out = strconv.AppendInt(w.out, int64(v), 10)
		case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
			w.out = strconv.AppendInt(w.out, protowire.DecodeZigZag(v), 10)
		case protoreflect.Uint32Kind:
			w.out = strconv.AppendUint(w.out, uint64(uint32(v)), 10)
		default:
			w.out = strconv.AppendUint(w.out, v, 10)
		}
		return true, n, nil
	case protowire.Fixed64Type:
		v, n := protowire.ConsumeFixed64(b)
		if n < 0 {
			return false, 0, errMalformed("a number")
		}
		switch f.kind {
		case protoreflect.DoubleKind:
			w.out = appendDouble(w.out, math.Float64frombits(v), 64)
		case protoreflect.Sfixed64Kind:
			w.out = strconv.AppendInt(w.out, int64(v), 10)
		default:
			w.out = strconv.AppendUint(w.out, v, 10)
		}
		return true, n, nil
	case protowire.Fixed32Type:
		v, n := protowire.ConsumeFixed32(b)
		if n < 0 {
			return false, 0, errMalformed("a number")
		}
		switch f.kind {
		case protoreflect.FloatKind:
			w.out = appendDouble(w.out, float64(math.Float32frombits(v)), 32)
		case protoreflect.Sfixed32Kind:
			w.out = strconv.AppendInt(w.out, int64(int32(v)), 10)
		default:
			w.out = strconv.AppendUint(w.out, uint64(v), 10)
		}
		return true, n, nil
	case protowire.BytesType:
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return false, 0, errMalformed("a field")
		}
		switch f.kind {
		case protoreflect.StringKind:
			w.out = appendString(w.out, v)
		case protoreflect.BytesKind:
			w.out = append(w.out, '"')
			w.out = base64.StdEncoding.AppendEncode(w.out, v)
			w.out = append(w.out, '"')
		default:
			if err := w.message(f.inner, v); err != nil {
				return false, n, fmt.Errorf("%s: %w", f.name, err)
			}
		}
		return true, n, nil
	}
	return false, 0, fmt.Errorf("field %s is a group, which JSON does not have", f.name)
}

// consumeTag is protowire.ConsumeTag, faster for the tags of one byte.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	if len(b) > 0 && b[0] < 0x80 && b[0] >= 8 {
		return protowire.Number(b[0] >> 3), protowire.Type(b[0] & 7), 1
	}
	return protowire.ConsumeTag(b)
}

// valueSize is protowire.ConsumeFieldValue, faster for short fields.
func valueSize(num protowire.Number, typ protowire.Type, b []byte) int {
	if len(b) > 0 && b[0] < 0x80 {
		switch n := 1 + int(b[0]); {
		case typ == protowire.VarintType:
			return 1
		case typ == protowire.BytesType && n <= len(b):
			return n
		}
	}
	return protowire.ConsumeFieldValue(num, typ, b)
}
