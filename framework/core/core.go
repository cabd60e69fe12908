package core

import (
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Core is the state of a framework and its rules. It is not safe for concurrent use; what Snapshot returns is.
type Core struct {
	cfg Config

	fw        frameworkRecord
	fwDirty   bool
	guard     *Guard
	connected bool
	since     int64  // the last SUBSCRIBED
	home      string // region of the master

	apps   []*appState // by name
	byName map[string]*appState
	tasks  map[string]place // by Mesos task id: tasks that are not over, and those that are the last of their instance

	agents        map[string]*agent
	history       history
	changedAgents []string // since the last snapshot
	views         agentViews
	placed        *placement.Placed
	book          *placement.Book
	mute          map[string]bool // roles suppressed at the master
	holds         []placement.Hold
	// placeAgain: there is something new that a placement cycle may make use of.
	placeAgain bool
	surveying  bool  // a survey is planned
	surveyed   int64 // when the last one was

	ask     asking
	orphans orphans
	drains  drains
	aside   map[string]*Aside // by name
	// warnings of what could not be restored, for the first Apply.
	warnings []Note
	// What instances keep by its names, and what others have left behind: see volumes.go.
	owned     map[string]instanceRef
	leftovers leftovers
	timers    timers
	lingering int // instances that wait for the end of an executor
	noteSeq   uint64
	epoch     uint32 // of snapshots
	version   uint64 // counts Applies, for readers

	// The fields below live during one Apply.
	now    int64
	time   time.Time
	ahead  time.Duration // of the wall clock, see WallClock
	out    *Effects
	dirty  []instanceRef        // instances to write, in order
	marked map[instanceRef]bool // those in dirty; true if there is a record of it
	kicked []*appState          // to be steered
}

// place says where a task is: which instance, and which task of the core it belongs to.
type place struct {
	app    *appState
	index  int
	member int // of a pod; -1
	id     string
}

type instanceRef struct {
	app   *appState
	index int
}

// appState is an application.
type appState struct {
	rec      appRecord
	versions map[uint32]*version
	inst     vector
	pending  bits
	rotate   int // where the next placement cycle begins
	counts   Counts
	why      map[int]*placement.Explanation    // of pending instances with a pin
	whyAll   map[uint32]*placement.Explanation // of the others, by version
	problem  map[int]string                    // why a launch could not even be described
	pins     map[string]int                    // of daemons: agent id -> instance
	refusals map[string]*refusal               // by agent id
	kicked   bool
	looks    bool // its deployment waits for an offer that shows whether volumes can grow
	changed  bool // since the last snapshot
	dirty    bool // record to be written
	view     *App
}

// version is one version of an application.
type version struct {
	number  uint32
	shown   uint32 // the number that people know it by, see versions.go
	created int64
	app     *app.App
	hash    string // of app, which is costly to make
	demand  *placement.Demand
	role    string
	volumes bool
}

// agent is what is known of an agent.
type agent struct {
	*placement.Agent
	uses   int    // tasks and volumes of ours: while there are any, it is stored
	stored bool   // a record exists
	seen   bool   // offered in this session
	fate   string // what the master last said of one that is not seen
	// changed: the next snapshot makes a view of it, see agentChanged.
	changed bool
}

// New returns the core of a framework that has never run. Use Restore where there may be stored state.
func New(cfg Config) *Core {
	cfg.complete()
	c := &Core{
		cfg: cfg, byName: map[string]*appState{}, tasks: map[string]place{}, agents: map[string]*agent{},
		placed: placement.NewPlaced(), book: placement.NewBook(cfg.Book), mute: map[string]bool{}, owned: map[string]instanceRef{}, aside: map[string]*Aside{},
		home: cfg.HomeRegion, epoch: 1, marked: map[instanceRef]bool{},
	}
	if c.cfg.Placer == nil {
		pc := cfg.Placement
		pc.Filters = append(slices.Clone(pc.Filters), app.AttributeFilter(c.AppOf))
		c.cfg.Placer = placement.New(pc)
	}
	c.ask.init()
	c.orphans.init()
	c.drains.init()
	c.leftovers.init()
	return c
}

// FrameworkID is the id to subscribe with, "" for a new framework. While a Guard stands that forbids it, ok is false:
// don't subscribe.
func (c *Core) FrameworkID() (id string, ok bool) {
	if c.guard != nil {
		return "", false
	}
	return c.fw.ID, true
}

// Apply takes inputs in order at time now and returns what is to be done. Times must not go backwards (if they do, the latest one
// counts) and must measure what passes: a caller whose wall clock may be stepped goes by a monotonic clock, and tells the difference with
// WallClock.
// Apply without inputs does what is due at that time.
func (c *Core) Apply(now time.Time, inputs ...Input) *Effects {
	c.begin(now)
	for i, in := range inputs {
		c.input(i, in)
	}
	c.fire() // after the inputs: where the store was slow, what has come in meanwhile counts, and not that time has passed
	c.finish()
	out := c.out
	c.out = nil
	return out
}

func (c *Core) begin(now time.Time) {
	if t := ms(now); t > c.now {
		c.now, c.time = t, now
	} else if c.time.IsZero() {
		c.time = now
	}
	c.out = &Effects{}
	c.version++
	for _, n := range c.warnings {
		c.note(n)
	}
	c.warnings = nil
	if c.fw.Epoch == "" {
		c.fw.Epoch = epochName(c.cfg.Seed, uint64(now.UnixNano()))
		c.fwDirty = true
	}
}

// epochName makes a short name that differs from those of other state directories.
func epochName(seed, salt uint64) string {
	x := seed ^ salt*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	const letters = "0123456789abcdefghijkmnpqrstuvwx"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[x>>(5*i)&31]
	}
	return string(b)
}

