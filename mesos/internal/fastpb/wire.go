package fastpb

import (
	"encoding/binary"
	"math"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The methods below each read one value of the message s at i and return it with the index that
// follows. On bad input they set d.err and return len(s), which ends the loop over the message: the
// generated code needs no error paths.

// tag reads a tag of more than one byte. i is behind its first byte.
func (d *core) tag(s string, i int) (uint64, int) {
	return d.varint(s, i-1)
}

func (d *core) varint(s string, i int) (uint64, int) {
	if i < len(s) && s[i] < 0x80 {
		return uint64(s[i]), i + 1
	}
	v, j := uvarint(s, i)
	if j < 0 {
		return 0, d.fail(s, ErrMalformed)
	}
	return v, j
}

// bytes reads a length-delimited value.
func (d *core) bytes(s string, i int) (string, int) {
	v, j := short(s, i)
	if j < 0 {
		return d.longBytes(s, i)
	}
	return v, j
}

// short reads a length-delimited value of less than 128 bytes. Instead of an error it returns the
// complement of i, with which longBytes goes on. The compiler puts it in place of a call.
func short(s string, i int) (v string, next int) {
	if i < len(s) && s[i] < 0x80 {
		if j := i + 1 + int(s[i]); j <= len(s) {
			return s[i+1 : j], j
		}
	}
	return "", ^i
}

func (d *core) longBytes(s string, i int) (string, int) {
	n, j := uvarint(s, i)
	if j < 0 || n > uint64(len(s)-j) {
		return "", d.fail(s, ErrMalformed)
	}
	return s[j : j+int(n)], j + int(n)
}

func (d *core) fail(s string, err error) int {
	if d.err == nil {
		d.err = err
	}
	return len(s)
}

func (d *core) string(s string, i int) (*string, int) {
	p := d.strings.take(d, iString)
	v, j := short(s, i)
	if j < 0 {
		v, j = d.longBytes(s, i)
	}
	*p = v
	return p, j
}

// blob reads a bytes field, which shares the frame but cannot grow into it.
func (d *core) blob(s string, i int) ([]byte, int) {
	v, i := d.bytes(s, i)
	return owned(v), i
}

// owned returns the bytes of the frame that v was cut from.
func owned(v string) []byte {
	if v == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(v), len(v))
}

func (d *core) int32(s string, i int) (*int32, int) {
	p := d.int32s.take(d, iInt32)
	v, j := d.varint(s, i)
	*p = int32(v)
	return p, j
}

func (d *core) int64(s string, i int) (*int64, int) {
	p := d.int64s.take(d, iInt64)
	v, j := d.varint(s, i)
	*p = int64(v)
	return p, j
}

func (d *core) uint32(s string, i int) (*uint32, int) {
	p := d.uint32s.take(d, iUint32)
	v, j := d.varint(s, i)
	*p = uint32(v)
	return p, j
}

func (d *core) uint64(s string, i int) (*uint64, int) {
	p := d.uint64s.take(d, iUint64)
	v, j := d.varint(s, i)
	*p = v
	return p, j
}

func (d *core) bool(s string, i int) (*bool, int) {
	p := d.bools.take(d, iBool)
	v, j := d.varint(s, i)
	*p = v != 0
	return p, j
}

func (d *core) double(s string, i int) (*float64, int) {
	if len(s)-i < 8 {
		return nil, d.fail(s, ErrMalformed)
	}
	p := d.doubles.take(d, iDouble)
	*p = math.Float64frombits(binary.LittleEndian.Uint64(owned(s[i : i+8])))
	return p, i + 8
}

// skip passes over the value of a map entry's field that is neither key nor value.
func (d *core) skip(s string, i int, tag uint64) int {
	num, typ := tag>>3, protowire.Type(tag&7)
	if num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		return d.fail(s, ErrMalformed)
	}
	n := protowire.ConsumeFieldValue(protowire.Number(num), typ, owned(s[i:]))
	if n < 0 {
		return d.fail(s, ErrMalformed)
	}
	return i + n
}

// unknown keeps a field that m has no place for, as the standard runtime keeps it.
func (d *core) unknown(s string, i int, tag uint64, m proto.Message) int {
	j := d.skip(s, i, tag)
	if d.err == nil {
		r := m.ProtoReflect()
		b := protowire.AppendVarint(r.GetUnknown(), tag)
		r.SetUnknown(append(b, s[i:j]...))
	}
	return j
}

// uvarint reads a varint. The index is negative if s[i:] does not start with one.
func uvarint(s string, i int) (uint64, int) {
	var v uint64
	for shift := uint(0); i < len(s); shift += 7 {
		c := s[i]
		i++
		if c < 0x80 {
			if shift == 63 && c > 1 {
				return 0, -1
			}
			return v | uint64(c)<<shift, i
		}
		if shift == 63 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << shift
	}
	return 0, -1
}

// pushVarint appends a varint to list.
func pushVarint[T ~int32 | ~int64 | ~uint32 | ~uint64](d *core, list []T, s string, i int) ([]T, int) {
	v, i := d.varint(s, i)
	return append(list, T(v)), i
}

// stringEntry reads the entry of a map from strings to strings.
func (d *core) stringEntry(s string) (key, value string) {
	for i := 0; i < len(s); {
		var tag uint64
		tag, i = d.varint(s, i)
		switch tag {
		case 1<<3 | 2:
			key, i = d.bytes(s, i)
		case 2<<3 | 2:
			value, i = d.bytes(s, i)
		default:
			i = d.skip(s, i, tag)
		}
	}
	return key, value
}
