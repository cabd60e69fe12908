package agent

// Registration: how an agent finds its place with a master.
//
//   - An agent without an id sends Register, one with an id Reregister with all that it knows,
//     and again when no answer comes, after the registration backoff, doubling up to a minute.
//   - A connection that breaks or a master that does not ping for PingWait makes the agent
//     connect again, at once and then after the backoff.
//   - A Ping that says the master holds the agent disconnected makes it register again.
//   - Once (re-)registered, the heads of all update streams are sent again.
//   - An agent that is known from its checkpoint begins with Reregister.
//   - A master that does not know a task which it was told of, or knows one that the agent does
//     not, gets the status that settles it.

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// maxRegistrationBackoff bounds the time between two attempts to register.
const maxRegistrationBackoff = time.Minute

// capabilities of an agent of this version.
var capabilities = [...]mesospb.AgentInfo_Capability_Type{
	mesospb.AgentInfo_Capability_MULTI_ROLE,
	mesospb.AgentInfo_Capability_HIERARCHICAL_ROLE,
	mesospb.AgentInfo_Capability_RESERVATION_REFINEMENT,
	mesospb.AgentInfo_Capability_RESOURCE_PROVIDER,
	mesospb.AgentInfo_Capability_RESIZE_VOLUME,
	mesospb.AgentInfo_Capability_AGENT_OPERATION_FEEDBACK,
	mesospb.AgentInfo_Capability_AGENT_DRAINING,
	mesospb.AgentInfo_Capability_TASK_RESOURCE_LIMITS,
}

// masterConn is one connection to a master. What arrives on it after the agent has left it is
// ignored.
type masterConn struct {
	agent *Agent
	end   *link.End // nil until connected
}

// Receive queues a message of the master.
func (c *masterConn) Receive(_ *link.End, m link.Message) {
	c.agent.loop.Post(func() {
		if c.agent.conn == c {
			c.agent.receive(m)
		}
	})
}

// Closed queues the news that the master has hung up.
func (c *masterConn) Closed(*link.End) {
	c.agent.loop.Post(func() {
		if c.agent.conn == c {
			c.agent.disconnect()
			c.agent.connect()
		}
	})
}

func (a *Agent) setMaster(master link.Acceptor) {
	if a.closing {
		return
	}
	a.disconnect()
	a.master = master
	a.attempts = 0
	a.connect()
}

// Redetect tells the agent that another master leads. An agent that waits before it tries again tries at once; a connection that is
// open is left alone, as the master that ceases to lead closes it.
func (a *Agent) Redetect() {
	a.loop.Enter(a.address.pid(), func() {
		a.elections++
		a.attempts = 0
		if a.conn == nil {
			a.retry.Stop()
			a.connect()
		}
	})
}

// disconnect leaves the current connection, if there is one.
func (a *Agent) disconnect() {
	a.retry.Stop()
	a.pingTimer.Stop()
	a.registered = false
	c := a.conn
	a.conn = nil
	if c != nil && c.end != nil {
		c.end.Close()
	}
}

// connect opens a connection and registers on it.
func (a *Agent) connect() {
	if a.closing || a.suspended || a.recovering.Load() || a.master == nil {
		return
	}
	c := &masterConn{agent: a}
	a.conn = c
	master, elections := a.master, a.elections
	a.async(func() func() {
		end, err := a.cfg.Wire.Connect(a.ctx, master, c)
		return func() {
			switch {
			case a.conn != c:
				if err == nil {
					end.Close()
				}
			case err != nil:
				if !errors.Is(err, link.ErrNotLeading) && a.ctx.Err() == nil {
					a.log.Warn("cannot connect to the master", "error", err)
				}
				a.conn = nil
				if a.elections != elections { // meanwhile
					a.connect()
					return
				}
				a.retry = a.loop.After(a.backoff(), a.connect)
			default:
				c.end = end
				a.register()
			}
		}
	})
}

// backoff returns how long to wait for what was just tried.
func (a *Agent) backoff() time.Duration {
	d := a.cfg.RegistrationBackoff << min(a.attempts, 16)
	a.attempts++
	return min(max(d, a.cfg.RegistrationBackoff), maxRegistrationBackoff)
}

func (a *Agent) register() {
	a.registered = false
	d := link.Description{
		Info:         a.info,
		Version:      Version,
		PID:          a.address.pid(),
		Address:      a.address.hostPort(),
		HTTPS:        a.cfg.HTTPS,
		Capabilities: slices.Clone(capabilities[:]),
		Total:        a.total,
	}
	if a.info.GetId() == nil {
		a.conn.end.Send(link.Register{Agent: d})
	} else {
		a.conn.end.Send(a.reregister(d))
	}
	a.retry = a.loop.After(a.backoff(), func() {
		if a.conn != nil && !a.registered {
			a.register()
		}
	})
}