func (c *Core) input(i int, in Input) {
	switch in := in.(type) {
	case MesosEvent:
		c.event(in.Event)
	case Disconnected:
		c.disconnected()
	case CallFailed:
		c.callFailed(in)
	case AgentDraining:
		c.operatorDrain(in)
	case ExecutorsSeen:
		c.executorsSeen(in)
	case FrameworkKnown:
		c.frameworkKnown(in)
	case TornDown:
		c.tornDown()
	case WallClock:
		c.wallClock(in)
	case Command:
		text, err := c.command(in)
		c.out.Replies = append(c.out.Replies, Reply{Input: i, Err: err, Text: text})
	}
}

func (c *Core) event(e *schedulerpb.Event) {
	if c.guard != nil && e.GetType() != schedulerpb.Event_SUBSCRIBED {
		return
	}
	switch e.GetType() {
	case schedulerpb.Event_SUBSCRIBED:
		c.subscribed(e.GetSubscribed())
	case schedulerpb.Event_OFFERS:
		c.offered(e.GetOffers().GetOffers())
	case schedulerpb.Event_RESCIND:
		if id := e.GetRescind().GetOfferId().GetValue(); !c.book.Rescind(id) {
			c.notCleaned(id)
		}
	case schedulerpb.Event_UPDATE:
		c.status(e.GetUpdate().GetStatus())
	case schedulerpb.Event_INVERSE_OFFERS:
		c.inverseOffered(e.GetInverseOffers().GetInverseOffers())
	case schedulerpb.Event_RESCIND_INVERSE_OFFER:
		c.inverseRescinded(e.GetRescindInverseOffer().GetInverseOfferId().GetValue())
	case schedulerpb.Event_UPDATE_OPERATION_STATUS:
		c.operationStatus(e.GetUpdateOperationStatus().GetStatus())
	case schedulerpb.Event_FAILURE:
		c.failure(e.GetFailure())
	case schedulerpb.Event_MESSAGE:
		m := e.GetMessage()
		c.note(Note{Kind: NoteEvent, Index: -1, Agent: strings.Clone(m.GetAgentId().GetValue()), State: "message", Text: "executor " + m.GetExecutorId().GetValue() + " sent a message"})
	case schedulerpb.Event_ERROR:
		c.note(Note{Kind: NoteWarning, Index: -1, Text: "the master says: " + e.GetError().GetMessage()})
	}
}

// finish does what follows from all inputs together: sizes, rollouts, placement, questions, refusals, and writes.
func (c *Core) finish() {
	// What one step does can be a reason for another, for example a removal that frees an agent. Few rounds suffice; the bound keeps
	// a placer or a rule that never comes to rest from hanging the engine. What is left over goes on at the next Apply.
	for range 8 {
		kicked := c.kicked
		c.kicked = nil
		for _, a := range kicked {
			a.kicked = false
			c.steer(a)
		}
		c.clean()
		c.place()
		if len(c.kicked) == 0 {
			break
		}
	}
	c.stepUninstall()
	c.answerInverse()
	c.sendAsked()
	c.settleOffers()
	c.flushHistory()
	c.flush()
	next := c.timers.next()
	if b := c.book.Next(); !b.IsZero() && c.connected && (next == 0 || ms(b) < next) {
		next = ms(b)
	}
	if len(c.kicked) > 0 {
		next = c.now
	}
	if next != 0 {
		c.out.Wake = fromMS(max(next, c.now))
	}
}

