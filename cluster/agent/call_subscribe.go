package agent

// SUBSCRIBE of an executor: docs/behaviour.md#executors.
//
//   - The events are sent on the stream of the response. A stream that it had before is closed.
//   - If the executor or its framework is ending: SHUTDOWN, and the stream is closed. So too if
//     no task was ever sent to it and none is queued.
//   - Otherwise SUBSCRIBED, then the updates that it says are unacknowledged are taken as new (known ones are
//     acknowledged again), then tasks that were handed to it, are still staging and are not among
//     its unacknowledged tasks are lost: DROPPED (or LOST), AGENT_RESTARTED. Then queued tasks.
//   - HEARTBEAT follows every 30 minutes.
//   - When the stream breaks nothing else changes; events that occur meanwhile are lost.

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// httpPeer is an executor that has subscribed by HTTP.
type httpPeer struct{ stream *httpapi.Stream }

func (p httpPeer) send(event *executorpb.Event) { p.stream.Send(event) }
func (p httpPeer) leave()                       { p.stream.Close() }

// callSubscribe runs on the loop. Nothing is sent on the stream if it returns a problem.
func (a *Agent) callSubscribe(call *executorpb.Call, stream *httpapi.Stream, by *auth.Principal) *problem {
	e, p := a.findExecutor(call)
	if p == nil {
		p = checkClaims(by, e)
	}
	if p != nil {
		return p
	}
	if e.kind != customKind {
		return &problem{http.StatusForbidden, "The executor is built into the agent"}
	}
	if e.peer != nil {
		e.peer.leave()
		e.peer = nil
	}
	ending := e.framework.terminating || e.state == executorTerminating || e.state == executorTerminated
	if ending || !e.everSent && !e.hasQueued() {
		stream.Send(&executorpb.Event{Type: executorpb.Event_SHUTDOWN.Enum()})
		stream.Close()
		if !ending {
			a.shutdownExecutor(e)
		}
		return nil
	}
	e.peer = httpPeer{stream}
	e.state = executorRunning
	a.beat(e)
	e.tell(&executorpb.Event{
		Type: executorpb.Event_SUBSCRIBED.Enum(),
		Subscribed: &executorpb.Event_Subscribed{
			ExecutorInfo:  e.info,
			FrameworkInfo: e.framework.info,
			AgentInfo:     a.info,
			ContainerId:   e.containerID,
		},
	})
	a.resume(e, call.GetSubscribe())
	a.executorRegistered(e)
	return nil
}

// resume takes in what the executor still holds.
func (a *Agent) resume(e *executor, s *executorpb.Call_Subscribe) {
	for _, u := range s.GetUnacknowledgedUpdates() {
		a.executorUpdate(e, proto.CloneOf(u.GetStatus()))
	}
	has := map[string]bool{}
	for _, t := range s.GetUnacknowledgedTasks() {
		has[t.GetTaskId().GetValue()] = true
	}
	for _, t := range sorted(e.tasks) {
		if t.stage == taskLaunched && t.wire.GetState() == mesospb.TaskState_TASK_STAGING && !has[t.id()] {
			a.agentUpdate(e.framework.id(), e.id(), t.id(), e.framework.lost(),
				mesospb.TaskStatus_REASON_AGENT_RESTARTED, "Task launched during agent restart")
		}
	}
}

func (e *executor) hasQueued() bool {
	for _, t := range e.tasks {
		if t.stage == taskQueued {
			return true
		}
	}
	return false
}

// beat sends HEARTBEAT events from now on.
func (a *Agent) beat(e *executor) {
	e.heartbeat.Stop()
	e.heartbeat = a.loop.After(ExecutorHeartbeatInterval, func() {
		e.tell(&executorpb.Event{Type: executorpb.Event_HEARTBEAT.Enum()})
		a.beat(e)
	})
}

// streamEnded forgets a stream that has ended, unless another has taken its place.
func (a *Agent) streamEnded(call *executorpb.Call, stream *httpapi.Stream) {
	e, p := a.findExecutor(call)
	if p != nil {
		return
	}
	if e.peer == (httpPeer{stream}) {
		e.peer = nil
		e.heartbeat.Stop()
	}
}
