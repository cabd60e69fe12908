package core

import (
	"fmt"
	"slices"
)

// Versions. A restart is a deployment of the same definition, and therefore has a number of its own in the books; people count definitions: what is shown of
// both is the same number.

// keptVersions is how many definitions are kept to return to, beside those in use.
const keptVersions = 10

// shown is the number by which people know a version.
func (a *appState) shown(n uint32) uint32 {
	if v := a.versions[n]; v != nil {
		return v.shown
	}
	return n
}

// nextShown is the number that people will know the next definition by.
func (a *appState) nextShown() uint32 {
	if a.rec.Shown == 0 {
		return a.rec.LastNumber + 1
	}
	return a.rec.Shown + 1
}

// versionShown returns the latest version that people know by a number, nil if it is not kept.
func versionShown(versions map[uint32]*version, shown uint32) *version {
	var found *version
	for _, v := range versions {
		if v.shown == shown && (found == nil || v.number > found.number) {
			found = v
		}
	}
	return found
}

// shownVersions lists the versions that are kept, as people know them.
func (a *appState) shownVersions() []uint32 {
	var list []uint32
	for _, v := range a.versions {
		list = append(list, v.shown)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// dropVersions forgets those that nothing runs and nobody is likely to return to.
func (c *Core) dropVersions(a *appState) {
	keep := map[uint32]bool{a.rec.Version: true, a.rec.Base: true, a.rec.Before: true}
	list := a.shownVersions()
	for _, shown := range list[max(0, len(list)-keptVersions):] {
		keep[versionShown(a.versions, shown).number] = true
	}
	for _, n := range a.numbers() {
		if !keep[n] && !a.inUse(n) {
			delete(a.versions, n)
			c.del(versionKey(a.rec.Name, n))
		}
	}
}

func (a *appState) replaces(to, from uint32) string {
	if a.shown(to) == a.shown(from) {
		return "restarted by command"
	}
	return fmt.Sprintf("version %d replaces version %d", a.shown(to), a.shown(from))
}
