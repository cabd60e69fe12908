package core

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// leftover is what an instance that is gone, or has moved, has left on an agent: to be given back when it is offered.
type leftover struct {
	leftoverRecord
	agent string
	// sent is the offer that it was given back on last, older are the others of the agent that were in hand then: they can't tell what came of it.
	sent  string
	older map[string]bool
	// absent is since when offers of the agent come without it, though nothing runs that may use it; 0: they don't.
	absent int64
}

// leftoverRecord is the part that is stored.
type leftoverRecord struct {
	App     string   `json:"app"`
	Index   int      `json:"index"`
	Owner   string   `json:"owner,omitempty"` // label of its reservations; "" where they have none, as earlier versions made them
	Volumes []string `json:"volumes,omitempty"`
	Since   int64    `json:"since,omitempty"` // by the wall clock
}

func (l *leftoverRecord) names() []string {
	if l.Owner == "" {
		return l.Volumes
	}
	return append(slices.Clone(l.Volumes), l.Owner)
}

// describe says what it is, for people.
func (l *leftoverRecord) describe() string {
	var parts []string
	for _, v := range l.Volumes {
		parts = append(parts, "volume "+v)
	}
	if len(parts) == 0 {
		parts = append(parts, "reservations")
	}
	return strings.Join(parts, ", ") + " of " + l.App + "/" + strconv.Itoa(l.Index)
}

type leftovers struct {
	byAgent map[string][]*leftover
	byName  map[string]*leftover // volume ids and owners
	view    []Leftover           // for snapshots, as long as it is not dirty
	dirty   bool
}

func (l *leftovers) init() { l.byAgent, l.byName = map[string][]*leftover{}, map[string]*leftover{} }

func (l *leftovers) add(x *leftover) {
	l.dirty = true
	l.byAgent[x.agent] = append(l.byAgent[x.agent], x)
	for _, name := range x.names() {
		l.byName[name] = x
	}
}

func (l *leftovers) remove(x *leftover) {
	l.dirty = true
	l.byAgent[x.agent] = slices.DeleteFunc(l.byAgent[x.agent], func(y *leftover) bool { return y == x })
	if len(l.byAgent[x.agent]) == 0 {
		delete(l.byAgent, x.agent)
	}
	for _, name := range x.names() {
		delete(l.byName, name)
	}
}

// all yields them by agent.
func (l *leftovers) all() []*leftover {
	var list []*leftover
	for _, agent := range slices.Sorted(maps.Keys(l.byAgent)) {
		list = append(list, l.byAgent[agent]...)
	}
	return list
}

// show returns what snapshots show.
func (l *leftovers) show() []Leftover {
	if l.dirty {
		l.dirty, l.view = false, nil
		for _, x := range l.all() {
			l.view = append(l.view, Leftover{App: x.App, Index: x.Index, Agent: x.agent, Volumes: x.Volumes, Since: fromMS(x.Since), Cleaning: x.sent != ""})
		}
	}
	return l.view
}

// leaveBehind remembers what is to be given back when its agent offers it.
func (c *Core) leaveBehind(agent string, r leftoverRecord) {
	if a := c.byName[r.App]; (c.fw.Forced || a != nil && a.rec.Forced) && !c.sees(agent) {
		c.gaveUp(&leftover{leftoverRecord: r, agent: agent})
		return
	}
	c.addLeftover(&leftover{leftoverRecord: r, agent: agent})
	for _, role := range c.cfg.Roles {
		c.book.Want(role, true)
	}
	if !c.sees(agent) {
		c.probeAgents() // what is the matter with it?
	}
}

func (c *Core) sees(agent string) bool { ag := c.agents[agent]; return ag != nil && ag.seen }

func (c *Core) addLeftover(l *leftover) {
	if len(c.leftovers.byAgent[l.agent]) == 0 {
		c.useAgent(l.agent, +1)
	}
	c.leftovers.add(l)
	c.putLeftovers(l.agent)
}

func (c *Core) dropLeftover(l *leftover) {
	c.leftovers.remove(l)
	c.putLeftovers(l.agent)
	if len(c.leftovers.byAgent[l.agent]) == 0 {
		c.useAgent(l.agent, -1)
	}
}

