package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/framework/store"
)

// Aside is an application whose stored records do not fit together. It is left alone, with its records and its tasks, until somebody restores or
// removes it; everything else goes on.
type Aside struct {
	App string `json:"app"`
	// Why names the record and what is wrong with it.
	Why  string   `json:"why"`
	Keys []string `json:"keys"` // of its records, as they are in the store and in backups
	// Definition is the latest stored definition that can be read, JSON; nil if there is none.
	Definition []byte `json:"-"`
}

// appOfKey returns the application that a record is part of.
func appOfKey(key string) (name string, ok bool) {
	prefix, rest, _ := strings.Cut(key, "/")
	switch prefix + "/" {
	case keyApp, keyVersion, keyInstance, keyHistory:
		name, _, _ = strings.Cut(rest, "/")
		return name, name != ""
	}
	return "", false
}

// setAside notes that an application can't be restored. It reports false for errors that concern more than one application.
func (r *restorer) setAside(key string, err error) bool {
	name, ok := appOfKey(key)
	if newer := new(store.NewerVersionError); !ok || strings.HasPrefix(key, keyHistory) || errors.As(err, &newer) {
		return false
	}
	if r.core.aside[name] == nil {
		r.core.aside[name] = &Aside{App: name, Why: err.Error()}
	}
	return true
}

// without goes on without what is stored of an agent: offers tell it again, but not what was left there. It reports false for other records.
func (r *restorer) without(key string, err error) bool {
	if newer := new(store.NewerVersionError); errors.As(err, &newer) {
		return false
	}
	id, isAgent := strings.CutPrefix(key, keyAgent)
	switch {
	case isAgent:
		r.core.agents[id] = &agent{Agent: agentNamed(id), stored: true}
		r.core.agentChanged(id)
	case !strings.HasPrefix(key, keyGarbage) && !strings.HasPrefix(key, keyHistory) && !strings.HasPrefix(key, keyEvents):
		return false
	}
	r.core.warnings = append(r.core.warnings, Note{Kind: NoteWarning, Index: -1, Text: err.Error() + "; going on without it"})
	return true
}

// leaveAside takes what is set aside out of what is restored.
func (r *restorer) leaveAside(records []store.Record) {
	c := r.core
	if len(c.aside) == 0 {
		return
	}
	for _, rec := range records {
		if name, ok := appOfKey(rec.Key); ok && c.aside[name] != nil {
			c.aside[name].Keys = append(c.aside[name].Keys, rec.Key)
		}
	}
	for _, a := range c.asides() {
		c.warnings = append(c.warnings, Note{Kind: NoteWarning, App: a.App, Index: -1, Text: a.Refusal().Error()})
	}
	for name, a := range c.aside {
		latest := uint32(0)
		for _, v := range r.versions[name] {
			if v.Number >= latest {
				latest, a.Definition = v.Number, v.App
			}
		}
		delete(c.byName, name)
	}
	c.apps = slices.DeleteFunc(c.apps, func(a *appState) bool { return c.aside[a.rec.Name] != nil })
	r.instances = slices.DeleteFunc(r.instances, func(i *Instance) bool { return c.aside[i.App] != nil })
}

// asideTask reports whether a task belongs to an application that is set aside.
func (c *Core) asideTask(id string) bool {
	for name := range c.aside {
		if strings.HasPrefix(id, name+".") {
			return true
		}
	}
	return false
}

// Refusal is the error that commands about the application are refused with.
func (a *Aside) Refusal() error {
	return fmt.Errorf("application %q is %w: %s; restore it from a backup while the scheduler is stopped, or remove it", a.App, ErrAside, a.Why)
}

// removeAside forgets the records of an application that was set aside. What it runs comes to light as unknown tasks.
func (c *Core) removeAside(a *Aside) string {
	for _, key := range a.Keys {
		c.del(key)
	}
	delete(c.aside, a.App)
	c.ask.implicit = true
	c.note(Note{Kind: NoteApp, App: a.App, Index: -1, State: "removed", Text: "its records are deleted; tasks of it that still run are unknown from now on"})
	return a.App + " is forgotten; tasks of it that still run are reported as unknown, to be killed or adopted; volumes and reservations of it stay"
}

// asides lists what is set aside, by name.
func (c *Core) asides() []Aside {
	var list []Aside
	for _, name := range slices.Sorted(maps.Keys(c.aside)) {
		list = append(list, *c.aside[name])
	}
	return list
}
