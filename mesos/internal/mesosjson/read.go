package mesosjson

import (
	"fmt"
	"math"
	"strconv"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ToWire appends to dst the wire format of the message of type md that text holds. Required fields are
// for the decoder of the wire format to miss. The error is an *Error; a text that is not JSON is
// reported as such, whatever else is wrong with it.
func ToWire(dst, text []byte, md protoreflect.MessageDescriptor) ([]byte, error) {
	r := readers.Get().(*reader)
	r.lexer, r.out = lexer{text: text}, dst
	err := r.top()
	if err == nil {
		err = r.object(schemaOf(md), 0)
	}
	if err == nil {
		err = r.end()
	}
	out := r.out
	if err != nil && !err.Syntax {
		if syntax := r.check(); syntax != nil {
			err = syntax
		}
	}
	r.lexer, r.out = lexer{}, nil
	readers.Put(r)
	if err != nil {
		if err.Syntax {
			err.Path = ""
		}
		return dst, err
	}
	return out, nil
}

var readers = sync.Pool{New: func() any { return new(reader) }}

type reader struct {
	lexer
	out  []byte
	name []byte // of a field, unescaped
}

// object reads an object as the fields of a message. depth counts the containers around it.
func (r *reader) object(m *message, depth int) *Error {
	if depth == MaxDepth {
		return r.syntax(tooDeep)
	}
	r.pos++
	if r.next() == '}' {
		r.pos++
		return nil
	}
	var seen fieldSet
	var doubles map[protowire.Number]int // where in out the last value of a repeated name starts
	start := len(r.out)
	for next := 0; ; {
		name, err := r.fieldName()
		if err != nil {
			return err
		}
		f := m.lookup(name, next)
		if f == nil {
			err = r.skip(depth + 1)
		} else {
			next = f.index + 1
			if seen.add(f.index) {
				if doubles == nil {
					doubles = map[protowire.Number]int{}
				}
				doubles[f.number] = len(r.out)
			}
			if err = r.value(f, depth+1); err != nil {
				return err.in(f.name)
			}
		}
		if err != nil {
			return err
		}
		if done, err := r.separator('}'); err != nil {
			return err
		} else if done {
			break
		}
	}
	if doubles != nil {
		r.out = dropEarlier(r.out, start, doubles)
	}
	return nil
}

// fieldName takes a field name and the colon after it.
func (r *reader) fieldName() ([]byte, *Error) {
	if r.next() != '"' {
		return nil, r.unexpected("a field name")
	}
	name, escaped, err := r.raw()
	if err != nil {
		return nil, err
	}
	if escaped {
		end := r.pos
		if r.name, err = r.unescape(r.name[:0], name, end-1-len(name)); err != nil {
			return nil, err
		}
		name, r.pos = r.name, end
	}
	return name, r.expect(':', "after a field name")
}

// value reads a value of field f into out: nothing for null, each element for an array. depth counts
// the containers around it.
func (r *reader) value(f *field, depth int) *Error {
	switch c := r.next(); c {
	case 'n':
		return r.literal("null")
	case '[':
		if !f.repeated && f.mapValue == nil {
			return r.mismatch("an array")
		}
		if depth == MaxDepth {
			return r.syntax(tooDeep)
		}
		return r.array(f, depth)
	case '{':
		switch {
		case f.mapValue != nil:
			return r.mapEntries(f, depth)
		case f.inner == nil:
			return r.mismatch("an object")
		}
		r.out = append(r.out, f.tag...)
		mark := r.open()
		err := r.object(f.inner, depth)
		r.close(mark)
		return err
	case '"':
		return r.text(f)
	case 't', 'f':
		word := "true"
		if c == 'f' {
			word = "false"
		}
		if f.kind != protoreflect.BoolKind {
			return r.mismatch("a boolean")
		}
		if err := r.literal(word); err != nil {
			return err
		}
		r.varint(f, protowire.EncodeBool(c == 't'))
		return nil
	default:
		if c != '-' && (c < '0' || c > '9') {
			return r.unexpected("a value")
		}
		if !isNumber(f.kind) {
			return r.mismatch("a number")
		}
		start := r.pos
		n, ok := parseNumber(r.lexer.number())
		if !ok {
			r.pos = start
			return r.syntax("malformed number")
		}
		r.number(f, n)
		return nil
	}
}

func (r *reader) array(f *field, depth int) *Error {
	r.pos++
	if r.next() == ']' {
		r.pos++
		return nil
	}
	for i := 0; ; i++ {
		if err := r.value(f, depth+1); err != nil {
			return err.in("[" + strconv.Itoa(i) + "]")
		}
		if done, err := r.separator(']'); done || err != nil {
			return err
		}
	}
}

// mapEntries reads an object as the entries of a map field.
func (r *reader) mapEntries(f *field, depth int) *Error {
	if depth == MaxDepth {
		return r.syntax(tooDeep)
	}
	r.pos++
	if r.next() == '}' {
		r.pos++
		return nil
	}
	for {
		at := r.pos
		name, err := r.fieldName()
		if err != nil {
			return err
		}
		key := string(name) // name does not outlive the value
		r.out = append(r.out, f.tag...)
		mark := r.open()
		if err = r.word(f.mapKey, name, at); err == nil {
			err = r.value(f.mapValue, depth+1)
		}
		if err != nil {
			return err.in("[" + strconv.Quote(key) + "]")
		}
		r.close(mark)
		if done, err := r.separator('}'); done || err != nil {
			return err
		}
	}
}

// text reads a string as a value of any kind.
func (r *reader) text(f *field) *Error {
	at := r.pos
	s, escaped, err := r.raw()
	if err != nil {
		return err
	}
	if !escaped {
		return r.word(f, s, at)
	}
	end := r.pos
	if f.kind == protoreflect.StringKind {
		r.out = append(r.out, f.tag...)
		mark := r.open()
		r.out, err = r.unescape(r.out, s, at+1)
		r.close(mark)
	} else if r.name, err = r.unescape(r.name[:0], s, at+1); err == nil {
		err = r.word(f, r.name, at)
	}
	if err == nil {
		r.pos = end
	}
	return err
}

// word takes the content s of a string at the given position as a value of any kind.
func (r *reader) word(f *field, s []byte, at int) *Error {
	wrong := func(detail string) *Error { return &Error{Offset: at, Detail: detail} }
	switch f.kind {
	case protoreflect.StringKind:
		r.out = append(r.out, f.tag...)
		r.out = protowire.AppendBytes(r.out, s)
	case protoreflect.BytesKind:
		r.out = append(r.out, f.tag...)
		mark := r.open()
		bad := 0
		if r.out, bad = appendBase64(r.out, s); bad >= 0 {
			return wrong(fmt.Sprintf("%q is not in the base64 alphabet", s[bad]))
		}
		r.close(mark)
	case protoreflect.EnumKind:
		n, ok := f.enum.numbers[string(s)]
		switch {
		case ok:
			r.varint(f, uint64(n))
		case f.required:
			return wrong("unknown enum value " + quote(s))
		}
	case protoreflect.BoolKind:
		switch string(trim(s)) {
		case "true":
			r.varint(f, 1)
		case "false":
			r.varint(f, 0)
		default:
			return wrong("expected a boolean, found the string " + quote(s))
		}
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return wrong("expected an object, found a string")
	default:
		n, ok := parseNumber(trim(s))
		if !ok && (f.kind == protoreflect.DoubleKind || f.kind == protoreflect.FloatKind) {
			n, ok = infinite[string(s)]
		}
		if !ok {
			return wrong("expected a number, found the string " + quote(s))
		}
		r.number(f, n)
	}
	return nil
}

// infinite has the doubles for which JSON has no number.
var infinite = map[string]number{
	"NaN": {v: math.NaN()}, "Infinity": {v: math.Inf(1)}, "-Infinity": {v: math.Inf(-1)},
}

// mismatch is the error for a value that a field cannot have, whatever it is.
func (r *reader) mismatch(found string) *Error {
	return &Error{Offset: r.pos, Detail: "does not take " + found}
}

// number appends a field of a number.
func (r *reader) number(f *field, n number) {
	switch f.kind {
	case protoreflect.DoubleKind:
		r.out = append(r.out, f.tag...)
		r.out = protowire.AppendFixed64(r.out, math.Float64bits(n.float()))
	case protoreflect.FloatKind:
		r.out = append(r.out, f.tag...)
		r.out = protowire.AppendFixed32(r.out, math.Float32bits(float32(n.float())))
	default:
		r.varint(f, n.varint(f.kind))
	}
}

// varint appends a field of an integer, boolean or enum.
func (r *reader) varint(f *field, v uint64) {
	r.out = append(r.out, f.tag...)
	switch f.kind {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		r.out = protowire.AppendVarint(r.out, protowire.EncodeZigZag(int64(v)))
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		r.out = protowire.AppendFixed32(r.out, uint32(v))
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		r.out = protowire.AppendFixed64(r.out, v)
	default:
		r.out = protowire.AppendVarint(r.out, v)
	}
}

func isNumber(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.StringKind, protoreflect.BytesKind,
		protoreflect.MessageKind, protoreflect.GroupKind:
		return false
	}
	return true
}

