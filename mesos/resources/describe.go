package resources

import (
	"math"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Describe returns the list in the notation of Mesos messages, {} if it is empty:
//
//	cpus(allocated: eng):4; disk(reservations: [(DYNAMIC,eng,ops)])[vol1:data]:64
//
// It is for people; Format writes what can be parsed again.
func Describe(list []*mesospb.Resource) string {
	if len(list) == 0 {
		return "{}"
	}
	var b []byte
	for i, r := range list {
		if i > 0 {
			b = append(b, "; "...)
		}
		b = appendDescription(b, r)
	}
	return string(b)
}

func describe(r *mesospb.Resource) string { return string(appendDescription(nil, r)) }

func appendDescription(b []byte, r *mesospb.Resource) []byte {
	b = append(b, r.GetName()...)
	if a := r.GetAllocationInfo(); a != nil {
		b = append(append(append(b, "(allocated: "...), a.GetRole()...), ')')
	}
	if s := stackOf(r); s.len() > 0 {
		b = append(b, "(reservations: ["...)
		for i := range s.len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = s.at(i).appendDescription(b)
		}
		b = append(b, "])"...)
	}
	if d := r.GetDisk(); d != nil {
		b = append(append(append(b, '['), describeDisk(d)...), ']')
	}
	if r.GetRevocable() != nil {
		b = append(b, "{REV}"...)
	}
	if r.GetShared() != nil {
		b = append(b, "<SHARED>"...)
	}
	return appendValue(append(b, ':'), r)
}

func (a reservation) appendDescription(b []byte) []byte {
	b = append(append(append(append(b, '('), a.typ.String()...), ','), a.role...)
	if a.principal != nil {
		b = append(append(b, ','), *a.principal...)
	}
	if a.labels != nil {
		b = append(b, ",{"...)
		for k, l := range a.labels.GetLabels() {
			if k > 0 {
				b = append(b, ", "...)
			}
			b = append(b, l.GetKey()...)
			if l.GetValue() != "" {
				b = append(append(b, ": "...), l.GetValue()...)
			}
		}
		b = append(b, '}')
	}
	return append(b, ')')
}

func describeDisk(d *mesospb.Resource_DiskInfo) string {
	var s string
	if src := d.Source; src != nil {
		s = src.GetType().String()
		switch root := src.GetPath().GetRoot() + src.GetMount().GetRoot(); {
		case src.Id != nil || src.Profile != nil:
			s += "(" + src.GetVendor() + "," + src.GetId() + "," + src.GetProfile() + ")"
		case root != "":
			s += ":" + root
		}
	}
	if d.Persistence != nil {
		if s != "" {
			s += ","
		}
		s += d.Persistence.GetId()
	}
	if v := d.Volume; v != nil {
		s += ":" + describeVolume(v)
	}
	return s
}

func describeVolume(v *mesospb.Volume) string {
	if v.HostPath == nil {
		return v.GetContainerPath()
	}
	s := v.GetHostPath() + ":" + v.GetContainerPath()
	if v.Mode != nil {
		s += ":" + strings.ToLower(v.GetMode().String())
	}
	return s
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

// appendScalar writes at most three decimals and 15 digits; what is larger has an exponent, as in Mesos: 1e+15.
func appendScalar(b []byte, v float64) []byte {
	if !math.IsNaN(v) && math.Abs(v) < fixedLimit {
		v = FromFixed(ToFixed(v))
	}
	return strconv.AppendFloat(b, v, 'g', 15, 64)
}
