package app

import (
	"fmt"
	"reflect"
	"strconv"
)

// Ports are the ports of a task. In JSON: how many (any that are free), or an array of numbers (0: any), names or objects.
type Ports []Port

// maxPorts bounds what a typing error can ask for.
const maxPorts = 1000

func (p *Ports) decodeForm(d *decoder, n *node, canonical string, at place) {
	switch n.kind {
	case '0':
		count, ok := wholeNumber(n.text)
		if !ok || count < 0 || count > maxPorts {
			d.fail(at, "is "+n.describe(), fmt.Sprintf("give the number of ports, 0 to %d, or an array", maxPorts))
			return
		}
		*p = make(Ports, count)
	case '[':
		*p = make(Ports, len(n.items))
		for i, item := range n.items {
			here, in := place{element(at.path, i), item.offset}, element(canonical, i)
			d.places[in] = here
			switch item.kind {
			case '0':
				number, ok := wholeNumber(item.text)
				if !ok {
					d.fail(here, "is "+item.describe(), "give a port number, or 0 for any port")
				}
				(*p)[i].Number = int(number)
			case '"':
				(*p)[i].Name = item.text
			default:
				d.decode(reflect.ValueOf(&(*p)[i]).Elem(), item, in, here)
			}
		}
	default:
		d.fail(at, "is "+n.describe(), `give how many ports, or an array such as [{"name": "http"}, {"port": 8080}]`)
	}
	if len(*p) == 0 {
		*p = nil
	}
}

// Disks is the disk of a task. In JSON: a size, an object, or an array of objects.
type Disks []Disk

func (l *Disks) decodeForm(d *decoder, n *node, canonical string, at place) {
	one := func(v *Disk, n *node, canonical string, at place) {
		d.places[canonical] = at
		if n.kind == '{' {
			d.decode(reflect.ValueOf(v).Elem(), n, canonical, at)
		} else {
			v.Size.decodeForm(d, n, canonical, at)
		}
	}
	switch n.kind {
	case '[':
		*l = make(Disks, len(n.items))
		for i, item := range n.items {
			one(&(*l)[i], item, element(canonical, i), place{element(at.path, i), item.offset})
		}
	default:
		*l = make(Disks, 1)
		if one(&(*l)[0], n, element(canonical, 0), at); (*l)[0] == (Disk{}) {
			*l = nil // "disk": 0
		}
	}
	if len(*l) == 0 {
		*l = nil
	}
}

// MarshalJSON writes a single plain disk as its size, everything else as an array.
func (l Disks) MarshalJSON() ([]byte, error) {
	if len(l) == 1 && l[0] == (Disk{Size: l[0].Size}) {
		return encode(float64(l[0].Size))
	}
	return encode([]Disk(l))
}

// String returns the number or the name.
func (p PortRef) String() string {
	if p.Name != "" {
		return p.Name
	}
	return strconv.Itoa(p.Number)
}

// IsZero reports whether nothing is referred to; the canonical form leaves it out.
func (p PortRef) IsZero() bool { return p == PortRef{} }

// MarshalJSON returns the name as a string, or the number.
func (p PortRef) MarshalJSON() ([]byte, error) {
	if p.Name != "" {
		return encode(p.Name)
	}
	return encode(p.Number)
}

func (p *PortRef) decodeForm(d *decoder, n *node, _ string, at place) {
	switch n.kind {
	case '"':
		p.Name = n.text
		if n.text == "" {
			d.fail(at, "is empty", "give the number or the name of a port")
		}
	case '0':
		if i, ok := wholeNumber(n.text); ok {
			p.Number = int(i)
			return
		}
		fallthrough
	default:
		d.fail(at, "is "+n.describe(), "give the number or the name of a port")
	}
}

func (s *Strategy) decodeForm(d *decoder, n *node, _ string, at place) {
	if n.kind == '{' { // {"type": "mux"}
		for _, m := range n.members {
			if here := (place{pointer(at.path, m.name), m.offset}); m.name != "type" || len(n.members) > 1 {
				d.fail(here, "unknown field", `write "strategy": "unique"`)
			} else if d.is(m.value, '"', "a string", here) {
				*s = Strategy(m.value.text)
			}
		}
		return
	}
	if d.is(n, '"', "a string", at) {
		*s = Strategy(n.text)
	}
}

// constraintFields is Constraint without its forms, for the decoder.
type constraintFields Constraint

func (c *Constraint) decodeForm(d *decoder, n *node, canonical string, at place) {
	if n.kind == '[' {
		parts := [3]string{}
		if len(n.items) < 2 || len(n.items) > 3 {
			d.fail(at, fmt.Sprintf("has %d elements", len(n.items)), `write ["field", "OPERATOR"] or ["field", "OPERATOR", "value"]`)
			return
		}
		for i, item := range n.items {
			here := place{element(at.path, i), item.offset}
			d.places[pointer(canonical, [3]string{"field", "operator", "value"}[i])] = here
			if i == 2 && item.kind == '0' || d.is(item, '"', "a string", here) {
				parts[i] = item.text
			}
		}
		c.Field, c.Operator, c.Value = parts[0], Operator(parts[1]), parts[2]
		return
	}
	d.objectAs(reflect.ValueOf((*constraintFields)(c)).Elem(), reflect.TypeFor[Constraint](), n, canonical, at)
}