func (c *Core) putLeftovers(agent string) {
	var r garbageRecord
	for _, l := range c.leftovers.byAgent[agent] {
		r.Left = append(r.Left, l.leftoverRecord)
	}
	if len(r.Left) == 0 {
		c.del(keyGarbage + agent)
	} else {
		c.put(keyGarbage+agent, schemaGarbage, r)
	}
}

func (c *Core) forgetLeftovers(agent string) {
	for _, l := range slices.Clone(c.leftovers.byAgent[agent]) {
		c.dropLeftover(l)
	}
}

// moveLeftover: it is offered by another agent than it was on.
func (c *Core) moveLeftover(l *leftover, agent string) {
	c.note(Note{Kind: NoteInstance, App: l.App, Index: l.Index, Agent: agent, State: "leftover-moved", Text: l.describe() + ", left on agent " + l.agent + ", has come back with agent " + agent})
	c.dropLeftover(l)
	c.addLeftover(&leftover{leftoverRecord: l.leftoverRecord, agent: agent})
}

// clean gives back what is left of instances that are gone, as far as it is offered. Offers used for that are spent; what remains of them comes back at
// once.
func (c *Core) clean() {
	if !c.connected || c.guard != nil || len(c.leftovers.byAgent) == 0 {
		return
	}
	for _, o := range c.book.Offers() {
		if left := c.leftovers.byAgent[o.Agent.ID]; len(left) > 0 {
			c.cleanOffer(o, slices.Clone(left))
		}
	}
}

func (c *Core) cleanOffer(o *placement.Offer, left []*leftover) {
	var doomed, reserved []*mesospb.Resource
	here := map[*leftover]bool{}
	for _, r := range o.Proto.GetResources() {
		for _, l := range left {
			if !c.belongs(r, l) {
				continue
			}
			here[l] = true
			if resources.IsPersistentVolume(r) {
				doomed = append(doomed, r)
			} else {
				reserved = append(reserved, r)
			}
			break
		}
	}
	for _, l := range left {
		if !here[l] {
			c.missing(l, o.ID())
		}
	}
	if len(here) == 0 || len(c.book.Take(o.Proto.GetId())) == 0 {
		return
	}
	var ops []*mesospb.Offer_Operation
	if len(doomed) > 0 {
		ops = append(ops, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_DESTROY.Enum(), Destroy: &mesospb.Offer_Operation_Destroy{Volumes: doomed}})
		for _, v := range doomed {
			plain := resources.Clone(v)
			plain.Disk.Persistence, plain.Disk.Volume, plain.Shared = nil, nil, nil
			if plain.Disk.Source == nil {
				plain.Disk = nil
			}
			if resources.IsDynamicallyReserved(plain) {
				reserved = append(reserved, plain)
			}
		}
	}
	if len(reserved) > 0 {
		ops = append(ops, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_UNRESERVE.Enum(), Unreserve: &mesospb.Offer_Operation_Unreserve{Resources: resources.Sum(reserved)}})
	}
	c.call(acceptCall([]*mesospb.OfferID{o.Proto.GetId()}, 0, ops))
	older := map[string]bool{}
	for _, x := range c.book.Offers() {
		if x.Agent.ID == o.Agent.ID {
			older[x.ID()] = true
		}
	}
	for _, l := range left {
		if here[l] {
			l.sent, l.older, l.absent = o.ID(), older, 0
			c.leftovers.dirty = true
			c.note(Note{Kind: NoteInstance, App: l.App, Index: l.Index, Agent: o.Agent.ID, State: "cleaning", Text: "destroying and giving back " + l.describe()})
		}
	}
}

// belongs reports whether a resource is part of what was left.
func (c *Core) belongs(r *mesospb.Resource, l *leftover) bool {
	if id := r.GetDisk().GetPersistence().GetId(); id != "" {
		return slices.Contains(l.Volumes, id) && c.made(r)
	}
	if owner := resources.Owner(r); owner != "" || l.Owner != "" {
		return owner == l.Owner && c.made(r)
	}
	return c.ours(r) && !c.reservedInUse(l.agent)
}

