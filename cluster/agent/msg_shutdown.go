package agent

// ShutdownExecutor, ShutdownFramework and Shutdown:
//
//   - An executor gets SHUTDOWN and the grace period to end; see executor.go.
//   - A framework that was removed: the same for all of its executors. Their statuses no longer
//     go to the master, and the streams are dropped.
//   - The agent itself: it was removed. It ends with all that it runs.

import "github.com/mesokit/mesokit/cluster/internal/link"

func (a *Agent) onShutdownExecutor(m link.ShutdownExecutor) {
	f := a.frameworks[m.FrameworkID]
	if f == nil || f.terminating {
		return
	}
	if e := f.executors[m.ExecutorID]; e != nil {
		a.shutdownExecutor(e)
	}
}

func (a *Agent) onShutdownFramework(m link.ShutdownFramework) {
	a.forgetOperationsOf(m.FrameworkID)
	f := a.frameworks[m.FrameworkID]
	if f == nil {
		a.dropStreams(m.FrameworkID)
		return
	}
	if f.terminating {
		return
	}
	f.terminating = true
	a.dropStreams(f.id())
	for _, e := range sorted(f.executors) {
		a.shutdownExecutor(e)
		a.forgetExecutorIfDone(e)
	}
	a.forgetFrameworkIfIdle(f)
}

func (a *Agent) onShutdown(m link.Shutdown) {
	a.log.Warn("the master shuts the agent down", "message", m.Message)
	a.leaves = true
	a.end(false)
}
