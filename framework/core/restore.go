package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/store"
)

// Restore makes a core from stored records: those of one List(""), in any order; records of keys that are not the core's are ignored. The error is a
// *RecordError, which wraps the store's *CorruptError or *NewerVersionError; nothing is lost by it, since nothing is written.
//
// An application whose records are damaged, or do not fit together, is no reason not to start: it is set aside, see Aside. What is stored of an agent is
// only what offers tell again, so that it may be damaged.
//
// Restore is New where there are no records.
func Restore(now time.Time, cfg Config, records []store.Record) (*Core, error) {
	c := New(cfg)
	c.now, c.time = ms(now), now
	r := restorer{core: c, versions: map[string][]versionRecord{}}
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) })
	for _, rec := range records {
		if err := r.take(rec); err != nil && !r.setAside(rec.Key, err) && !r.without(rec.Key, err) {
			return nil, err
		}
	}
	if err := r.connect(); err != nil {
		return nil, err
	}
	r.leaveAside(records)
	r.finishHistory(records)
	r.finish()
	return c, nil
}

type restorer struct {
	core      *Core
	versions  map[string][]versionRecord
	instances []*Instance
}

func (r *restorer) take(rec store.Record) error {
	c := r.core
	prefix, rest, _ := strings.Cut(rec.Key, "/")
	switch prefix + "/" {
	case keyFramework + "/":
		if rest != "" {
			return nil
		}
		if err := unseal(schemaFramework, rec, &c.fw); err != nil {
			return err
		}
		c.noteSeq = c.fw.Notes
		c.fw.Epoch = "" // a new one with every start: no id is ever used twice, not even if the store is an old copy
		c.fw.Orphans = strings.Clone(c.fw.Orphans)
	case keyApp:
		a := newAppState(rest)
		if err := unseal(schemaApp, rec, &a.rec); err != nil {
			return err
		}
		if a.rec.Name != rest || a.rec.Instances < 0 || a.rec.Instances > maxInstances || a.rec.Surge < 0 || a.rec.Surge > maxInstances {
			return &RecordError{Key: rec.Key, Field: "name or instances", Value: fmt.Sprint(a.rec.Name, " ", a.rec.Instances), Want: "what the key says, and a sensible number"}
		}
		c.addApp(a)
	case keyVersion:
		name, n, ok := numbered(rest)
		var v versionRecord
		if err := unseal(schemaVersion, rec, &v); err != nil {
			return err
		}
		if !ok || int(v.Number) != n {
			return &RecordError{Key: rec.Key, Field: "number", Value: fmt.Sprint(v.Number), Want: "the one in the key"}
		}
		r.versions[name] = append(r.versions[name], v)
	case keyInstance:
		name, n, ok := numbered(rest)
		if !ok {
			return &RecordError{Key: rec.Key, Want: "a key like instance/web/3"}
		}
		var ir instanceRecord
		if err := unseal(schemaInstance, rec, &ir); err != nil {
			return err
		}
		i, err := ir.instance(name, n)
		if err != nil {
			return &RecordError{Key: rec.Key, Err: err}
		}
		i.stored = true
		r.instances = append(r.instances, i)
	case keyAgent:
		var ar agentRecord
		if err := unseal(schemaAgent, rec, &ar); err != nil {
			return err
		}
		pa, err := ar.agent(rest)
		if err != nil {
			return &RecordError{Key: rec.Key, Err: err}
		}
		c.agents[rest] = &agent{Agent: pa, stored: true}
		c.agentChanged(rest)
		c.placed.Observe(pa)
	case keyHistory, keyEvents:
		return r.takeHistory(rec)
	case keyGarbage:
		var g garbageRecord
		if err := unseal(schemaGarbage, rec, &g); err != nil {
			return err
		}
		for _, l := range g.Left {
			c.leftovers.add(&leftover{leftoverRecord: l, agent: rest})
		}
	}
	return nil
}

