package agent

// Garbage collection of sandboxes: GCDelay after an executor has ended, and its tasks are acknowledged, its sandbox is
// removed and served no more. A mesos-agent also looks at how full the disk is.

import (
	"os"
	"path/filepath"
)

// collectLater has the sandbox of an executor that has ended removed in time.
func (a *Agent) collectLater(e *executor) {
	if e.sandboxed && a.cfg.WorkDir != "" {
		dir := e.dir // and not the executor, which is forgotten long before
		a.loop.After(a.cfg.GCDelay, func() { a.collect(dir) })
	}
}

// collect removes a sandbox.
func (a *Agent) collect(dir string) {
	if a.closing {
		return
	}
	a.files.DetachTree(dir)
	a.async(func() func() {
		if err := os.RemoveAll(dir); err != nil {
			a.log.Error("cannot remove a sandbox", "directory", dir, "error", err)
			return nil
		}
		runs := filepath.Dir(dir)
		latest := filepath.Join(runs, "latest")
		if target, err := os.Readlink(latest); err == nil && target == dir {
			_ = os.Remove(latest)
		}
		// What is empty then goes too, up to the agent's own directory: runs, the executor, executors, the framework.
		for range 4 {
			if os.Remove(runs) != nil {
				break
			}
			runs = filepath.Dir(runs)
		}
		return nil
	})
}
