package agent

// What an agent writes down, and how it goes on from there (docs/behaviour.md#task-states, #executors):
//
//   - Its id, its resources with reservations and volumes, and of frameworks that checkpoint executors, tasks and
//     statuses that are not acknowledged. The id and resources are on the disk before anybody else can act on them; tasks
//     follow within moments: who loses these has lost the executors too.
//   - An agent that finds such a file reregisters under the old id with all of it. Executors do not outlive the process, in
//     contrast to Mesos: as there, with executors that ended while their agent was away, live tasks are FAILED, EXECUTOR_TERMINATED,
//     and no FAILURE is sent.
//   - Dynamic reservations and volumes are made again from the resources that the agent is now configured with. If these
//     do not have room for them the agent does not start.
//   - An agent that leaves for good (it unregisters, or its master removes or refuses it) leaves its resources behind, without its id: who
//     starts there next joins as a new agent with the reservations and volumes. If it is refused when it comes back, it does that at
//     once: Mesos' agents do so at their next start.

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/statefile"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// saveDelay is how long changes of tasks gather before they are written down.
const saveDelay = 20 * time.Millisecond

var checkpointKind = statefile.Kind{
	Name: "mesokit agent", Version: 1,
	Loss: "the agent joins as a new one, without its reservations and volumes, and the old one becomes unreachable",
}

// What the file holds; see package statefile for what is around it.
type (
	checkpoint struct {
		ID         string                `json:"id,omitempty"` // none once the agent has left
		Resources  []resourceMessage     `json:"resources"`
		Frameworks []frameworkCheckpoint `json:"frameworks,omitempty"`
		Operations []operationMessage    `json:"operations,omitempty"` // not acknowledged
	}

	frameworkCheckpoint struct {
		Info      frameworkMessage     `json:"info"`
		Executors []executorCheckpoint `json:"executors,omitempty"`
		Updates   []updateCheckpoint   `json:"updates,omitempty"` // not acknowledged, in order
	}

	executorCheckpoint struct {
		Info      executorMessage  `json:"info"`
		Kind      string           `json:"kind"`
		Container string           `json:"container_id"`
		Tasks     []taskCheckpoint `json:"tasks,omitempty"`
	}

	taskCheckpoint struct {
		Info taskInfoMessage `json:"info"`
		Task taskMessage     `json:"task"`
	}

	updateCheckpoint struct {
		Executor string        `json:"executor_id,omitempty"`
		Status   statusMessage `json:"status"`
	}

	resourceMessage  = statefile.Message[mesospb.Resource, *mesospb.Resource]
	frameworkMessage = statefile.Message[mesospb.FrameworkInfo, *mesospb.FrameworkInfo]
	executorMessage  = statefile.Message[mesospb.ExecutorInfo, *mesospb.ExecutorInfo]
	taskInfoMessage  = statefile.Message[mesospb.TaskInfo, *mesospb.TaskInfo]
	taskMessage      = statefile.Message[mesospb.Task, *mesospb.Task]
	operationMessage = statefile.Message[mesospb.Operation, *mesospb.Operation]
	statusMessage    = statefile.Message[mesospb.TaskStatus, *mesospb.TaskStatus]
)

var kindNames = map[executorKind]string{commandKind: "command", defaultKind: "default", customKind: "custom"}

// snapshot collects what is to be written down. Nothing in it changes later.
func (a *Agent) snapshot() *checkpoint {
	c := &checkpoint{ID: a.info.GetId().GetValue()}
	for _, r := range a.total {
		c.Resources = append(c.Resources, resourceMessage{M: r})
	}
	if a.leaves {
		c.ID = ""
		return c
	}
	var streams []*stream
	for _, s := range a.streams {
		streams = append(streams, s)
	}
	sortByOrder(streams)
	for _, f := range sorted(a.frameworks) {
		if !f.info.GetCheckpoint() || f.terminating {
			continue
		}
		fc := frameworkCheckpoint{Info: frameworkMessage{M: f.info}}
		for _, e := range sorted(f.executors) {
			ec := executorCheckpoint{Info: executorMessage{M: e.info}, Kind: kindNames[e.kind], Container: e.containerID.GetValue()}
			for _, t := range sorted(e.tasks) {
				ec.Tasks = append(ec.Tasks, taskCheckpoint{taskInfoMessage{M: t.info}, taskMessage{M: proto.CloneOf(t.wire)}})
			}
			fc.Executors = append(fc.Executors, ec)
		}
		for _, s := range streams {
			if s.key.framework != f.id() {
				continue
			}
			for _, q := range s.queue {
				fc.Updates = append(fc.Updates, updateCheckpoint{q.executor, statusMessage{M: q.status}})
			}
		}
		c.Frameworks = append(c.Frameworks, fc)
	}
	for _, o := range a.operations {
		c.Operations = append(c.Operations, operationMessage{M: o})
	}
	return c
}