// open starts a length-delimited value with one byte for its length, which is enough for most, and
// close puts the length in.
func (r *reader) open() (mark int) {
	r.out = append(r.out, 0)
	return len(r.out)
}

func (r *reader) close(mark int) {
	n := len(r.out) - mark
	if n < 0x80 {
		r.out[mark-1] = byte(n)
		return
	}
	var length [10]byte
	size := len(protowire.AppendVarint(length[:0], uint64(n)))
	r.out = append(r.out, length[:size-1]...)
	copy(r.out[mark-1+size:], r.out[mark:mark+n])
	protowire.AppendVarint(r.out[:mark-1], uint64(n))
}

// dropEarlier removes from the message out[start:] the fields that start before the given positions.
func dropEarlier(out []byte, start int, from map[protowire.Number]int) []byte {
	kept := start
	for i := start; i < len(out); {
		num, typ, n := protowire.ConsumeTag(out[i:])
		n += protowire.ConsumeFieldValue(num, typ, out[i+n:])
		if i >= from[num] {
			kept += copy(out[kept:], out[i:i+n])
		}
		i += n
	}
	return out[:kept]
}

// fieldSet is a set of field indices.
type fieldSet [4]uint64

// add reports whether i was in the set, or may have been.
func (s *fieldSet) add(i int) bool {
	if i >= len(s)*64 {
		return true
	}
	old := s[i/64]
	s[i/64] |= 1 << (i % 64)
	return old&(1<<(i%64)) != 0
}

