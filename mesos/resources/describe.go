package resources

import (
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func describe(r *mesospb.Resource) string {
	var b strings.Builder
	b.WriteString(r.GetName())
	if a := r.GetAllocationInfo(); a != nil {
		b.WriteString("(allocated: " + a.GetRole() + ")")
	}
	if s := stackOf(r); s.len() > 0 {
		b.WriteString("(reservations: [")
		for i := range s.len() {
			if i > 0 {
				b.WriteString(", ")
			}
			e := s.at(i)
			b.WriteString("(" + e.typ.String() + "," + e.role)
			if e.principal != nil {
				b.WriteString("," + *e.principal)
			}
			if ls := e.labels.GetLabels(); len(ls) > 0 {
				b.WriteString(",{")
				for k, l := range ls {
					if k > 0 {
						b.WriteString(", ")
					}
					b.WriteString(l.GetKey())
					if l.Value != nil {
						b.WriteString(": " + l.GetValue())
					}
				}
				b.WriteByte('}')
			}
			b.WriteByte(')')
		}
		b.WriteString("])")
	}
	if d := r.GetDisk(); d != nil {
		b.WriteString("[" + describeDisk(d) + "]")
	}
	if r.GetRevocable() != nil {
		b.WriteString("{REV}")
	}
	if r.GetShared() != nil {
		b.WriteString("<SHARED>")
	}
	b.WriteByte(':')
	b.Write(appendValue(nil, r))
	return b.String()
}

func describeDisk(d *mesospb.Resource_DiskInfo) string {
	var parts []string
	if s := d.Source; s != nil {
		t := s.GetType().String()
		if root := s.GetPath().GetRoot() + s.GetMount().GetRoot(); root != "" {
			t += ":" + root
		}
		if s.Id != nil {
			t += "(" + s.GetId() + ")"
		}
		parts = append(parts, t)
	}
	if d.Persistence != nil {
		parts = append(parts, d.Persistence.GetId())
	}
	if v := d.Volume; v != nil {
		parts = append(parts, v.GetContainerPath())
	}
	return strings.Join(parts, ":")
}

// appendValue appends a value as Mesos flags write it: 4, [1-2, 5-5], {a, b}.
func appendValue(b []byte, r *mesospb.Resource) []byte {
	switch r.GetType() {
	case mesospb.Value_SCALAR:
		return appendScalar(b, r.GetScalar().GetValue())
	case mesospb.Value_RANGES:
		return RangesOf(r.GetRanges()).appendText(b)
	case mesospb.Value_SET:
		b = append(b, '{')
		b = append(b, strings.Join(r.GetSet().GetItem(), ", ")...)
		return append(b, '}')
	}
	return append(b, '?')
}

// appendScalar writes at most three decimals and no exponent.
func appendScalar(b []byte, v float64) []byte {
	return strconv.AppendFloat(b, FromFixed(ToFixed(v)), 'f', -1, 64)
}
