package agent

// Checkpoint: the agent keeps its resources as they are after operations that the master applied. Directories
// of volumes that came are made, those of volumes that went are removed, with all that is in them.

import (
	"os"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func (a *Agent) onCheckpoint(m link.Checkpoint) {
	before, after := a.volumeDirs(a.total), a.volumeDirs(m.Total)
	a.total = m.Total
	a.saveNow()
	for dir := range after {
		if !before[dir] {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				a.log.Error("cannot make a volume", "directory", dir, "error", err)
			}
		}
	}
	for dir := range before {
		if !after[dir] {
			a.async(func() func() {
				if err := os.RemoveAll(dir); err != nil {
					a.log.Error("cannot remove a volume", "directory", dir, "error", err)
				}
				return nil
			})
		}
	}
}

// volumeDirs returns the directories of the persistent volumes among resources.
func (a *Agent) volumeDirs(list []*mesospb.Resource) map[string]bool {
	dirs := map[string]bool{}
	for _, r := range list {
		if resources.IsPersistentVolume(r) {
			if dir := a.volumeDir(r); dir != "" {
				dirs[dir] = true
			}
		}
	}
	return dirs
}
