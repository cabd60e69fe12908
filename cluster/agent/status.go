package agent

// Status updates: how what executors say, and what the agent finds out, becomes known.
//
//   - The agent sets source, agent_id, a missing timestamp, and container_status: the container's id,
//     its network (the agent's address) and the pid of its process. Statuses of its own making
//     have no container_status.
//   - An update is stored in the stream of its task (status_stream.go); then the executor is told
//     ACKNOWLEDGED, before the scheduler is even asked.
//   - A repeated update, known by its uuid, is acknowledged again and not sent again.
//   - What comes after a terminal status is acknowledged and discarded.
//   - Updates for tasks that the agent does not know go to the scheduler; an executor that is
//     connected by HTTP is not told ACKNOWLEDGED.
//   - When the framework was removed, updates are ignored.
//   - While the agent drains, KILLING and KILLED carry REASON_AGENT_DRAINING; with mark_gone
//     KILLED becomes GONE_BY_OPERATOR for frameworks that know the state.

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// newUUID returns a random UUID. It is called on the loop.
func (a *Agent) newUUID() (u uuid.UUID) {
	binary.LittleEndian.PutUint64(u[:8], a.rng.Uint64())
	binary.LittleEndian.PutUint64(u[8:], a.rng.Uint64())
	u[6] = u[6]&0x0f | 0x40 // version 4
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 4122
	return u
}

// statusUUID returns the bytes of a new UUID.
func (a *Agent) statusUUID() []byte {
	u := a.newUUID()
	return u[:]
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

// executorUpdate takes a status from an executor. The status is the agent's from now on.
func (a *Agent) executorUpdate(e *executor, status *mesospb.TaskStatus) {
	f := e.framework
	if f.terminating {
		a.counts.invalidUpdates++
		return
	}
	tid := status.GetTaskId().GetValue()
	t := e.tasks[tid]
	known := t != nil || e.hasCompleted(tid)
	key := streamKey{f.id(), tid}
	switch s := a.streams[key]; {
	case s != nil && s.seen.has(status.GetUuid()):
		e.acknowledge(status) // sent again by an executor that reconnected
		return
	case s != nil && s.terminal, t != nil && !t.live(), t == nil && known:
		e.acknowledge(status)
		return
	}
	status.Source = mesospb.TaskStatus_SOURCE_EXECUTOR.Enum()
	status.AgentId = a.info.GetId()
	if status.Timestamp == nil {
		status.Timestamp = proto.Float64(now())
	}
	a.fillContainerStatus(e, status)
	a.markDraining(f, status)
	a.counts.validUpdates++
	if t != nil {
		a.setTaskState(t, status)
	}
	a.store(key, e.id(), status)
	if known {
		e.acknowledge(status)
	}
}

// agentUpdate makes a status of the agent's own for a task, which it need not know.
func (a *Agent) agentUpdate(frameworkID, executorID, taskID string, state mesospb.TaskState, reason mesospb.TaskStatus_Reason, message string) {
	a.agentStatus(frameworkID, executorID, &mesospb.TaskStatus{
		TaskId:  &mesospb.TaskID{Value: proto.String(taskID)},
		State:   state.Enum(),
		Reason:  reason.Enum(),
		Message: proto.String(message),
	})
}

// agentStatus completes a status of the agent's own and stores it.
func (a *Agent) agentStatus(frameworkID, executorID string, status *mesospb.TaskStatus) {
	f := a.frameworks[frameworkID]
	if f != nil && f.terminating {
		return
	}
	key := streamKey{frameworkID, status.GetTaskId().GetValue()}
	if s := a.streams[key]; s != nil && s.terminal {
		return
	}
	status.Source = mesospb.TaskStatus_SOURCE_AGENT.Enum()
	status.AgentId = a.info.GetId()
	status.Timestamp = proto.Float64(now())
	status.Uuid = a.statusUUID()
	if executorID != "" {
		status.ExecutorId = &mesospb.ExecutorID{Value: proto.String(executorID)}
	}
	if f != nil {
		if t := f.tasks[key.task]; t != nil {
			a.setTaskState(t, status)
		}
	}
	a.store(key, executorID, status)
}

// fillContainerStatus says where the task runs, beside what the executor says of it.
func (a *Agent) fillContainerStatus(e *executor, status *mesospb.TaskStatus) {
	cs := status.GetContainerStatus()
	if cs == nil {
		cs = &mesospb.ContainerStatus{}
		status.ContainerStatus = cs
	}
	if cs.GetContainerId() == nil {
		cs.ContainerId = e.containerID
	}
	c := a.containers[containerKey(cs.GetContainerId())]
	if c == nil || c.nested() && c.ended {
		return // Mesos has forgotten a nested container by now
	}
	if len(cs.GetNetworkInfos()) == 0 {
		cs.NetworkInfos = a.networkInfos()
	}
	if cs.ExecutorPid == nil && c.pid != 0 {
		cs.ExecutorPid = proto.Uint32(uint32(c.pid))
	}
}

// networkInfos says that containers have the agent's address. It is shared by all statuses, and never changed.
func (a *Agent) networkInfos() []*mesospb.NetworkInfo { return a.networks }

// setTaskState records a status in the task, and moves a task that has ended on.
func (a *Agent) setTaskState(t *task, status *mesospb.TaskStatus) {
	t.wire.State = status.State
	if n := len(t.wire.Statuses); n > 0 && t.wire.Statuses[n-1].GetState() == status.GetState() {
		t.wire.Statuses = t.wire.Statuses[:n-1] // health checks must not fill the memory
	}
	t.wire.Statuses = append(t.wire.Statuses, status)
	if t.live() && isTerminal(status.GetState()) {
		t.stage = taskTerminated
		a.counts.ended(status.GetState())
	}
}

// acknowledge tells the executor that the agent keeps a status.
func (e *executor) acknowledge(status *mesospb.TaskStatus) {
	e.tell(&executorpb.Event{
		Type:         executorpb.Event_ACKNOWLEDGED.Enum(),
		Acknowledged: &executorpb.Event_Acknowledged{TaskId: status.GetTaskId(), Uuid: status.GetUuid()},
	})
}

// tell sends an event to the executor if it is connected.
func (e *executor) tell(event *executorpb.Event) {
	if e.peer != nil {
		e.peer.send(event)
	}
}
