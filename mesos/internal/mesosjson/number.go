package mesosjson

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// number is a parsed number: an integer if whole is set, v otherwise.
type number struct {
	v         float64
	magnitude uint64
	negative  bool
	whole     bool
}

// parseNumber parses a JSON number. It takes what the parser of Mesos takes, which is a little more
// than JSON allows: leading zeros, and no digits before or after the point.
func parseNumber(s []byte) (number, bool) {
	n, i := number{whole: true}, 0
	if len(s) > 0 && s[0] == '-' {
		n.negative = true
		i = 1
	}
	start := i
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		digit := uint64(s[i] - '0')
		if n.magnitude > (math.MaxUint64-digit)/10 {
			n.whole = false // too large for an integer
			continue
		}
		n.magnitude = n.magnitude*10 + digit
	}
	if i == len(s) && i > start && n.whole {
		return n, true
	}
	n.whole = false
	if len(s) == 0 || s[0] == '+' || s[0] == '.' {
		return n, false
	}
	for _, c := range s {
		if !numeric[c] {
			return n, false // ParseFloat knows more than JSON: words, hexadecimal, underscores
		}
	}
	// A number too large for a double is an infinity, as in C++.
	v, err := strconv.ParseFloat(string(s), 64)
	if err != nil && !math.IsInf(v, 0) {
		return n, false
	}
	n.v = v
	return n, true
}

func (n number) float() float64 {
	switch {
	case !n.whole:
		return n.v
	case n.negative:
		return -float64(n.magnitude)
	}
	return float64(n.magnitude)
}

// varint returns the number as a field of an integer kind: what a 64-bit integer has in its lower bits,
// as a C++ cast would; of all else the nearest number of the kind, where C++ makes no promise.
func (n number) varint(kind protoreflect.Kind) uint64 {
	if n.whole && (n.magnitude <= math.MaxInt64 || n.negative && n.magnitude == 1<<63) {
		v := n.magnitude
		if n.negative {
			v = -v
		}
		switch kind {
		case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
			return uint64(int32(v))
		case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
			return uint64(uint32(v))
		}
		return v
	}
	switch f := n.float(); kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return uint64(int64(clamp(f, math.MinInt32, math.MaxInt32)))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return uint64(clamp(f, 0, math.MaxUint32))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		switch {
		case n.whole && !n.negative:
			return n.magnitude
		case f >= 1<<64:
			return math.MaxUint64
		}
		return uint64(clamp(f, 0, 1<<64-2048))
	default:
		if f >= 1<<63 {
			return math.MaxInt64
		}
		return uint64(int64(clamp(f, -1<<63, 1<<63-1024)))
	}
}

// clamp returns the number of the range that is nearest to f, 0 for NaN.
func clamp(f, low, high float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return math.Trunc(max(low, min(f, high)))
}
