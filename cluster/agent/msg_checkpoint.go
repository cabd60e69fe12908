package agent

// Checkpoint: the agent keeps its resources as they are after operations that the master applied. Directories
// of volumes that came are made, those of volumes that went are removed, with all that is in them. Of a MOUNT disk only what is in it is
// removed: the directory is a mount point, and somebody else's.

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func (a *Agent) onCheckpoint(m link.Checkpoint) {
	before, after := a.volumeDirs(a.total), a.volumeDirs(m.Total)
	a.total = m.Total
	a.saveNow()
	for dir := range after {
		if _, had := before[dir]; !had {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				a.log.Error("cannot make a volume", "directory", dir, "error", err)
			}
		}
	}
	for dir, mount := range before {
		if _, has := after[dir]; !has {
			a.async(func() func() {
				if err := removeVolume(dir, mount); err != nil {
					a.log.Error("cannot remove a volume", "directory", dir, "error", err)
				}
				return nil
			})
		}
	}
}

// removeVolume runs beside the loop.
func removeVolume(dir string, mount bool) error {
	if !mount {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// volumeDirs returns the directories of the persistent volumes among resources, and which of them are MOUNT disks.
func (a *Agent) volumeDirs(list []*mesospb.Resource) map[string]bool {
	dirs := map[string]bool{}
	for _, r := range list {
		if resources.IsPersistentVolume(r) {
			if dir := a.volumeDir(r); dir != "" {
				dirs[dir] = r.GetDisk().GetSource().GetType() == mesospb.Resource_DiskInfo_Source_MOUNT
			}
		}
	}
	return dirs
}