// appendBase64 decodes s as Mesos does: white space is skipped, "=" ends it, padding is optional. bad
// is the index of the first byte that does not belong there, or negative.
func appendBase64(dst, s []byte) (out []byte, bad int) {
	var group uint32
	n := 0
	for i, c := range s {
		v := sextet[c]
		switch {
		case v < 64:
			group = group<<6 | uint32(v)
			if n++; n == 4 {
				dst = append(dst, byte(group>>16), byte(group>>8), byte(group))
				group, n = 0, 0
			}
			continue
		case v == space:
			continue
		case c != '=':
			return dst, i
		}
		break
	}
	switch n {
	case 2:
		dst = append(dst, byte(group>>4))
	case 3:
		dst = append(dst, byte(group>>10), byte(group>>2))
	}
	return dst, -1
}

const space = 64

// sextet has the value of each byte of the base64 alphabet, space for white space, 255 for all else.
var sextet = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	for _, c := range []byte(" \t\n\v\f\r") {
		t[c] = space
	}
	return t
}()

// trim removes JSON's white space.
func trim(s []byte) []byte {
	white := func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
	for len(s) > 0 && white(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && white(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// quote quotes what the user wrote, in a length that fits a message.
func quote(s []byte) string {
	if len(s) > 60 {
		return strconv.Quote(string(s[:57])) + "…"
	}
	return strconv.Quote(string(s))
}
