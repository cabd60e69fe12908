package sim

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// simAgent runs tasks, whether the master hears of it or not.
type simAgent struct {
	w          *world
	id         string
	total      []*mesospb.Resource
	tasks      map[string]*agentTask
	cut        bool      // from the master
	dead       bool      // for ever
	refusing   time.Time // tasks, until then
	refusedPod string    // the last one
	// reborn: what was this agent has come back with another id.
	reborn bool
	link   int // counts connections: messages of earlier ones are lost
}

type agentTask struct {
	id        string
	res       []*mesospb.Resource
	state     mesospb.TaskState // what is true
	forwarded mesospb.TaskState // what the master was told last
	queue     []*mesospb.TaskStatus
	retry     int
	killing   bool
	deaf      bool // its executor ignores KILL
}

func (w *world) addAgent(id, res string) *simAgent {
	list, err := resources.Parse(res, resources.Unreserved)
	if err != nil {
		w.fail("%v", err)
	}
	a := &simAgent{w: w, id: id, total: list, tasks: map[string]*agentTask{}}
	w.agents = append(w.agents, a)
	w.master.agents[id] = &registration{agent: a, since: w.now}
	return a
}

// receive delivers a message of the master, in order, unless the link breaks before.
func (a *simAgent) receive(do func()) {
	link := a.link
	a.w.after(2*time.Millisecond, func() {
		if a.link == link && !a.cut && !a.dead {
			do()
		}
	})
}

// launch starts a task. This is where a task that runs twice shows.
func (a *simAgent) launch(id string, res []*mesospb.Resource) {
	if a.tasks[id] != nil {
		a.w.fail("agent %s gets task %s twice", a.id, id)
		return
	}
	a.w.mayRun(id, a)
	t := &agentTask{id: id, res: res, state: mesospb.TaskState_TASK_STAGING, forwarded: mesospb.TaskState_TASK_STAGING}
	a.tasks[id] = t
	if a.refuse(t) {
		return
	}
	w := a.w
	w.after(w.between(time.Millisecond, 300*time.Millisecond), func() { a.become(t, mesospb.TaskState_TASK_STARTING) })
	end := mesospb.TaskState_TASK_RUNNING
	if w.chance(0.1) {
		end = mesospb.TaskState_TASK_FAILED
	}
	w.after(w.between(300*time.Millisecond, 3*time.Second), func() { a.become(t, end) })
	if podOf(id) != id {
		t.deaf = w.chance(0.02)
	}
	switch {
	case w.user.batch(id):
		w.after(w.between(5*time.Second, 60*time.Second), func() { a.become(t, mesospb.TaskState_TASK_FINISHED) })
	case w.chance(0.3):
		w.after(w.between(5*time.Second, 300*time.Second), func() { a.become(t, mesospb.TaskState_TASK_FAILED) })
	}
}

func (a *simAgent) kill(id string) {
	t := a.tasks[id]
	if t == nil || t.killing || terminal(t.state) {
		return
	}
	if t.deaf {
		return
	}
	t.killing = true
	w := a.w
	if w.chance(0.05) {
		t.killing = false // the KILL is lost in the executor: only a repetition helps
		return
	}
	if w.chance(0.5) {
		a.become(t, mesospb.TaskState_TASK_KILLING)
	}
	w.after(w.between(time.Millisecond, 4*time.Second), func() { a.become(t, mesospb.TaskState_TASK_KILLED) })
}

// become changes what a task does, and queues the update.
func (a *simAgent) become(t *agentTask, s mesospb.TaskState) {
	a.becomeFor(t, s, mesospb.TaskStatus_SOURCE_EXECUTOR, nil)
}

func (a *simAgent) becomeFor(t *agentTask, s mesospb.TaskState, source mesospb.TaskStatus_Source, reason *mesospb.TaskStatus_Reason) {
	if a.dead || a.tasks[t.id] != t || terminal(t.state) {
		return
	}
	if t.killing && !terminal(s) && s != mesospb.TaskState_TASK_KILLING {
		return
	}
	t.state = s
	if terminal(s) && s != mesospb.TaskState_TASK_FINISHED {
		a.endPod(t)
	}
	uuid := binary.BigEndian.AppendUint64(make([]byte, 0, 16), a.w.rng.Uint64())
	uuid = binary.BigEndian.AppendUint64(uuid, a.w.rng.Uint64())
	t.queue = append(t.queue, &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &t.id}, AgentId: &mesospb.AgentID{Value: &a.id}, State: &s, Uuid: uuid,
		Source: &source, Reason: reason,
	})
	if len(t.queue) == 1 {
		a.forward(t)
	}
}

