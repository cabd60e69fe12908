package pbtest

import (
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Damage returns a variant of the encoding b of a message of type md, made of changes that a decoder
// must treat exactly as the standard runtime does: fields twice, in another order, with another wire
// type, with lengths and tags longer than needed, cut off, or unknown. Most variants decode.
func Damage(r *rand.Rand, b []byte, md protoreflect.MessageDescriptor) []byte {
	return damage(r, b, md, []int{3, 10, 40}[r.IntN(3)])
}

// damage changes one field in rarity, here and below.
func damage(r *rand.Rand, b []byte, md protoreflect.MessageDescriptor, rarity int) []byte {
	var out []byte
	var earlier [][]byte
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		m := -1
		if n > 0 {
			m = protowire.ConsumeFieldValue(num, typ, b[n:])
		}
		if m < 0 {
			return append(out, b...) // damaged before
		}
		value := b[n : n+m]
		b = b[n+m:]
		if fd := md.Fields().ByNumber(num); fd != nil && fd.Message() != nil && typ == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(value)
			inner = damage(r, inner, fd.Message(), rarity)
			value = append(varint(r, rarity, uint64(len(inner))), inner...)
		}
		field := append(varint(r, rarity, protowire.EncodeTag(num, typ)), value...)
		earlier = append(earlier, field)
		if r.IntN(rarity) != 0 {
			out = append(out, field...)
			continue
		}
		switch r.IntN(9) {
		case 0: // twice
			out = append(append(out, field...), field...)
		case 1: // an earlier field again
			out = append(append(out, field...), earlier[r.IntN(len(earlier))]...)
		case 2: // gone
		case 3: // cut
			if r.IntN(8) == 0 {
				out = append(out, field[:r.IntN(len(field))]...)
			}
		case 4: // unknown
			out = append(append(out, unknownField(r)...), field...)
		case 5: // of another type
			wrong := protowire.Type(r.IntN(6))
			out = protowire.AppendTag(out, num, wrong)
			switch wrong {
			case protowire.VarintType:
				out = protowire.AppendVarint(out, Integer(r))
			case protowire.Fixed32Type:
				out = protowire.AppendFixed32(out, r.Uint32())
			case protowire.Fixed64Type:
				out = protowire.AppendFixed64(out, r.Uint64())
			case protowire.BytesType:
				out = protowire.AppendBytes(out, []byte{1, 2, 0x83, 1})
			case protowire.StartGroupType:
				out = protowire.AppendTag(out, num, protowire.EndGroupType)
			}
		case 6: // empty
			if typ == protowire.BytesType {
				out = append(protowire.AppendTag(out, num, typ), 0)
			}
		case 7: // first
			out = append(field, out...)
		case 8: // a byte changed
			i := r.IntN(len(field))
			field[i] ^= byte(1 << r.IntN(8))
			out = append(out, field...)
		}
	}
	return out
}

// varint encodes v, rarely in more bytes than needed.
func varint(r *rand.Rand, rarity int, v uint64) []byte {
	b := protowire.AppendVarint(nil, v)
	if r.IntN(4*rarity) == 0 {
		b[len(b)-1] |= 0x80
		for range r.IntN(3) {
			b = append(b, 0x80)
		}
		b = append(b, 0)
	}
	return b
}
