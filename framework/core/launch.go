package core

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// place brings waiting instances and offers together and launches what fits.
func (c *Core) place() {
	if !c.connected || !c.placeAgain || c.guard != nil {
		return
	}
	c.placeAgain = false
	if c.fw.Uninstall != "" {
		c.unfit()
		return
	}
	c.fitVolumes()
	averse := c.averse()
	for range 1000 { // each round but the last launches something
		offers := c.book.Offers()
		if len(offers) == 0 {
			return
		}
		tasks, where, more := c.waiting(offers)
		if len(tasks) == 0 {
			c.unfit()
			return
		}
		res := c.cfg.Placer.Place(&placement.Cycle{
			Now: c.wall(), Offers: offers, Pending: tasks, Placed: c.placed, HomeRegion: c.home, Holds: c.holds, Seed: c.cfg.Seed ^ c.version,
			Averse: averse, Avoid: c.avoided(), Awaits: c.awaits,
		})
		c.holds = res.Holds
		roams := c.explain(res.Unplaced, where)
		if c.launch(res.Assignments, where, more) == 0 && !roams || !more && !roams {
			c.unfit()
			return
		}
	}
}

// averse turns anti-affinities around: by application, who does not want it near.
func (c *Core) averse() map[string][]placement.Affinity {
	var list map[string][]placement.Affinity
	for _, a := range c.apps {
		for k, n := range [...]uint32{a.rec.Version, a.rec.Base} {
			v := a.versions[n]
			if v == nil || k == 1 && n == a.rec.Version {
				continue
			}
			for _, f := range v.demand.Affinities {
				if !f.Anti || f.Group == a.rec.Name {
					continue
				}
				if list == nil {
					list = map[string][]placement.Affinity{}
				}
				to := f.Group
				if f.Group = a.rec.Name; !slices.Contains(list[to], f) {
					list[to] = append(list[to], f)
				}
			}
		}
	}
	return list
}

// waiting collects tasks to place: instances bound to an agent first, since nothing else will do for them, then a fair part of every
// application's. more says that there are others.
func (c *Core) waiting(offers []*placement.Offer) (tasks []*placement.Task, where map[*placement.Task]instanceRef, more bool) {
	left, apps := c.cfg.PlaceAtOnce, 0
	for _, a := range c.apps {
		if a.pending.n > 0 {
			apps++
		}
	}
	if apps == 0 {
		return nil, nil, false
	}
	here := make(map[string]bool, len(offers))
	for _, o := range offers {
		here[o.Agent.ID] = true
	}
	where = map[*placement.Task]instanceRef{}
	var bound, free []*placement.Task
	for _, a := range c.apps {
		if a.pending.n == 0 {
			continue
		}
		quota := max(1, left/apps)
		apps--
		start, took := a.rotate, 0
		if a.pending.next(start) < 0 {
			start = 0
		}
		for k, wrapped := a.pending.next(start), false; ; k = a.pending.next(k + 1) {
			if k < 0 && !wrapped && start > 0 {
				wrapped, k = true, a.pending.next(0)
			}
			if k < 0 || wrapped && k >= start {
				break
			}
			i := a.inst.get(k)
			if i.Pin != "" && !here[i.Pin] || a.problem[k] != "" {
				continue
			}
			if took >= quota {
				more = true
				a.rotate = k
				break
			}
			v := a.versionOf(i.Version)
			t := &placement.Task{ID: instanceKey(a.rec.Name, k), Demand: v.demand, Agent: i.Pin, Owner: i.Owner}
			if len(i.Volumes) > 0 {
				t.Volumes = v.app.Volumes(i.volumeIDs())
			} else if i.Pin == "" && here[i.Reserved] && !i.roams {
				t.Agent = i.Reserved
			}
			where[t] = instanceRef{a, k}
			if t.Agent != "" {
				bound = append(bound, t)
			} else {
				free = append(free, t)
			}
			took++
		}
		left -= took
	}
	return append(bound, free...), where, more
}

// explain keeps what a cycle says about tasks that have to wait. Where it has seen but a part of what there is, survey tells the whole. It reports
// whether some may be tried elsewhere.
func (c *Core) explain(unplaced []placement.Unplaced, where map[*placement.Task]instanceRef) (roams bool) {
	part := len(unplaced) > 0 && c.book.Declined() > 0
	for _, u := range unplaced {
		ref, ok := where[u.Task]
		if !ok {
			continue
		}
		i := ref.app.inst.get(ref.index)
		if i == nil {
			continue
		}
		ref.app.changed = true
		if i.Pin == "" && u.Task.Agent != "" {
			c.editQuietly(ref.app, ref.index).roams = true
			roams = true
			continue
		}
		if ref.app.daemon() && !fits(u.Why) {
			c.drop(ref.app, c.edit(ref.app, ref.index)) // not an agent for this daemon
			continue
		}
		if i.Pin != "" {
			ref.app.why[ref.index] = u.Why
		} else if !part || ref.app.whyAll[i.Version] == nil {
			ref.app.whyAll[i.Version] = u.Why
		}
	}
	if part {
		c.surveyAt(c.surveyed + surveyEvery.Milliseconds())
	}
	return roams
}

