package placement

import (
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
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

// Amounts is how much there is of the scalars that scorers look at, in thousandths.
type Amounts struct{ CPUs, Mem, Disk, GPUs int64 }

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
}

// Window is a time span.
type Window struct{ Start, End time.Time }

// NewOffer prepares an offer. The message must not be changed any more.
func NewOffer(o *mesospb.Offer) *Offer { return newOffer(o, AgentOf(o)) }

// ID returns the offer's id.
func (o *Offer) ID() string { return o.Proto.GetId().GetValue() }

func newOffer(o *mesospb.Offer, a *Agent) *Offer {
	return &Offer{Proto: o, Agent: a, Role: o.GetAllocationInfo().GetRole()}
}