// fire handles the timers that are due.
func (c *Core) fire() {
	for {
		t, ok := c.timers.due(c.now)
		if !ok {
			return
		}
		switch t.kind {
		case timerTask:
			c.taskDue(t)
		case timerLaunch:
			c.launchDue(t)
		case timerReady, timerSlow:
			c.readyDue(t)
		case timerReconcile:
			c.reconcileDue(t)
		case timerPeriodic:
			c.periodicDue(t)
		case timerSweep:
			c.sweepDue(t)
		case timerSurvey:
			c.survey()
		case timerOrphan:
			c.orphanDue(t)
		case timerRefusal:
			c.refusalDue(t)
		}
	}
}

// edit returns an instance that may be changed, and marks it to be written.
func (c *Core) edit(a *appState, index int) *Instance {
	i := c.editQuietly(a, index)
	if i == nil {
		return nil
	}
	ref := instanceRef{a, index}
	if _, marked := c.marked[ref]; !marked {
		c.marked[ref] = i.stored
		c.dirty = append(c.dirty, ref)
	}
	return i
}

// editQuietly is for changes that are not stored.
func (c *Core) editQuietly(a *appState, index int) *Instance {
	i := a.inst.get(index)
	if i == nil {
		return nil
	}
	a.changed = true
	if i.epoch == c.epoch {
		return i
	}
	copied := *i
	copied.epoch = c.epoch
	if i.Task != nil {
		copied.Task = i.Task.clone()
	}
	copied.Detached = make([]*Task, len(i.Detached))
	for k, t := range i.Detached {
		copied.Detached[k] = t.clone()
	}
	copied.Volumes = slices.Clone(i.Volumes)
	a.inst.set(index, &copied, c.epoch)
	return &copied
}

func (t *Task) clone() *Task {
	copied := *t
	copied.Members = slices.Clone(t.Members)
	return &copied
}

// flush turns what has changed into writes.
func (c *Core) flush() {
	w := &c.out.Writes
	for _, a := range c.apps {
		if a.dirty {
			a.dirty = false
			a.changed = true
			*w = append(*w, store.Put(keyApp+a.rec.Name, seal(schemaApp, a.rec.onWall(c.ahead))))
		}
	}
	for _, ref := range c.dirty {
		key := instanceKey(ref.app.rec.Name, ref.index)
		if i := ref.app.inst.get(ref.index); i != nil {
			c.editQuietly(ref.app, ref.index).stored = true
			*w = append(*w, store.Put(key, seal(schemaInstance, i.record().onWall(c.ahead))))
		} else if c.marked[ref] {
			*w = append(*w, store.Delete(key))
		}
	}
	if len(c.dirty) > 1024 { // clearing a map that was large once would cost as much in every round to come
		c.dirty, c.marked = nil, map[instanceRef]bool{}
	}
	c.dirty = c.dirty[:0]
	clear(c.marked)
	if c.noteSeq > c.fw.Notes {
		c.fw.Notes = c.noteSeq + 10000
		c.fwDirty = true
	}
	if c.fw.Uninstall == uninstalled {
		c.fwDirty = false
		*w = append(*w, store.Delete(keyFramework))
	} else if c.fwDirty {
		c.fwDirty = false
		*w = append(*w, store.Put(keyFramework, seal(schemaFramework, c.fw)))
	}
}

func (c *Core) put(key string, s store.Schema, v any) {
	c.out.Writes = append(c.out.Writes, store.Put(key, seal(s, v)))
}

func (c *Core) del(key string) { c.out.Writes = append(c.out.Writes, store.Delete(key)) }

func (c *Core) call(call *schedulerpb.Call) { c.out.Calls = append(c.out.Calls, call) }

func (c *Core) note(n Note) {
	c.noteSeq++
	n.Seq, n.Time = c.noteSeq, c.wall()
	c.out.Notes = append(c.out.Notes, n)
	c.remember(n)
}

// kick has the application steered at the end of this Apply.
func (c *Core) kick(a *appState) {
	if !a.kicked {
		a.kicked = true
		c.kicked = append(c.kicked, a)
	}
}

// changeApp marks the application's record to be written and has it steered.
func (c *Core) changeApp(a *appState) {
	a.rec.Changed = c.now
	a.dirty = true
	c.kick(a)
}

func (c *Core) addApp(a *appState) {
	i, _ := slices.BinarySearchFunc(c.apps, a.rec.Name, func(a *appState, name string) int { return strings.Compare(a.rec.Name, name) })
	c.apps = slices.Insert(c.apps, i, a)
	c.byName[a.rec.Name] = a
	a.changed = true
}