// Offers that were refused come back at different times, so that no cycle may see them all.
const (
	surveyEvery = 2 * time.Second
	surveyTasks = 20 // of each version
)

func (c *Core) surveyAt(at int64) {
	if !c.surveying {
		c.surveying = true
		c.timers.add(timer{at: max(at, c.now), kind: timerSurvey})
	}
}

// survey explains what waits by all offers that are in hand, or were lately. Nothing is launched on them.
func (c *Core) survey() {
	c.surveying, c.surveyed = false, c.now
	if !c.connected || c.guard != nil {
		return
	}
	var tasks []*placement.Task
	where := map[*placement.Task]instanceRef{}
	for _, a := range c.apps {
		seen := map[uint32]int{}
		for k := a.pending.next(0); k >= 0; k = a.pending.next(k + 1) {
			i := a.inst.get(k)
			if seen[i.Version]++; i.Pin != "" || seen[i.Version] > surveyTasks {
				if len(a.versions) == 1 && i.Pin == "" {
					break
				}
				continue
			}
			t := &placement.Task{ID: instanceKey(a.rec.Name, k), Demand: a.versionOf(i.Version).demand}
			tasks = append(tasks, t)
			where[t] = instanceRef{a, k}
		}
	}
	if len(tasks) == 0 {
		return
	}
	res := c.cfg.Placer.Place(&placement.Cycle{
		Now: c.wall(), Offers: c.book.Recent(c.time), Pending: tasks, Placed: c.placed, HomeRegion: c.home, Seed: c.cfg.Seed ^ c.version, Averse: c.averse(), Avoid: c.avoided(), Awaits: c.awaits,
	})
	for _, as := range res.Assignments { // they fit; the offer only has to come
		if ref, ok := where[as.Task]; ok {
			delete(ref.app.whyAll, ref.app.inst.get(ref.index).Version)
			ref.app.changed = true
		}
	}
	for _, u := range res.Unplaced {
		if ref, ok := where[u.Task]; ok {
			ref.app.whyAll[ref.app.inst.get(ref.index).Version] = u.Why
			ref.app.changed = true
		}
	}
}

// fits reports whether an agent would do for a daemon if it had more room.
func fits(why *placement.Explanation) bool {
	if why == nil {
		return true
	}
	for _, r := range why.Rejected {
		switch r.Cause {
		case placement.ByRole, placement.ByRegion, placement.ByConstraint, placement.ByAffinity, placement.ByFilter, placement.ByDraining, placement.ByMaintenance:
			return false
		}
	}
	return true
}

// launch makes one ACCEPT of all assignments to the same offers. The launch records are written before it is sent. It returns how many
// tasks are launched.
func (c *Core) launch(as []placement.Assignment, where map[*placement.Task]instanceRef, more bool) int {
	at := map[string]int{} // position in groups, by the first of the offers
	var groups [][]placement.Assignment
	for _, x := range as {
		key := offersKey(x.OfferIDs)
		k, ok := at[key]
		if !ok {
			k = len(groups)
			at[key] = k
			groups = append(groups, nil)
		}
		groups[k] = append(groups[k], x)
	}
	n := 0
	for _, group := range groups {
		n += c.accept(group, where, more)
	}
	return n
}

func offersKey(ids []*mesospb.OfferID) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0].GetValue()
}

func (c *Core) accept(group []placement.Assignment, where map[*placement.Task]instanceRef, more bool) int {
	taken := c.book.Take(group[0].OfferIDs...)
	if len(taken) == 0 || len(taken) != len(group[0].OfferIDs) {
		c.note(Note{Kind: NoteWarning, Index: -1, Text: "the placer used offers that are not there"})
		return 0
	}
	offer := taken[0]
	left := make([]*mesospb.Resource, 0, len(offer.Proto.GetResources()))
	for _, o := range taken {
		left = append(left, o.Proto.GetResources()...)
	}
	pool := resources.NewPool(left)
	var ops, last []*mesospb.Offer_Operation
	n := 0
	for _, as := range group {
		ref, ok := where[as.Task]
		if !ok {
			continue
		}
		a, i := ref.app, ref.app.inst.get(ref.index)
		if i == nil || !i.pending {
			continue
		}
		if !pool.Contains(as.Resources) { // a placer of the user's may be wrong, and the master would refuse the whole ACCEPT
			c.note(Note{Kind: NoteWarning, App: i.App, Index: i.Index, Agent: offer.Agent.ID, Text: "the placer gave more than there is: " + resources.Describe(as.Resources)})
			continue
		}
		more, err := c.launchOne(a, c.edit(a, ref.index), offer, &as)
		if err != nil {
			continue
		}
		pool.Subtract(as.Resources)
		ops = append(ops, more...)
		last = append(last, surplus(pool.Resources(), a.inst.get(ref.index).Task.Owner)...)
		n++
	}
	ids := make([]*mesospb.OfferID, len(taken))
	for k, o := range taken {
		ids[k] = o.Proto.GetId()
	}
	if n == 0 {
		c.call(declineCall(ids, c.shortRefusal()))
		return 0
	}
	refuse := c.shortRefusal()
	if more { // what is left is wanted at once
		refuse = 0
	}
	c.call(acceptCall(ids, refuse, append(mergeLaunches(ops), last...)))
	return n
}