// forward sends the head of a task's queue until it is acknowledged.
func (a *simAgent) forward(t *agentTask) {
	if len(t.queue) == 0 || a.dead || a.tasks[t.id] != t {
		return
	}
	t.retry++
	retry := t.retry
	if !a.cut {
		head, link := t.queue[0], a.link
		a.w.after(2*time.Millisecond, func() {
			r := a.w.master.agents[a.id]
			if a.link == link && !a.cut && !a.dead && a.w.master.up && r.state == registered {
				if a.tasks[t.id] == t && len(t.queue) > 0 && t.queue[0] == head {
					t.forwarded = head.GetState()
				}
				a.w.master.forward(head)
			}
		})
	}
	a.w.after(10*time.Second, func() {
		if t.retry == retry {
			a.forward(t)
		}
	})
}

// endPod is what the default executor does when a task of its pod ends: the others go, too. Unless it has trouble; then the engine has to see to that.
func (a *simAgent) endPod(t *agentTask) {
	for _, id := range slices.Sorted(maps.Keys(a.tasks)) {
		if o := a.tasks[id]; o != t && podOf(o.id) == podOf(t.id) && !terminal(o.state) && !a.w.chance(0.5) {
			a.w.after(a.w.between(time.Millisecond, time.Second), func() { a.become(o, mesospb.TaskState_TASK_KILLED) })
		}
	}
}

// shutDown ends the tasks of an executor, whose id begins with that of its first task.
func (a *simAgent) shutDown(executor string) {
	for _, id := range slices.Sorted(maps.Keys(a.tasks)) {
		if t := a.tasks[id]; podOf(id) == podOf(executor) {
			a.w.after(a.w.between(time.Millisecond, 5*time.Second), func() { a.become(t, mesospb.TaskState_TASK_FAILED) })
		}
	}
}

func (a *simAgent) acknowledged(id string, uuid []byte) {
	t := a.tasks[id]
	if t == nil || len(t.queue) == 0 || string(t.queue[0].GetUuid()) != string(uuid) {
		return
	}
	head := t.queue[0]
	t.queue = t.queue[1:]
	if terminal(head.GetState()) {
		delete(a.tasks, id)
		return
	}
	a.forward(t)
}

// partition cuts the agent off for a while.
func (a *simAgent) partition(d time.Duration) {
	if a.cut || a.dead {
		return
	}
	a.w.logf("agent %s is cut off for %v", a.id, d)
	a.cut = true
	a.link++
	a.w.after(d, a.heal)
}

func (a *simAgent) heal() {
	if a.cut && !a.dead {
		a.cut = false
		a.reregister(a.w.between(0, 2*time.Second))
	}
}

func (a *simAgent) reregister(d time.Duration) {
	a.w.after(d, func() {
		if a.cut || a.dead {
			return
		}
		if !a.w.master.reregistered(a) {
			a.reregister(time.Second)
			return
		}
		for _, id := range slices.Sorted(maps.Keys(a.tasks)) {
			a.forward(a.tasks[id])
		}
	})
}

// die ends the agent with everything on it. Later the operator says so.
func (a *simAgent) die() {
	if a.dead {
		return
	}
	a.w.logf("agent %s dies", a.id)
	a.dead, a.cut = true, true
	a.link++
	clear(a.tasks)
	a.w.after(a.w.between(30*time.Second, 300*time.Second), func() { a.w.master.declareGone(a.id) })
}

// detached: the engine has given up on a task, which needs its agent to have been away for as long as the application prescribes.
func (w *world) detached(task, agent string) {
	r := w.master.agents[agent]
	patience := w.user.patience(instanceOf(task))
	switch {
	case patience == 1: // by command
	case patience != 0 && r.lost.Before(w.deceived):
	case r.agent.reborn:
	case patience == 0, r.lost.IsZero() && w.now.Sub(r.back) > late, !r.lost.IsZero() && w.now.Sub(r.lost) < patience:
		w.fail("task %s on %s, away since %v, is given up", task, agent, r.lost)
	}
	w.replaced[task] = true
}

// mayRun checks that nothing else runs for the instance of a task that is being started.
func (w *world) mayRun(id string, at *simAgent) {
	inst := w.keyOf(id, at)
	for _, a := range w.agents {
		for _, other := range a.tasks {
			if terminal(other.state) || podOf(other.id) == podOf(id) || w.keyOf(other.id, a) != inst {
				continue
			}
			if w.replaced[podOf(other.id)] {
				continue // it has had its time: it may come back, and must be killed then
			}
			w.fail("%s is started while %s runs on %s", id, other.id, a.id)
		}
	}
}