// connect gives applications their versions, and finds what is missing.
func (r *restorer) connect() error {
	c := r.core
	for _, a := range c.apps {
		if err := r.connectVersions(a); err != nil && !r.setAside(keyApp+a.rec.Name, err) {
			return err
		}
	}
	for _, i := range r.instances {
		if key := instanceKey(i.App, i.Index); c.byName[i.App] == nil {
			r.setAside(key, &RecordError{Key: key, Field: "application", Value: i.App, Want: "one that is stored too"})
		}
	}
	return nil
}

func (r *restorer) connectVersions(a *appState) error {
	for _, vr := range r.versions[a.rec.Name] {
		def, err := app.Parse(vr.App)
		if err != nil {
			return &RecordError{Key: versionKey(a.rec.Name, vr.Number), Err: err}
		}
		v, err := r.core.newVersion(vr.Number, def)
		if err != nil {
			return &RecordError{Key: versionKey(a.rec.Name, vr.Number), Err: err}
		}
		v.created = vr.Created
		if vr.Shown != 0 {
			v.shown = vr.Shown
		}
		a.versions[vr.Number] = v
	}
	for _, n := range []uint32{a.rec.Version, a.rec.Base} {
		if a.versions[n] == nil {
			return &RecordError{Key: keyApp + a.rec.Name, Field: "version", Value: fmt.Sprint(n), Want: "a version that is stored too"}
		}
	}
	return nil
}

func (r *restorer) finish() {
	c := r.core
	for _, i := range r.instances {
		a := c.byName[i.App]
		if i.Version == 0 || a.versions[i.Version] == nil {
			i.Version = a.rec.Base
		}
		i.App, i.epoch = a.rec.Name, c.epoch
		c.clampTimes(a, i)
		a.inst.set(i.Index, i, c.epoch)
		r.index(a, i)
	}
	for id := range c.leftovers.byAgent {
		c.useAgentRestored(id)
	}
	for _, a := range c.apps {
		if !a.daemon() && !a.rec.Removing {
			for k := range a.size() {
				if a.inst.get(k) == nil {
					i := &Instance{App: a.rec.Name, Index: k, Version: a.rec.Base, epoch: c.epoch}
					a.inst.set(k, i, c.epoch)
					a.counts.add(i, +1)
				}
			}
		}
		a.inst.all(func(i *Instance) bool {
			c.restoreRefusals(a, i)
			c.await(a, i)
			return true
		})
		c.kick(a)
	}
}

func (r *restorer) index(a *appState, i *Instance) {
	c := r.core
	a.counts.add(i, +1)
	tasks := i.Detached
	if i.Task != nil {
		tasks = append([]*Task{i.Task}, i.Detached...)
	}
	for _, t := range tasks {
		c.indexTask(a, i.Index, t)
		if t.Lingers = t.Lingers && t == i.Task; t.State.Over() && !t.Lingers {
			continue
		}
		c.useAgentRestored(t.Agent)
		c.placed.Add(a.rec.Name, c.agents[t.Agent].Agent)
		if t.Lingers {
			c.lingering++
		} else if t == i.Task {
			c.arm(a, t)
			if t.State == Running && t.Up != 0 {
				if d := a.versionOf(t.Version).readyFor(); t.Up+d > c.now {
					c.timers.add(timer{at: t.Up + d, kind: timerReady, app: a.rec.Name, idx: i.Index, id: t.ID})
				}
				// A deployment's limit starts again: it is for tasks that do not come up, not for engines that do not.
			} else if d := a.rec.Deployment; d.active() && t.Version == d.To {
				c.watchReadiness(a, i, t)
			}
		}
	}
	if i.Reserved != "" {
		c.useAgentRestored(i.Reserved)
		c.own(a, i)
	}
	if i.Pin != "" && a.daemon() {
		a.pins[i.Pin] = i.Index
	}
}

// useAgentRestored counts a use of an agent whose record exists already, or is made with the next write.
func (c *Core) useAgentRestored(id string) {
	if c.agents[id] == nil {
		c.agents[id] = &agent{Agent: agentNamed(id)}
	}
	c.agents[id].uses++
	c.agentChanged(id)
}