func (c *Core) shortRefusal() time.Duration {
	if d := c.cfg.Book.ShortRefusal; d > 0 {
		return d
	}
	return 5 * time.Second
}

// mergeLaunches makes one LAUNCH of several that follow each other.
func mergeLaunches(ops []*mesospb.Offer_Operation) []*mesospb.Offer_Operation {
	out := ops[:0]
	for _, op := range ops {
		if n := len(out); n > 0 && op.GetType() == mesospb.Offer_Operation_LAUNCH && out[n-1].GetType() == mesospb.Offer_Operation_LAUNCH {
			out[n-1].Launch.TaskInfos = append(out[n-1].Launch.TaskInfos, op.GetLaunch().GetTaskInfos()...)
			continue
		}
		out = append(out, op)
	}
	return out
}

// launchOne makes the launch record of a placed instance and the operations that start it.
func (c *Core) launchOne(a *appState, i *Instance, o *placement.Offer, as *placement.Assignment) ([]*mesospb.Offer_Operation, error) {
	v := a.versionOf(i.Version)
	ag := c.agents[o.Agent.ID]
	if ag == nil {
		return nil, errors.New("unknown agent")
	}
	id, number := c.newTaskID(i)
	t := &Task{ID: id, Version: v.number, State: Launching, Agent: ag.ID, Ports: as.Ports, Launched: c.now, Changed: c.now}
	ids := []string{t.ID}
	if len(v.app.Group) > 0 {
		ids = ids[:0]
		for k, m := range v.app.Group {
			ids = append(ids, memberID(t.ID, k, m.Name))
			t.Members = append(t.Members, Member{ID: ids[k]})
		}
	}
	owner, volumes := i.Owner, i.volumeIDs()
	fresh := v.keeps() && len(volumes) == 0 && i.Reserved != ag.ID
	if fresh {
		owner, volumes = t.ID, v.app.VolumeIDs(i.Index, number)
	}
	t.Owner = owner
	ops, err := v.app.Operations(app.Launch{
		TaskIDs: ids, Instance: i.Index, FrameworkID: c.fw.ID, AgentID: ag.ID, Hostname: ag.Hostname, Principal: c.cfg.Principal,
		Resources: as.Resources, Ports: as.Ports, Volumes: as.Volumes, VolumeIDs: volumes, Owner: owner, Role: as.Role, Version: v.hash, ReservationRefinement: c.cfg.ReservationRefinement,
	})
	if err != nil {
		c.setOutcome(a, i, GivenUp)
		c.notPending(a, i)
		a.problem[i.Index] = err.Error()
		c.note(Note{Kind: NoteWarning, App: i.App, Index: i.Index, State: "given-up", Text: "can't be launched: " + err.Error()})
		return nil, err
	}
	c.notPending(a, i)
	if i.Task != nil {
		if i.Task.State == Lost {
			c.orphans.leave(i.Task)
		}
		c.forgetTask(i.Task)
	}
	a.counts.add(i, -1)
	i.Task = t
	a.counts.add(i, +1)
	c.indexTask(a, i.Index, t)
	c.enter(a, t)
	i.roams, i.resizes = false, 0
	if fresh {
		c.unbind(i, true)
		c.bind(a, i, ag.ID, owner, volumes)
	}
	for k := range min(len(i.Volumes), len(as.Volumes)) {
		i.Volumes[k].MB = as.Volumes[k].GetScalar().GetValue()
	}
	c.arm(a, t)
	c.watchReadiness(a, i, t)
	c.note(Note{Kind: NoteTask, App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent, State: t.State.String(), Text: "on " + ag.Hostname})
	return ops, nil
}

// newTaskID returns an id that no other task of this framework has or had: numbers are never used again, and other state directories have
// other epochs.
func (c *Core) newTaskID(i *Instance) (id, number string) {
	c.fw.Next++
	c.fwDirty = true
	number = strconv.FormatUint(c.fw.Next, 36) + "-" + c.fw.Epoch
	return fmt.Sprintf("%s.%d.%s", i.App, i.Index, number), number
}

// memberID is the id of one task of a pod. Mesos allows 255 bytes.
func memberID(task string, k int, name string) string {
	if id := task + "." + name; len(id) <= 255 {
		return id
	}
	return task + "." + strconv.Itoa(k)
}

// launchUncertain handles an ACCEPT of which nobody knows whether it arrived. If the session ends, the next one asks; if not, this does.
func (c *Core) launchUncertain(a *schedulerpb.Call_Accept) {
	for _, id := range launchedBy(a) {
		if _, ok := c.tasks[id]; ok && !slices.Contains(c.ask.fresh, id) {
			c.ask.now(id)
		}
	}
}

func (c *Core) setOutcome(a *appState, i *Instance, o Outcome) {
	a.counts.add(i, -1)
	i.Outcome = o
	a.counts.add(i, +1)
}
