package fastpb

import "google.golang.org/protobuf/encoding/protowire"

// field says what pass one counts for a field: an element of a slab; an element of a slab of pointers
// if the field is a repeated message; and the leaves that a simple message holds, which is then not
// visited. Zero values are not counted. The index of a message's slab is that of its row in tables,
// too.
type field struct{ slab, pointers, leaf, leaves uint16 }

var uncounted field

// table holds the fields of a message by number: those whose tag takes one byte, and all others.
type table struct {
	low  [16]field
	high []field
}

// alike is the size, in bytes, from which list elements that follow each other and have the same size
// are taken to hold the same. The offers of a cluster of equal machines differ in little more than
// their ids, and so need one visit instead of hundreds.
const alike = 64

// count adds to d.counts, times over, what the message s of the type with this index holds. Errors are
// left for pass two to find; counts that turn out wrong cost time or space and nothing else.
func (d *core) count(s string, index, depth int, times uint32) {
	if depth == 0 {
		return
	}
	t := &tables[index]
	for i := 0; i < len(s); {
		start := i
		tag := uint64(s[i])
		i++
		f := &t.low[tag>>3&15]
		if tag >= 0x80 {
			if tag, i = uvarint(s, i-1); i < 0 {
				return
			}
			if f = &uncounted; tag>>3 < uint64(len(t.high)) {
				f = &t.high[tag>>3]
			}
		}
		if protowire.Type(tag&7) != protowire.BytesType {
			d.counts[f.slab] += times
			if i = after(s, i, tag); i < 0 {
				return
			}
			continue
		}
		v, j := short(s, i)
		if j < 0 {
			n := uint64(0)
			if n, j = uvarint(s, i); j < 0 || n > uint64(len(s)-j) {
				return
			}
			v = s[j : j+int(n)]
			j += int(n)
		}
		i = j
		if f.slab < firstMessage {
			d.counts[f.slab] += times
			continue
		}
		all := times
		if f.pointers != iNone {
			if size := i - start; len(v) >= alike {
				head := s[start : i-len(v)]
				for len(s)-i >= size && s[i:i+len(head)] == head {
					i += size
					all += times
				}
			}
			d.counts[f.pointers] += all
		}
		d.counts[f.slab] += all
		if f.leaf != iNone {
			d.counts[f.leaf] += all * uint32(f.leaves)
		} else {
			d.count(v, int(f.slab), depth-1, all)
		}
	}
}

// after returns the index behind the value at i, negative if there is none. The value may reach over
// the end of s.
func after(s string, i int, tag uint64) int {
	switch protowire.Type(tag & 7) {
	case protowire.VarintType:
		for i < len(s) && s[i] >= 0x80 {
			i++
		}
		return i + 1
	case protowire.Fixed64Type:
		return i + 8
	case protowire.Fixed32Type:
		return i + 4
	default:
		n := protowire.ConsumeFieldValue(protowire.Number(tag>>3), protowire.Type(tag&7), owned(s[i:]))
		if n < 0 {
			return -1
		}
		return i + n
	}
}
