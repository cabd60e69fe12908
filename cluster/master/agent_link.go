package master

import (
	"fmt"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// agentLink is the master's side of a connection with an agent.
type agentLink struct {
	m     *Master
	end   *link.End // set before anything arrives
	agent *agent    // whom it belongs to; nil until it has registered
}

// Connect opens a connection for an agent. Any goroutine may call it.
func (m *Master) Connect(agent link.Handler) (*link.End, error) {
	if !m.leads() {
		return nil, link.ErrNotLeading
	}
	l := &agentLink{m: m}
	mine, theirs := link.Pipe(l, agent)
	l.end = mine
	if !m.loop.Post(func() {
		if m.leads() {
			m.links[l] = struct{}{}
		} else {
			mine.Close()
		}
	}) {
		return nil, link.ErrNotLeading
	}
	return theirs, nil
}

// Receive queues a message of the agent.
func (l *agentLink) Receive(_ *link.End, msg link.Message) {
	l.m.loop.Post(func() {
		if _, open := l.m.links[l]; open {
			l.m.receive(l, msg)
		}
	})
}

// Closed queues the end of the connection.
func (l *agentLink) Closed(*link.End) {
	l.m.loop.Post(func() {
		if _, open := l.m.links[l]; !open {
			return
		}
		delete(l.m.links, l)
		if a := l.agent; a != nil && a.link == l {
			l.m.agentDisconnected(a)
		}
	})
}

// receive handles a message. All but the first two come from registered agents.
func (m *Master) receive(l *agentLink, msg link.Message) {
	switch msg := msg.(type) {
	case link.Register:
		m.register(l, msg)
		return
	case link.Reregister:
		m.reregister(l, msg)
		return
	}
	a := l.agent
	if a == nil || a.link != l {
		m.log.Warn("message from an agent that is not registered", "message", fmt.Sprintf("%T", msg))
		return
	}
	switch msg := msg.(type) {
	case link.Unregister:
		m.agentUnregistered(a)
	case link.StatusUpdate:
		m.statusUpdate(a, msg)
	case link.ExecutorMessage:
		m.executorMessage(a, msg)
	case link.ExecutorExited:
		m.executorExited(a, msg)
	case link.OperationStatus:
		m.operationStatus(a, msg)
	case link.UpdateAgent:
		m.updateAgent(a, msg)
	case link.Pong:
		a.pings = 0
	default:
		m.log.Error("message that masters don't get", "message", fmt.Sprintf("%T", msg), "agent", a.id)
	}
}

// statusUpdate forwards a status to the framework, whether or not the task is known, and takes note of it. Nothing is
// forwarded to frameworks that are not connected: the agent tries again.
func (m *Master) statusUpdate(a *agent, u link.StatusUpdate) {
	f := m.frameworks[u.FrameworkID]
	if f == nil {
		m.metrics.invalidStatusUpdates++
		m.log.Warn("status update of an unknown framework", "framework", u.FrameworkID, "task", u.Status.GetTaskId().GetValue())
		return
	}
	m.metrics.validStatusUpdates++
	t := a.tasks[u.FrameworkID][u.Status.GetTaskId().GetValue()]
	if f.connected {
		m.log.Debug("status update", "framework", f.id, "task", u.Status.GetTaskId().GetValue(), "state", u.Status.GetState())
		f.send(updateEvent(u.Status))
	}
	if t == nil {
		return
	}
	m.updateTask(t, u.Status, u.Latest)
	if len(u.Status.GetUuid()) == 0 && isTerminal(t.state) {
		m.removeTask(t) // nobody will acknowledge
	}
}

// executorMessage forwards bytes to the framework, if it is there.
func (m *Master) executorMessage(a *agent, msg link.ExecutorMessage) {
	f := m.frameworks[msg.FrameworkID]
	if f == nil || !f.connected {
		m.metrics.messages.toFrameworkInvalid++
		return
	}
	m.metrics.messages.toFramework++
	f.send(&schedulerpb.Event{Type: schedulerpb.Event_MESSAGE.Enum(), Message: &schedulerpb.Event_Message{
		AgentId:    &mesospb.AgentID{Value: &a.id},
		ExecutorId: &mesospb.ExecutorID{Value: &msg.ExecutorID},
		Data:       msg.Data,
	}})
}

// executorExited frees the executor's resources and tells the framework.
func (m *Master) executorExited(a *agent, msg link.ExecutorExited) {
	m.metrics.messages.executorExits++
	m.removeExecutor(a, msg.FrameworkID, msg.ExecutorID)
	if f := m.frameworks[msg.FrameworkID]; f != nil {
		f.send(&schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{
			AgentId:    &mesospb.AgentID{Value: &a.id},
			ExecutorId: &mesospb.ExecutorID{Value: &msg.ExecutorID},
			Status:     &msg.Status,
		}})
	}
}

// updateAgent replaces the agent's resources. Offers made of the old ones are rescinded.
func (m *Master) updateAgent(a *agent, msg link.UpdateAgent) {
	m.metrics.messages.updateAgent++
	if err := checkResources(msg.Total); err != nil {
		m.log.Warn("agent reports invalid resources", "agent", a.id, "error", err)
		return
	}
	m.rescindOffers(a)
	m.setAgentTotal(a, msg.Total)
	m.allocateSoon(a.id)
}