// absence is how long offers have to come without a leftover until it is taken to be gone: a single one may be older than its release, or another
// framework of the role may hold it at the moment.
const absence = int64(time.Minute / time.Millisecond)

// missing: an offer of the agent does not have what was left. It is forgotten if that was destroyed, or never shows up: it was destroyed before a restart,
// or the launch that was to make it has not arrived.
func (c *Core) missing(l *leftover, offer string) {
	switch {
	case l.sent != "" && !l.older[offer]:
	case l.sent != "":
		return
	case c.leftInUse(l):
		l.absent = 0
		return
	case l.absent == 0:
		l.absent = c.now
		return
	case c.now-l.absent < absence:
		return
	}
	c.dropLeftover(l)
	c.note(Note{Kind: NoteInstance, App: l.App, Index: l.Index, Agent: l.agent, State: "cleaned", Text: l.describe() + " is gone"})
}

// notCleaned: what was sent on an offer had no effect, since the offer was void or the call was not made.
func (c *Core) notCleaned(offer string) {
	for _, l := range c.leftovers.all() {
		if offer == "" || l.sent == offer {
			l.sent, l.older, l.absent = "", nil, 0
			c.leftovers.dirty = true
		}
	}
}

// leftInUse reports whether a task that may use what was left runs on its agent.
func (c *Core) leftInUse(l *leftover) bool {
	a := c.byName[l.App]
	if a == nil || c.placed.On(l.App, l.agent) == 0 {
		return false
	}
	used := false
	a.inst.all(func(i *Instance) bool {
		for _, t := range append([]*Task{i.Live()}, i.Detached...) {
			used = used || t != nil && t.Agent == l.agent && t.Owner == l.Owner && (l.Owner != "" || i.Index == l.Index)
		}
		return !used
	})
	return used
}

// reservedInUse reports whether an instance may need the reservations without label that earlier versions made on the agent.
func (c *Core) reservedInUse(agent string) bool {
	if len(c.aside) > 0 { // nobody knows what belongs to those
		return true
	}
	for _, ref := range c.owned {
		if i := ref.app.inst.get(ref.index); i != nil && i.Owner == "" && i.Reserved == agent {
			return true
		}
	}
	return false
}

// giveUp forgets what was left on agents that are not offered, of one application or, with "", of all.
func (c *Core) giveUp(name string) (what []string) {
	for _, l := range c.leftovers.all() {
		if (name == "" || l.App == name) && !c.sees(l.agent) {
			what = append(what, l.describe()+" on agent "+l.agent)
			c.dropLeftover(l)
			c.gaveUp(l)
		}
	}
	return what
}

func (c *Core) gaveUp(l *leftover) {
	c.note(Note{Kind: NoteWarning, App: l.App, Index: l.Index, Agent: l.agent, State: "left-behind", Text: "given up by command: " + l.describe() + " stays on the agent, if that comes back"})
}

// cleanNeeds adds the roles whose offers are needed to clean up.
func (c *Core) cleanNeeds(needs map[string]bool) {
	if len(c.leftovers.byAgent) > 0 {
		for _, r := range c.cfg.Roles {
			needs[r] = true
		}
	}
}

// migrateGarbage turns records of version 1, which had the ids of volumes and no owners.
func migrateGarbage(payload []byte) ([]byte, error) {
	var old struct {
		Volumes  []string `json:"volumes"`
		Reserved bool     `json:"reserved"`
	}
	if err := json.Unmarshal(payload, &old); err != nil {
		return nil, err
	}
	var r garbageRecord
	for _, id := range old.Volumes { // <application>~…~<instance>
		parts := strings.Split(id, "~")
		index, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil {
			return nil, fmt.Errorf("volume %q: no instance", id)
		}
		r.Left = append(r.Left, leftoverRecord{App: parts[0], Index: index, Volumes: []string{id}})
	}
	if len(r.Left) == 0 && old.Reserved {
		r.Left = []leftoverRecord{{}}
	}
	return json.Marshal(r)
}