// changed has tasks and statuses written down soon.
func (a *Agent) changed() {
	if a.keeper == nil || a.closing || a.saving {
		return
	}
	a.saving = true
	a.loop.After(saveDelay, func() {
		a.saving = false
		if !a.closing {
			a.save()
		}
	})
}

// save has everything written down.
func (a *Agent) save() {
	if a.keeper != nil && a.info.GetId() != nil {
		c := a.snapshot()
		a.keeper.Put(func() any { return c })
	}
}

// saveNow waits until everything is written down. Failures are logged by the keeper.
func (a *Agent) saveNow() {
	if a.keeper != nil {
		a.save()
		_ = a.keeper.Sync()
	}
}

// closeCheckpoint ends the writing.
func (a *Agent) closeCheckpoint() error {
	if a.keeper == nil {
		return nil
	}
	return a.keeper.Close()
}

// restore takes over what the agent before this one left, or else reads the checkpoint, if there is one. It is called by New, when the
// agent knows what it is configured with.
func (a *Agent) restore() (err error) {
	before := a.cfg.Before
	taken := before != nil
	if taken {
		<-before.done
		a.cfg.Before = nil // it is not needed any more
		if a.total, err = reserved(a.total, before.total); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	if a.cfg.Checkpoint == "" {
		return nil
	}
	var c checkpoint
	found, err := checkpointKind.Read(a.cfg.Checkpoint, &c)
	if err == nil && found && !taken { // else it is what has been taken over
		if err = a.recover(&c); err != nil {
			if _, typed := errors.AsType[*statefile.Error](err); !typed {
				err = checkpointKind.Unusable(a.cfg.Checkpoint, err)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	a.keeper = statefile.NewKeeper(checkpointKind, a.cfg.Checkpoint, a.log)
	return nil
}

// recover goes on from a checkpoint. Its errors name the place.
func (a *Agent) recover(c *checkpoint) error {
	var kept []*mesospb.Resource
	for _, r := range c.Resources {
		kept = append(kept, r.M)
	}
	if err := resources.Validate(kept); err != nil {
		return fmt.Errorf("resources: %w", err)
	}
	total, err := reserved(a.total, kept)
	if err != nil {
		return &statefile.Error{Path: a.cfg.Checkpoint, Err: err,
			Advice: "configure the agent with at least the resources that it had, or move the file away: then " + checkpointKind.Loss}
	}
	a.total = total
	if c.ID == "" {
		if len(c.Frameworks)+len(c.Operations) > 0 {
			return errors.New("there is no agent id")
		}
		return nil
	}
	a.info = proto.CloneOf(a.info)
	a.info.Id = &mesospb.AgentID{Value: &c.ID}
	for i, fc := range c.Frameworks {
		if err := a.recoverFramework(fc); err != nil {
			return fmt.Errorf("frameworks[%d]: %w", i, err)
		}
	}
	for i, o := range c.Operations {
		if len(o.M.GetUuid().GetValue()) != 16 {
			return fmt.Errorf("operations[%d]: an operation needs a uuid of 16 bytes", i)
		}
		a.operations = append(a.operations, o.M)
	}
	return nil
}

func (a *Agent) recoverFramework(fc frameworkCheckpoint) error {
	id := fc.Info.M.GetId().GetValue()
	if id == "" || a.frameworks[id] != nil {
		return fmt.Errorf("id %q is missing or occurs twice", id)
	}
	f := a.frameworkFor(fc.Info.M)
	for i, ec := range fc.Executors {
		kind := executorKind(-1)
		for k, name := range kindNames {
			if name == ec.Kind {
				kind = k
			}
		}
		eid := ec.Info.M.GetExecutorId().GetValue()
		if kind < 0 || eid == "" || f.executors[eid] != nil || ec.Container == "" {
			return fmt.Errorf("executors[%d]: id %q, kind %q and container %q make no sense together", i, eid, ec.Kind, ec.Container)
		}
		e := a.addExecutor(f, ec.Info.M, kind)
		e.containerID = &mesospb.ContainerID{Value: proto.String(ec.Container)}
		e.dir = a.executorDir(id, eid, ec.Container)
		e.state, e.everSent, e.sandboxed = executorTerminated, true, true
		for k, tc := range ec.Tasks {
			tid := tc.Info.M.GetTaskId().GetValue()
			if tid == "" || f.tasks[tid] != nil || tc.Task.M.GetTaskId().GetValue() != tid {
				return fmt.Errorf("executors[%d].tasks[%d]: id %q is missing, occurs twice or is that of another task", i, k, tid)
			}
			t := a.newTask(e, tc.Info.M, nil)
			t.wire, t.stage = tc.Task.M, taskLaunched
			if isTerminal(t.wire.GetState()) {
				t.stage = taskTerminated
			}
		}
	}
	for i, u := range fc.Updates {
		s := u.Status.M
		if s.GetTaskId().GetValue() == "" || len(s.GetUuid()) != 16 {
			return fmt.Errorf("updates[%d]: a status needs the id of a task and a uuid of 16 bytes", i)
		}
		a.store(streamKey{id, s.GetTaskId().GetValue()}, u.Executor, s)
	}
	return nil
}

// reviveRecovered shows what recovered executors left, and reports the end of their tasks. It runs on the loop, before the agent
// has a master.
func (a *Agent) reviveRecovered() {
	for _, f := range sorted(a.frameworks) {
		for _, e := range sorted(f.executors) {
			a.files.Attach(e.dir, e.dir)
			a.files.Attach(e.dir, virtualPath(e))
			for _, t := range sorted(e.tasks) {
				if t.live() {
					a.agentStatus(f.id(), e.id(), &mesospb.TaskStatus{
						TaskId:  t.info.GetTaskId(),
						State:   mesospb.TaskState_TASK_FAILED.Enum(),
						Reason:  mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED.Enum(),
						Message: proto.String("Executor terminated: the process of the agent, with which it lived, has ended"),
					})
				}
			}
			a.forgetExecutorIfDone(e)
		}
		a.forgetFrameworkIfIdle(f)
	}
}

// rejoinAsNew forgets what was recovered but for its resources, as the master does not want the agent of that id.
func (a *Agent) rejoinAsNew(why string) {
	a.log.Warn("the master refused the agent that this one was; it joins as a new one", "agent", a.info.GetId().GetValue(), "message", why)
	a.stopStreams()
	clear(a.frameworks)
	clear(a.streams)
	a.operations = nil
	a.info = proto.CloneOf(a.info)
	a.info.Id = nil
	a.register()
}

// reserved returns base with the dynamic reservations and persistent volumes among kept.
func reserved(base, kept []*mesospb.Resource) ([]*mesospb.Resource, error) {
	var made, from []*mesospb.Resource
	for _, r := range kept {
		if !resources.IsDynamicallyReserved(r) && !resources.IsPersistentVolume(r) {
			continue
		}
		made = append(made, r)
		source := resources.Clone(r)
		if d := source.GetDisk(); d != nil {
			d.Persistence, d.Volume = nil, nil
			if d.Source == nil {
				source.Disk = nil
			}
		}
		source.Shared = nil
		for resources.IsDynamicallyReserved(source) {
			source = resources.PopReservation([]*mesospb.Resource{source})[0]
		}
		from = append(from, source)
	}
	if len(made) == 0 {
		return base, nil
	}
	from = resources.Sum(from)
	if !resources.Contains(base, from) {
		return nil, fmt.Errorf("%s is reserved, but the agent has only %s", resources.Describe(from), resources.Describe(base))
	}
	return resources.Sum(resources.Subtract(base, from), slices.Clip(made)), nil
}
