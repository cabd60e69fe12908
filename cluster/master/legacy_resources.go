package master

import (
	"strings"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// legacyResources is how the older endpoints write resources: cpus, gpus, mem and disk always, ranges and sets as text, names of
// revocable ones with _revocable.
func legacyResources(list []*mesospb.Resource) object {
	var plain, revocable resources.Pool
	for _, r := range list {
		add(&plain, &revocable, r)
	}
	o := object{}
	for _, name := range []string{resources.NameDisk, resources.NameMem, resources.NameGPUs, resources.NameCPUs} {
		o.add(name, number(plain.Scalar(name)))
	}
	o = appendOthers(o, plain.Resources(), "")
	return appendOthers(o, revocable.Resources(), "_revocable")
}

// appendOthers adds what is not added yet, summed by name.
func appendOthers(o object, list []*mesospb.Resource, suffix string) object {
	have := map[string]bool{}
	for _, f := range o {
		have[f.name] = true
	}
	for _, r := range list {
		name := r.GetName() + suffix
		if have[name] {
			continue
		}
		have[name] = true
		same := resources.Filter(list, func(o *mesospb.Resource) bool { return o.GetName() == r.GetName() })
		switch r.GetType() {
		case mesospb.Value_SCALAR:
			v, _ := resources.Scalar(same, r.GetName())
			o.add(name, number(v))
		case mesospb.Value_RANGES:
			o.add(name, resources.NamedRanges(same, r.GetName()).String())
		case mesospb.Value_SET:
			o.add(name, "{"+strings.Join(resources.NamedSet(same, r.GetName()), ", ")+"}")
		}
	}
	return o
}

// plainQuantities writes only what is there.
func plainQuantities(list []*mesospb.Resource) object {
	return legacyQuantities(quantitiesOf(list))
}

// quantitiesOf counts resources of all kinds, as Mesos does for quota and roles: ports by their number, sets by their items.
func quantitiesOf(list []*mesospb.Resource) allocator.Quantities {
	q := allocator.QuantitiesOf(list)
	for _, r := range list {
		switch r.GetType() {
		case mesospb.Value_RANGES:
			q[r.GetName()] += resources.ToFixed(float64(resources.RangesOf(r.GetRanges()).Size()))
		case mesospb.Value_SET:
			q[r.GetName()] += resources.ToFixed(float64(len(r.GetSet().GetItem())))
		}
	}
	return q
}

func legacyQuantities(q allocator.Quantities) object {
	o := object{}
	for _, name := range sortedKeys(q) {
		o.add(name, number(resources.FromFixed(q[name])))
	}
	return o
}

// legacyAttributes writes attributes as an object by name; of several with one name the last counts.
func legacyAttributes(list []*mesospb.Attribute) object {
	o := object{}
	for _, a := range list {
		var v any
		switch a.GetType() {
		case mesospb.Value_SCALAR:
			v = number(a.GetScalar().GetValue())
		case mesospb.Value_RANGES:
			v = resources.RangesOf(a.GetRanges()).String()
		case mesospb.Value_SET:
			v = "{" + strings.Join(a.GetSet().GetItem(), ", ") + "}"
		default:
			v = a.GetText().GetValue()
		}
		o.add(a.GetName(), v)
	}
	return o
}

// splitReserved splits resources into reserved ones by role, and unreserved ones.
func splitReserved(list []*mesospb.Resource) (reserved map[string][]*mesospb.Resource, unreserved []*mesospb.Resource) {
	reserved = map[string][]*mesospb.Resource{}
	for _, r := range list {
		if resources.IsUnreserved(r) {
			unreserved = append(unreserved, r)
			continue
		}
		role := resources.ReservationRole(r)
		reserved[role] = append(reserved[role], r)
	}
	return reserved, unreserved
}

func resourcesOfPool(p *resources.Pool) []*mesospb.Resource {
	if p == nil {
		return nil
	}
	return p.Resources()
}

// usedAndOffered returns what frameworks use of the agent and what is out in offers.
func (a *agent) usedAndOffered() (used, offered []*mesospb.Resource) {
	var u, o resources.Pool
	for _, f := range sortedKeys(a.used) {
		u.AddPool(a.used[f])
	}
	for _, id := range sortedKeys(a.offers) {
		o.Add(a.offers[id].resources)
	}
	return u.Resources(), o.Resources()
}

// legacyAgentFull adds to an agent its resources in endpoint format.
func (m *Master) legacyAgentFull(a *agent) object {
	full := func(list []*mesospb.Resource) []any {
		out := []any{}
		for _, r := range resources.Endpoint(list) {
			out = append(out, protoJSON(r))
		}
		return out
	}
	used, offered := a.usedAndOffered()
	reserved, unreserved := splitReserved(a.desc.Total)
	byRole := object{}
	for _, role := range sortedKeys(reserved) {
		byRole.add(role, full(reserved[role]))
	}
	return append(m.legacyAgent(a), object{
		{"reserved_resources_full", byRole}, {"unreserved_resources_full", full(unreserved)},
		{"used_resources_full", full(used)}, {"offered_resources_full", full(offered)},
	}...)
}
