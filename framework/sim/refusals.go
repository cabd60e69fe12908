package sim

import (
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// mostRefused bounds how often one instance may be launched on one agent that refuses it, within a minute: an engine that does not back off does so
// every few milliseconds.
const mostRefused = 15

// refuseTasks has agents refuse tasks for a while, though they are offered: as those do that were drained while an executor lives on.
func (w *world) refuseTasks(at func(func())) {
	for range 3 {
		a, d := w.agents[w.rng.IntN(len(w.agents))], w.between(10*time.Second, 4*time.Minute)
		at(func() {
			w.logf("agent %s refuses tasks for %v", a.id, d)
			a.refusing = w.now.Add(d)
		})
	}
}

// refuse drops a task that comes, and reports whether it did.
func (a *simAgent) refuse(t *agentTask) bool {
	w := a.w
	if w.calm || !w.now.Before(a.refusing) {
		return false
	}
	key := refusedLaunch{instanceOf(t.id), a.id}
	times := w.refused[key]
	if pod := podOf(t.id); pod == t.id || pod != a.refusedPod { // a pod is refused once
		times = append(times, w.now)
		a.refusedPod = pod
	}
	for len(times) > 0 && w.now.Sub(times[0]) > time.Minute {
		times = times[1:]
	}
	if w.refused[key] = times; len(times) > mostRefused {
		w.fail("%s was launched %d times within a minute on %s, which refuses it", key.instance, len(times), a.id)
	}
	a.becomeFor(t, mesospb.TaskState_TASK_DROPPED, mesospb.TaskStatus_SOURCE_AGENT, mesospb.TaskStatus_REASON_AGENT_DRAINING.Enum())
	return true
}

type refusedLaunch struct{ instance, agent string }
