// Package pbtest makes random protobuf messages, and random damage to their encodings, for the tests
// of the packages that encode and decode them. The same source of randomness gives the same result.
package pbtest

import (
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Options of Random. The zero value fills about a third of the optional fields.
type Options struct {
	// OddFloats admits NaN and the infinities.
	OddFloats bool
	// OddEnums admits enum numbers that have no name.
	OddEnums bool
	// OddStrings admits strings that are not UTF-8.
	OddStrings bool
	// Unknown adds fields that the message does not know.
	Unknown bool
	// MissingRequired leaves required fields out now and then.
	MissingRequired bool
}

// maxDepth bounds messages that contain themselves.
const maxDepth = 12

// Random fills m, which should be empty, with random content.
func Random(r *rand.Rand, m proto.Message, o Options) {
	// Large messages are rare, as in life; density is the chance of an optional field.
	fill(r, m.ProtoReflect(), o, []float64{0.03, 0.1, 0.3, 0.8}[r.IntN(4)], 0)
}

func fill(r *rand.Rand, m protoreflect.Message, o Options, density float64, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		required := fd.Cardinality() == protoreflect.Required
		if required && o.MissingRequired && r.IntN(50) == 0 {
			continue
		}
		if !required && (r.Float64() > density || depth > maxDepth) {
			continue
		}
		// Deep messages get thinner, or they would grow without bound.
		thinner := density * 0.7
		switch {
		case fd.IsMap():
			for range r.IntN(4) {
				value := m.Mutable(fd).Map().NewValue()
				if fd.MapValue().Message() != nil {
					fill(r, value.Message(), o, thinner, depth+1)
				} else {
					value = scalar(r, fd.MapValue(), o)
				}
				m.Mutable(fd).Map().Set(scalar(r, fd.MapKey(), o).MapKey(), value)
			}
		case fd.IsList():
			for range r.IntN(4) {
				if fd.Message() != nil {
					fill(r, m.Mutable(fd).List().AppendMutable().Message(), o, thinner, depth+1)
				} else {
					m.Mutable(fd).List().Append(scalar(r, fd, o))
				}
			}
		case fd.Message() != nil:
			fill(r, m.Mutable(fd).Message(), o, thinner, depth+1)
		default:
			m.Set(fd, scalar(r, fd, o))
		}
	}
	if o.Unknown && r.IntN(20) == 0 {
		m.SetUnknown(unknownField(r))
	}
}

func scalar(r *rand.Rand, fd protoreflect.FieldDescriptor, o Options) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.EnumKind:
		if o.OddEnums && r.IntN(10) == 0 {
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.Int32() - r.Int32()))
		}
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(r.IntN(values.Len())).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(Integer(r)))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(Integer(r)))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(Integer(r)))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(Integer(r))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float(r, o))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(float(r, o)))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text(r, o))
	case protoreflect.BytesKind:
		b := make([]byte, length(r))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return protoreflect.ValueOfBytes(b)
	}
	panic("pbtest: no random value for kind " + fd.Kind().String())
}

// Integer returns a number of any magnitude.
func Integer(r *rand.Rand) uint64 {
	v := r.Uint64() >> r.IntN(64)
	if r.IntN(3) == 0 {
		v = -v
	}
	return v
}

func float(r *rand.Rand, o Options) float64 {
	switch r.IntN(8) {
	case 0:
		if o.OddFloats {
			return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[r.IntN(3)]
		}
		return 0
	case 1:
		return math.Copysign(0, -1)
	case 2:
		return []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, 1e-7, 1 << 53}[r.IntN(5)]
	case 3:
		return float64(r.IntN(1000)) / 10
	case 4:
		return float64(r.IntN(100000))
	}
	for {
		if v := math.Float64frombits(r.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
}

// length is small, but sometimes needs a length of two bytes.
func length(r *rand.Rand) int {
	if r.IntN(30) == 0 {
		return 100 + r.IntN(300)
	}
	return r.IntN(12)
}

func text(r *rand.Rand, o Options) string {
	runes := []rune("abcXYZ09-_.*/\\\"\n\t\x00\x1f\x7f é€😀\u2028\ufffd")
	var b []byte
	for range length(r) {
		if o.OddStrings && r.IntN(10) == 0 {
			b = append(b, byte(0x80+r.IntN(0x80)))
		} else {
			b = append(b, string(runes[r.IntN(len(runes))])...)
		}
	}
	return string(b)
}

// unknownField returns a field that no Mesos message has.
func unknownField(r *rand.Rand) []byte {
	num := protowire.Number(100 + r.IntN(1000))
	switch r.IntN(5) {
	case 0:
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), Integer(r))
	case 1:
		return protowire.AppendFixed32(protowire.AppendTag(nil, num, protowire.Fixed32Type), r.Uint32())
	case 2:
		return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), r.Uint64())
	case 3:
		b := protowire.AppendTag(nil, num, protowire.StartGroupType)
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), 7)
		return protowire.AppendTag(b, num, protowire.EndGroupType)
	}
	return protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), "unknown")
}