// reregister collects what the agent knows.
func (a *Agent) reregister(d link.Description) link.Reregister {
	m := link.Reregister{Agent: d, Operations: slices.Clone(a.operations)}
	for _, f := range sorted(a.frameworks) {
		m.Frameworks = append(m.Frameworks, f.info)
		for _, e := range sorted(f.executors) {
			if e.kind != commandKind && e.state != executorTerminated {
				m.Executors = append(m.Executors, link.Executor{FrameworkID: f.id(), Info: e.info})
			}
			for _, t := range sorted(e.tasks) {
				m.Tasks = append(m.Tasks, proto.CloneOf(t.wire))
			}
		}
	}
	return m
}

func (a *Agent) onRegistered(m link.Registered) {
	if a.registered {
		return // an answer to a message that was sent twice
	}
	if have := a.info.GetId().GetValue(); have != "" && have != m.AgentID {
		a.log.Error("the master gave the agent another id", "have", have, "given", m.AgentID)
		a.end(false)
		return
	}
	if a.info.GetId() == nil {
		info := proto.CloneOf(a.info)
		info.Id = &mesospb.AgentID{Value: proto.String(m.AgentID)}
		a.info = info // what was sent before is never changed
		a.saveNow()
		a.joinOnce.Do(func() {
			a.id = m.AgentID
			close(a.joined)
		})
	}
	a.enter(m.Master, m.PingWait)
}

func (a *Agent) onReregistered(m link.Reregistered) {
	if a.registered {
		return
	}
	a.enter(m.Master, m.PingWait)
	a.joinOnce.Do(func() { // it was known before it started
		a.id = m.AgentID
		close(a.joined)
	})
	for _, t := range m.Reconcile {
		a.reconcile(t)
	}
}

// enter notes that the master holds the agent registered.
func (a *Agent) enter(master *mesospb.MasterInfo, pingWait time.Duration) {
	a.retry.Stop()
	a.registered, a.registerAt, a.attempts = true, time.Now(), 0
	a.masterInfo, a.pingWait = master, pingWait
	a.watchPings()
	a.resumeStreams("")
}

// watchPings leaves the master if it is silent for too long.
func (a *Agent) watchPings() {
	a.pingTimer.Stop()
	if a.pingWait <= 0 {
		return
	}
	a.pingTimer = a.loop.After(a.pingWait, func() {
		a.log.Warn("no ping of the master", "for", a.pingWait)
		a.disconnect()
		a.connect()
	})
}

func (a *Agent) onPing(m link.Ping) {
	a.conn.end.Send(link.Pong{})
	a.watchPings()
	if !m.Connected && a.registered {
		a.register()
	}
}

func (a *Agent) onRefused(m link.Refused) {
	select {
	case <-a.joined:
	default:
		if a.info.GetId() != nil {
			a.rejoinAsNew(m.Message)
			return
		}
	}
	a.log.Error("the master refused the agent", "message", m.Message)
	a.leaves = true
	if a.info.GetId() == nil {
		a.joinOnce.Do(func() {
			a.refused = &RefusedError{m.Message}
			close(a.joined)
		})
	}
	a.end(false)
}

// reconcile answers for a task that the master knows and the agent did not report. One that has
// come to the agent meanwhile needs no answer.
func (a *Agent) reconcile(t *mesospb.Task) {
	fid, tid := t.GetFrameworkId().GetValue(), t.GetTaskId().GetValue()
	f := a.frameworks[fid]
	if f != nil && f.tasks[tid] != nil {
		return
	}
	if _, ok := a.streams[streamKey{fid, tid}]; ok {
		return // the status that tells is on its way
	}
	state := mesospb.TaskState_TASK_LOST
	if f != nil && f.partitionAware() {
		state = mesospb.TaskState_TASK_DROPPED
	}
	a.agentUpdate(fid, t.GetExecutorId().GetValue(), tid, state,
		mesospb.TaskStatus_REASON_RECONCILIATION, "Reconciliation: task unknown to the agent")
}

// send sends a message to the master if the agent is registered, and drops it otherwise.
func (a *Agent) send(m link.Message) {
	if a.registered && a.conn != nil && a.conn.end != nil {
		a.conn.end.Send(m)
	}
}
