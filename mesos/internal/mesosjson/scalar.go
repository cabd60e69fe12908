package mesosjson

import (
	"math"
	"strconv"
)

// appendString appends s as a JSON string, escaping what JSON makes it escape and nothing else.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plain[c] {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			const digits = "0123456789ABCDEF"
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// appendDouble appends v as Mesos does: the fewest digits that read back as v; plain up to 21 digits
// before the point and 6 zeros after it, with an exponent beyond; ".0" if there is no fraction.
func appendDouble(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	if a := math.Abs(v); a < 1<<53 && a == math.Trunc(a) {
		// Most doubles are small whole numbers.
		if math.Signbit(v) {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(a), 10)
		return append(dst, '.', '0')
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], v, 'e', -1, bits) // d.ddde±dd
	mark := len(e) - 1
	for e[mark] != 'e' {
		mark--
	}
	exponent, _ := strconv.Atoi(string(e[mark+1:]))
	if exponent >= -6 && exponent < 21 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, v, 'f', -1, bits)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, '.', '0')
	}
	dst = append(append(dst, e[:mark]...), 'e')
	return strconv.AppendInt(dst, int64(exponent), 10)
}
