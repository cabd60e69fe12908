package placement

import (
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Placer decides which pending tasks run on which offers. Implementations must be pure: the same Cycle
// gives the same Result. New returns the one of this package.
type Placer interface {
	Place(c *Cycle) *Result
}

// PlacerFunc makes a function a Placer.
type PlacerFunc func(*Cycle) *Result

// Place calls f.
func (f PlacerFunc) Place(c *Cycle) *Result { return f(c) }

// Cycle is the input of one round of placement. Place changes nothing in it.
type Cycle struct {
	Now time.Time // judges maintenance windows
	// Offers are those in hand, in order of preference where agents are alike. Offers of one agent and role are combined.
	Offers []*Offer
	// Pending are the tasks to place, the most urgent first.
	Pending []*Task
	// Placed is what runs already; nil if nothing does. Place doesn't add what it places: do that when it is launched.
	Placed *Placed
	// Averse lists, by group, the anti-affinities that other groups have to it: Affinity.Group is the one that declares it. So who
	// wants to be alone is left alone. Tasks with Volumes of their own are not bound by it.
	Averse map[string][]Affinity
	// Complete says that Offers are all that can be had now: agents without one are full. Then GROUP_BY doesn't wait for values
	// without offers: see Book.Complete.
	Complete bool
	// Awaits says for a known agent without an offer for the role whether one may still come soon: see Book.Awaits. GROUP_BY does not wait for the
	// others. Nil: any may come.
	Awaits func(agentID, role string) bool
	// HomeRegion is the region of the master; "" switches the check of Domains off.
	HomeRegion string
	// Holds are those of an earlier Result that still stand: these agents are for these tasks only. Holds for tasks that are not pending
	// are ignored.
	Holds []Hold
	// Avoid lists, by group and agent id, agents that are not to be used for a group now, and why: they have refused its tasks lately, for example.
	Avoid map[string]map[string]string
	// Seed varies which of several equally good agents is taken.
	Seed uint64
}

// Result says what to launch where, and why the rest waits.
type Result struct {
	// Assignments in the order in which the constraints were counted: launch them in this order.
	Assignments []Assignment
	// Unplaced are the other tasks in the order of Cycle.Pending.
	Unplaced []Unplaced
	// Holds proposes agents to keep for tasks with Task.Hold that could not be placed: don't decline their offers (for a
	// while, which is the caller's to bound), and pass them in Cycle.Holds the next time. Within this cycle they are kept already.
	Holds []Hold
}

// Assignment is one task placed on one agent.
type Assignment struct {
	Task  *Task
	Agent *Agent
	// Role is the allocation role of the offers, which an ACCEPT must not mix.
	Role string
	// OfferIDs are all offers of the agent and role. Assignments that name the same offers go into one ACCEPT.
	OfferIDs []*mesospb.OfferID
	// Resources is everything the task gets, as offered: with allocation and reservations. Ports and volumes are included. It is the
	// caller's.
	Resources []*mesospb.Resource
	// Ports are the numbers for Demand.Ports, in that order.
	Ports []uint64
	// Volumes are the disks for the task's Volumes, in that order: existing volumes, or disk to make one from. They are elements
	// of Resources.
	Volumes []*mesospb.Resource
	// Score is what the agent was chosen for: the Scorer's value with preferences added and violated wishes taken off.
	Score float64
}

// Hold keeps an agent's offers for one task.
type Hold struct {
	TaskID  string
	AgentID string
	Role    string
}

// Unplaced is a task that has to wait. Tasks with the same Demand share the Explanation.
type Unplaced struct {
	Task *Task
	Why  *Explanation
}
