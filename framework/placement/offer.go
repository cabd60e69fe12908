package placement

import (
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Agent is what offers tell of an agent. It is immutable and may be shared.
type Agent struct {
	ID         string // the agent's id in Mesos
	Hostname   string
	Attributes []*mesospb.Attribute
	Region     string // of its fault domain; "" without one
	Zone       string
	// Capacity is how much the agent has in all, as far as it is known: what is offered counts where it is zero or less.
	Capacity Amounts
}

// AgentOf returns what an offer tells of its agent. Attributes are shared with the offer.
func AgentOf(o *mesospb.Offer) *Agent {
	d := o.GetDomain().GetFaultDomain()
	return &Agent{
		ID: o.GetAgentId().GetValue(), Hostname: o.GetHostname(), Attributes: o.GetAttributes(),
		Region: d.GetRegion().GetName(), Zone: d.GetZone().GetName(),
	}
}

// detached returns a copy of the agent that shares no memory with the offer that it was taken from.
func (a *Agent) detached() *Agent {
	n := &Agent{ID: strings.Clone(a.ID), Hostname: strings.Clone(a.Hostname), Region: strings.Clone(a.Region), Zone: strings.Clone(a.Zone), Capacity: a.Capacity}
	for _, at := range a.Attributes {
		n.Attributes = append(n.Attributes, codec.Detach(at))
	}
	return n
}

// Amounts is how much there is of the scalars that scorers look at, in thousandths.
type Amounts struct{ CPUs, Mem, Disk, GPUs int64 }

// amounts is how much there is of what most tasks ask for: the scalars in thousandths, and how many ports.
type amounts [dims]int64

const (
	dimCPUs = iota
	dimMem
	dimDisk
	dimGPUs
	dimPorts
	dims

	scalarDims = dimPorts
)

var dimNames = [dims]string{resources.NameCPUs, resources.NameMem, resources.NameDisk, resources.NameGPUs, resources.NamePorts}

// plainDim returns the dimension of a resource that anybody may use any amount of, whoever it is reserved for.
func plainDim(r *mesospb.Resource) (int, bool) {
	if r.Disk != nil || r.Revocable != nil || r.Shared != nil || r.ProviderId != nil {
		return 0, false
	}
	if r.GetType() == mesospb.Value_RANGES {
		return dimPorts, r.GetName() == resources.NamePorts
	}
	if r.GetType() != mesospb.Value_SCALAR {
		return 0, false
	}
	switch r.GetName() {
	case resources.NameCPUs:
		return dimCPUs, true
	case resources.NameMem:
		return dimMem, true
	case resources.NameDisk:
		return dimDisk, true
	case resources.NameGPUs:
		return dimGPUs, true
	}
	return 0, false
}

// amountsOf sums a list, without what is reserved for an owner of its own.
func amountsOf(list []*mesospb.Resource) (a amounts) {
	for _, r := range list {
		d, plain := plainDim(r)
		switch {
		case !plain || resources.Owner(r) != "":
		case d < scalarDims:
			a[d] += max(0, resources.ToFixed(r.GetScalar().GetValue()))
		default:
			for _, x := range r.GetRanges().GetRange() {
				if b, e := x.GetBegin(), x.GetEnd(); b <= e {
					a[d] += int64(min(e-b, maxPorts) + 1)
				}
			}
		}
	}
	return a
}

// maxPorts keeps sums of absurd ranges from overflowing.
const maxPorts = 1 << 40

func (a Amounts) list() [scalarDims]int64 { return [scalarDims]int64{a.CPUs, a.Mem, a.Disk, a.GPUs} }

func (a *amounts) scalars() Amounts { return Amounts{a[dimCPUs], a[dimMem], a[dimDisk], a[dimGPUs]} }

// Offer is an offer in hand, prepared for placement. It is immutable but for Draining.
type Offer struct {
	Proto *mesospb.Offer
	Agent *Agent
	// Role is the role that it is allocated to, "" if the master doesn't tell.
	Role string
	// Received is when it came in, for Book.
	Received time.Time
	// Unavailable is the announced maintenance window, nil if there is none. A zero End means forever.
	Unavailable *Window
	// Draining says that the agent is being emptied: nothing should be launched there.
	Draining bool

	free   amounts
	fields []fieldText // the agent's attributes, as constraints count by them
}

type fieldText struct{ name, text string }

// Window is a time span.
type Window struct{ Start, End time.Time }

// NewOffer prepares an offer. The message must not be changed any more.
func NewOffer(o *mesospb.Offer) *Offer { return newOffer(o, AgentOf(o)) }

func newOffer(o *mesospb.Offer, a *Agent) *Offer {
	n := &Offer{Proto: o, Agent: a, Role: o.GetAllocationInfo().GetRole(), free: amountsOf(o.GetResources())}
	if n.Role == "" && len(o.GetResources()) > 0 {
		n.Role = resources.AllocationRole(o.GetResources()[0])
	}
	if u := o.GetUnavailability(); u != nil {
		n.Unavailable = &Window{Start: time.Unix(0, u.GetStart().GetNanoseconds())}
		if u.GetDuration() != nil {
			n.Unavailable.End = n.Unavailable.Start.Add(time.Duration(u.GetDuration().GetNanoseconds()))
		}
	}
	n.fields = make([]fieldText, 0, len(a.Attributes))
	for _, at := range a.Attributes {
		f := Field(at.GetName())
		if !slices.ContainsFunc(n.fields, func(x fieldText) bool { return x.name == string(f) }) {
			text, _ := a.value(f)
			n.fields = append(n.fields, fieldText{string(f), text})
		}
	}
	return n
}

// value is Agent.value, quicker.
func (o *Offer) value(f Field) (string, bool) {
	switch f {
	case Hostname, AgentID, "", Zone, Region:
		return o.Agent.value(f)
	}
	for i := range o.fields {
		if o.fields[i].name == string(f) {
			return o.fields[i].text, true
		}
	}
	return "", false
}

// ID returns the offer's id.
func (o *Offer) ID() string { return o.Proto.GetId().GetValue() }
