package master

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// The operator event stream (docs/behaviour.md#operator-api): SUBSCRIBED with the state of the cluster, HEARTBEAT, then what changes. Beyond
// 1000 subscribers the oldest is closed.

// subscriber is a client of the operator event stream.
type subscriber struct {
	stream *httpapi.Stream
	timer  *loop.Timer
	since  int
	caller caller // who it is, and may see what
}

const maxSubscribers = 1000

func (s *subscriber) close() {
	s.timer.Stop()
	s.stream.Close()
}

var operatorHeartbeat = &masterpb.Event{Type: masterpb.Event_HEARTBEAT.Enum()}

// serveSubscribeOperator opens the stream and writes it until it ends.
func (m *Master) serveSubscribeOperator(w http.ResponseWriter, r *http.Request, cd codec.Codec) {
	s := &subscriber{stream: httpapi.NewStream(cd), caller: caller{remote: true, principal: auth.FromContext(r.Context()), protobuf: isProtobuf(cd)}}
	drop := func() {
		if _, ok := m.subscribers[s]; ok {
			delete(m.subscribers, s)
			s.close()
		}
	}
	err := m.doLeading(r.Context(), func() {
		m.metrics.subscribed++
		s.since = m.metrics.subscribed
		m.subscribers[s] = struct{}{}
		if len(m.subscribers) > maxSubscribers {
			var oldest *subscriber
			for o := range m.subscribers {
				if oldest == nil || o.since < oldest.since {
					oldest = o
				}
			}
			delete(m.subscribers, oldest)
			oldest.close()
		}
		m.as(s.caller, func() {
			s.stream.Send(&masterpb.Event{Type: masterpb.Event_SUBSCRIBED.Enum(), Subscribed: &masterpb.Event_Subscribed{
				GetState: m.getState(), HeartbeatIntervalSeconds: proto.Float64(m.cfg.HeartbeatInterval.Seconds()),
			}})
		})
		m.beatOperator(s)
	})
	if err != nil {
		m.loop.Post(drop)
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
		return
	}
	s.stream.ServeAs(r.Context(), w, httpapi.StreamInfo{API: "operator"})
	m.loop.Enter("end of "+loop.Key(r.Context()), drop)
}

func (m *Master) beatOperator(s *subscriber) {
	if _, ok := m.subscribers[s]; !ok {
		return
	}
	s.stream.Send(operatorHeartbeat)
	s.timer = m.loop.After(m.cfg.HeartbeatInterval, func() { m.beatOperator(s) })
}

// publish sends an event to all subscribers who may see what it is about; it is made only if there are any.
func (m *Master) publish(seen func() bool, event func() *masterpb.Event) {
	if len(m.subscribers) == 0 {
		return
	}
	var e *masterpb.Event
	m.as(caller{}, func() { e = event() })
	for s := range m.subscribers {
		ok := m.cfg.Authorizer == nil
		if !ok {
			m.as(s.caller, func() { ok = seen() })
		}
		if ok {
			s.stream.Send(e)
		}
	}
}

// everybody may see agents.
func everybody() bool { return true }

func (m *Master) publishTaskAdded(t *task) {
	m.publish(func() bool { return m.seesTask(t) }, func() *masterpb.Event {
		return &masterpb.Event{Type: masterpb.Event_TASK_ADDED.Enum(), TaskAdded: &masterpb.Event_TaskAdded{Task: t.pb()}}
	})
}

func (m *Master) publishTaskUpdated(t *task, s *mesospb.TaskStatus) {
	m.publish(func() bool { return m.seesTask(t) }, func() *masterpb.Event {
		return &masterpb.Event{Type: masterpb.Event_TASK_UPDATED.Enum(), TaskUpdated: &masterpb.Event_TaskUpdated{
			FrameworkId: &mesospb.FrameworkID{Value: &t.framework.id}, Status: s, State: t.state.Enum(),
		}}
	})
}

func (m *Master) publishFrameworkAdded(f *framework) {
	m.publish(func() bool { return m.sees(f) }, func() *masterpb.Event {
		return &masterpb.Event{Type: masterpb.Event_FRAMEWORK_ADDED.Enum(), FrameworkAdded: &masterpb.Event_FrameworkAdded{Framework: m.frameworkPB(f, nil)}}
	})
}

func (m *Master) publishFrameworkUpdated(f *framework) {
	m.publish(func() bool { return m.sees(f) }, func() *masterpb.Event {
		return &masterpb.Event{Type: masterpb.Event_FRAMEWORK_UPDATED.Enum(), FrameworkUpdated: &masterpb.Event_FrameworkUpdated{Framework: m.frameworkPB(f, m.usedBy(f.id))}}
	})
}

func (m *Master) publishFrameworkRemoved(f *framework) {
	m.publish(func() bool { return m.sees(f) }, func() *masterpb.Event {
		return &masterpb.Event{Type: masterpb.Event_FRAMEWORK_REMOVED.Enum(), FrameworkRemoved: &masterpb.Event_FrameworkRemoved{FrameworkInfo: f.info}}
	})
}

func (m *Master) publishAgentAdded(a *agent) {
	m.publish(everybody, func() *masterpb.Event {
		return &masterpb.Event{Type: masterpb.Event_AGENT_ADDED.Enum(), AgentAdded: &masterpb.Event_AgentAdded{Agent: m.agentPB(a)}}
	})
}

func (m *Master) publishAgentRemoved(a *agent) {
	m.publish(everybody, func() *masterpb.Event {
		return &masterpb.Event{Type: masterpb.Event_AGENT_REMOVED.Enum(), AgentRemoved: &masterpb.Event_AgentRemoved{AgentId: a.info.Id}}
	})
}

// uptime is how long the master has run.
func (m *Master) uptime() time.Duration { return time.Since(m.started) }