func newAppState(name string) *appState {
	return &appState{rec: appRecord{Name: name}, versions: map[uint32]*version{}, why: map[int]*placement.Explanation{},
		whyAll: map[uint32]*placement.Explanation{}, problem: map[int]string{}, pins: map[string]int{}, changed: true}
}

// current is the version that instances are to get to.
func (a *appState) current() *version { return a.versions[a.rec.Version] }

// versionOf returns the version of that number, or the current one if it is not known any more.
func (a *appState) versionOf(n uint32) *version {
	if v := a.versions[n]; v != nil {
		return v
	}
	return a.current()
}

// AppOf returns the application that a demand of a placement cycle is of, nil if it is none of this core. It is for parts of the placer, such as
// app.AttributeFilter, and may be called by these only.
func (c *Core) AppOf(d *placement.Demand) *app.App {
	if a := c.byName[d.Group]; a != nil {
		for _, v := range a.versions {
			if v.demand == d {
				return v.app
			}
		}
	}
	return nil
}

// useAgent counts a task or volume on an agent and has it stored as long as there are any.
func (c *Core) useAgent(id string, by int) {
	ag := c.agents[id]
	if ag == nil {
		ag = &agent{Agent: &placement.Agent{ID: id}}
		c.agents[id] = ag
	}
	ag.uses += by
	c.agentChanged(id)
	switch {
	case ag.uses > 0 && !ag.stored:
		ag.stored = true
		c.put(keyAgent+id, schemaAgent, recordOfAgent(ag.Agent))
	case ag.uses <= 0 && ag.stored:
		ag.uses, ag.stored = 0, false
		c.del(keyAgent + id)
	}
}

// subscribed starts a session. Everything that was in the air is void: calls on earlier streams are refused from now on, so that what the master
// answers from here on is what is true.
func (c *Core) subscribed(s *schedulerpb.Event_Subscribed) {
	id := s.GetFrameworkId().GetValue()
	if id == "" {
		c.note(Note{Kind: NoteWarning, Index: -1, Text: "SUBSCRIBED without a framework id"})
		return
	}
	if c.fw.ID != "" && c.fw.ID != id {
		c.guardAgainst(id, -1, "the master has subscribed this framework as "+id+", but the stored state belongs to framework "+c.fw.ID)
		return
	}
	if c.guard != nil {
		return
	}
	if c.fw.ID == "" {
		c.fw.ID = strings.Clone(id)
		c.fwDirty = true
	}
	if c.cfg.HomeRegion == "" {
		c.home = strings.Clone(s.GetMasterInfo().GetDomain().GetFaultDomain().GetRegion().GetName())
	}
	c.connected, c.since = true, c.now
	for id, ag := range c.agents {
		ag.seen = false
		c.agentChanged(id)
	}
	c.resetOffers()
	c.notCleaned("")
	c.note(Note{Kind: NoteFramework, Index: -1, State: "subscribed", Text: "subscribed as " + id})
	if c.fw.Uninstall == tearingDown {
		c.call(teardownCall())
		return
	}
	c.repeatKills()
	c.reconcileAll()
	c.rearmAll()
	c.placeAgain = true
	for _, a := range c.apps {
		c.kick(a)
	}
}

func (c *Core) disconnected() {
	if !c.connected {
		return
	}
	c.connected = false
	c.resetOffers()
	clear(c.drains.offers)
	c.note(Note{Kind: NoteFramework, Index: -1, State: "disconnected", Text: "disconnected from the master"})
}

// callFailed draws conclusions from calls that were not made. Most repeat themselves: kills and questions by timers, acknowledgements because the
// agent sends the status again.
func (c *Core) callFailed(f CallFailed) {
	switch f.Call.GetType() {
	case schedulerpb.Call_ACCEPT:
		for _, id := range f.Call.GetAccept().GetOfferIds() {
			c.notCleaned(id.GetValue())
		}
		if c.connected {
			// The offers, if the master has not taken them, would stay with us for good. If it has, it ignores this.
			c.call(declineCall(f.Call.GetAccept().GetOfferIds(), c.shortRefusal()))
		}
		if !f.Refused {
			c.launchUncertain(f.Call.GetAccept())
			return
		}
		for _, id := range launchedBy(f.Call.GetAccept()) {
			c.report(id, SawDropped, &mesospb.TaskStatus{Message: new("ACCEPT failed: " + f.Error)})
		}
	case schedulerpb.Call_SUPPRESS:
		for _, r := range f.Call.GetSuppress().GetRoles() {
			delete(c.mute, r)
		}
	case schedulerpb.Call_TEARDOWN:
		c.teardownFailed(f.Error)
	}
}
