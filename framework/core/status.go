package core

import (
	"fmt"
	"strings"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// status takes in a status update. What it says is written before it is acknowledged, since calls follow writes.
func (c *Core) status(s *mesospb.TaskStatus) {
	id := s.GetTaskId().GetValue()
	e, ok := eventOf(s)
	if id == "" || !ok {
		c.note(Note{Kind: NoteWarning, Index: -1, Task: strings.Clone(id), Text: "a status without a task id or with an unknown state: " + s.GetState().String()})
		return
	}
	if strings.HasPrefix(id, probePrefix) {
		c.probed(e, s)
	} else if !c.report(id, e, s) {
		c.unknownTask(id, e, s)
	}
	if s.GetState() == mesospb.TaskState_TASK_GONE_BY_OPERATOR {
		c.agentGone(strings.Clone(s.GetAgentId().GetValue()))
	}
	if len(s.GetUuid()) == 0 {
		return
	}
	if s.GetAgentId() == nil { // there is nobody to acknowledge it to
		c.note(Note{Kind: NoteWarning, Index: -1, Task: strings.Clone(id), Text: "a status with an uuid and without an agent"})
		return
	}
	c.call(acknowledgeCall(s))
}

// eventOf maps what Mesos reports to an event. The reason matters little: docs/behaviour.md#task-states.
func eventOf(s *mesospb.TaskStatus) (Event, bool) {
	switch s.GetState() {
	case mesospb.TaskState_TASK_STAGING:
		return SawStaging, s != nil && s.State != nil
	case mesospb.TaskState_TASK_STARTING:
		return SawStarting, true
	case mesospb.TaskState_TASK_RUNNING:
		return SawRunning, true
	case mesospb.TaskState_TASK_KILLING:
		return SawKilling, true
	case mesospb.TaskState_TASK_FINISHED:
		return SawFinished, true
	case mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_ERROR:
		return SawFailed, true
	case mesospb.TaskState_TASK_KILLED:
		return SawKilled, true
	case mesospb.TaskState_TASK_DROPPED:
		return SawDropped, true
	case mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_GONE, mesospb.TaskState_TASK_GONE_BY_OPERATOR:
		return SawGone, true
	case mesospb.TaskState_TASK_UNREACHABLE:
		return SawUnreachable, true
	case mesospb.TaskState_TASK_UNKNOWN:
		return SawUnknown, true
	}
	return 0, false
}

// report applies an event to the task with that Mesos id, if it is known. The status may be nil.
func (c *Core) report(id string, e Event, s *mesospb.TaskStatus) bool {
	at, ok := c.tasks[id]
	if !ok {
		return false
	}
	c.ask.answered(id)
	i := c.editFor(at, e, s)
	if i == nil {
		return true // nothing new
	}
	t, detached := i.find(at.id)
	health, check := t.Health, t.Check
	// Some decisions go by what this one task of a pod has done, not by what its pod has come to.
	t.Began = t.Began || e == SawRunning || e == SawStarting
	refused := e == SawDropped
	if at.member >= 0 {
		m := &t.Members[at.member]
		if !memberOver(m.Last) {
			m.Last = e
		}
		m.Health, m.Checked = healthOf(s, m.Health), checkOf(s, m.Checked)
		e = t.combine()
		t.Check = checkText(s, m.ID+": ", t.Check)
	} else {
		t.Check = checkText(s, "", t.Check)
		t.Health, t.Checked = healthOf(s, t.Health), checkOf(s, t.Checked)
	}
	if detached && e == SawUnknown {
		e = SawGone // nobody waits for it: enough is known to forget it
	}
	if s.GetReason() == mesospb.TaskStatus_REASON_AGENT_DRAINING && !refused { // one that is refused does not move
		t.Doomed = true
	}
	why := t.why()
	c.happen(at.app, i, t, e, s)
	if t.State == Ended && !detached && i.LastFailure == why && why != "" {
		c.setFailures(at.app, i, i.Failures, i.Excused, t.why()) // the master tells what, the agent's own update why
	}
	c.noteHealth(i, t, health, check)
	if at.member >= 0 && !t.State.Over() && !t.Doomed && t.broken() {
		t.Reason, t.Message, t.Failed = byEngine, "task "+t.Members[at.member].ID+" of the pod has ended, "+t.why(), true
		c.happen(at.app, i, t, WantKill, nil) // what is left of a pod goes too; its end counts as the failure it is
	}
	return true
}

// editFor returns the instance for changing, or nil if the event changes nothing about the task: repeated reports are the most frequent ones, and
// cost no write.
func (c *Core) editFor(at place, e Event, s *mesospb.TaskStatus) *Instance {
	i := at.app.inst.get(at.index)
	if i == nil {
		return nil
	}
	t, detached := i.find(at.id)
	if t == nil {
		return nil
	}
	if at.member < 0 && !(detached && e == SawUnknown) {
		tr := Next(t.State, e)
		if t.State == Ended && t.vague() && !vague(s) {
			return c.edit(at.app, at.index)
		}
		if tr.To == t.State && tr.Does == 0 && healthOf(s, t.Health) == t.Health && checkOf(s, t.Checked) == t.Checked && checkText(s, "", t.Check) == t.Check {
			return nil
		}
	}
	return c.edit(at.app, at.index)
}

// vague reports whether what is known of a task's end is only that the master has learnt of it.
func (t *Task) vague() bool {
	return t.Message == "" && (strings.HasSuffix(t.Reason, " agent_reregistered") || strings.HasSuffix(t.Reason, " reconciliation"))
}

func vague(s *mesospb.TaskStatus) bool {
	return s.Message == nil && (s.Reason == nil || s.GetReason() == mesospb.TaskStatus_REASON_AGENT_REREGISTERED || s.GetReason() == mesospb.TaskStatus_REASON_RECONCILIATION)
}

// find returns the instance's task of that id.
func (i *Instance) find(id string) (t *Task, detached bool) {
	if i.Task != nil && i.Task.ID == id {
		return i.Task, false
	}
	for _, d := range i.Detached {
		if d.ID == id {
			return d, true
		}
	}
	return nil, false
}

func healthOf(s *mesospb.TaskStatus, before Health) Health {
	switch {
	case s == nil || s.Healthy == nil:
		return before
	case s.GetHealthy():
		return Healthy
	}
	return Unhealthy
}

// checkOf reads a check as package app defines success: exit code 0, status 200 to 299, a connection.
func checkOf(s *mesospb.TaskStatus, before bool) bool {
	cs := s.GetCheckStatus()
	switch {
	case cs == nil:
		return before
	case cs.GetCommand() != nil:
		return cs.Command.ExitCode != nil && cs.Command.GetExitCode() == 0
	case cs.GetHttp() != nil:
		code := cs.Http.GetStatusCode()
		return code >= 200 && code < 300
	case cs.GetTcp() != nil:
		return cs.Tcp.GetSucceeded()
	}
	return false
}

// checkText is the result of a check in words.
func checkText(s *mesospb.TaskStatus, of, before string) string {
	cs := s.GetCheckStatus()
	if cs == nil {
		return before
	}
	text := "no result" // yet, or in time
	switch {
	case cs.GetCommand() != nil && cs.Command.ExitCode != nil:
		text = fmt.Sprintf("exit code %d", cs.Command.GetExitCode())
	case cs.GetHttp() != nil && cs.Http.StatusCode != nil:
		text = fmt.Sprintf("HTTP status %d", cs.Http.GetStatusCode())
	case cs.GetTcp() != nil && cs.Tcp.Succeeded != nil:
		text = map[bool]string{true: "connected", false: "no connection"}[cs.Tcp.GetSucceeded()]
	}
	return of + text
}

// noteHealth tells of new results of checks.
func (c *Core) noteHealth(i *Instance, t *Task, health Health, check string) {
	if t.State.Over() || t.Health == health && t.Check == check {
		return
	}
	n := Note{Kind: NoteHealth, App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent, State: t.State.String(), Text: t.checks()}
	c.note(n)
}

// checks says what the task's checks have come to.
func (t *Task) checks() string {
	switch {
	case t.Check == "" && t.Health == HealthUnknown:
		return "no check has been reported yet"
	case t.Check == "":
		return t.Health.String()
	case t.Health == HealthUnknown:
		return "check: " + t.Check
	}
	return t.Health.String() + ", check: " + t.Check
}

// combine makes one event of what was seen of a pod's members.
func (t *Task) combine() Event {
	over, running := true, true
	worst := SawFinished
	t.Health, t.Checked = HealthUnknown, true
	for _, m := range t.Members {
		switch {
		case m.Last == SawUnreachable || m.Last == SawUnknown:
			return m.Last
		case memberOver(m.Last):
			worst = max(worst, m.Last)
			continue
		case m.Last != SawRunning:
			running = false
		}
		over = false
		t.Health = max(t.Health, m.Health)
		t.Checked = t.Checked && m.Checked
	}
	switch {
	case over && worst == SawKilled && t.anyFailed():
		return SawFailed // the others were killed because one failed
	case over:
		return worst
	case running:
		return SawRunning
	}
	return SawStarting
}

func (t *Task) anyFailed() bool {
	for _, m := range t.Members {
		if m.Last == SawFailed {
			return true
		}
	}
	return false
}

// broken reports whether a member of a pod has ended other than by finishing.
func (t *Task) broken() bool {
	for _, m := range t.Members {
		if memberOver(m.Last) && m.Last != SawFinished {
			return true
		}
	}
	return false
}

// holds reports whether what readiness asks for is true of a task now.
func (v *version) holds(t *Task) bool {
	if t.State != Running {
		return false
	}
	by := app.ReadyRunning
	if v != nil && v.app.Readiness != nil && v.app.Readiness.By != "" {
		by = v.app.Readiness.By
	} else if v != nil && v.checksHealth() {
		by = app.ReadyHealthy
	}
	switch by {
	case app.ReadyHealthy:
		return t.Health == Healthy
	case app.ReadyCheck:
		return t.Checked && t.Health != Unhealthy
	}
	return t.Health != Unhealthy
}

func (v *version) checksHealth() bool {
	if v.app.HealthCheck != nil {
		return true
	}
	for _, m := range v.app.Group {
		if m.HealthCheck != nil {
			return true
		}
	}
	return false
}

// readyFor is how long it has to hold, in ms.
func (v *version) readyFor() int64 {
	if v == nil || v.app.Readiness == nil {
		return 0
	}
	return int64(v.app.Readiness.For) / 1e6
}

// ready reports whether the instance's task counts as up.
func (c *Core) ready(a *appState, i *Instance) bool {
	t := i.Task
	return t != nil && t.Up != 0 && t.State == Running && !t.Doomed && c.now >= t.Up+a.versionOf(t.Version).readyFor()
}

// failure takes in the loss of an agent or executor. Statuses tell what became of the tasks; it is only asked for them, in case one is lost on the way.
func (c *Core) failure(f *schedulerpb.Event_Failure) {
	agent := strings.Clone(f.GetAgentId().GetValue())
	if ex := f.GetExecutorId().GetValue(); ex != "" {
		c.note(Note{Kind: NoteEvent, Index: -1, Agent: agent, State: "executor-failure", Text: "executor " + ex + " ended"})
		c.executorFailed(agent, ex)
		return
	}
	c.executorsLost(agent)
	c.note(Note{Kind: NoteEvent, Index: -1, Agent: agent, State: "agent-failure", Text: "the master has removed the agent"})
	c.askAgent(agent)
}

// operationStatus acknowledges; what became of reservations and volumes is seen in the next offer.
func (c *Core) operationStatus(s *mesospb.OperationStatus) {
	switch s.GetState() {
	case mesospb.OperationState_OPERATION_ERROR, mesospb.OperationState_OPERATION_FAILED, mesospb.OperationState_OPERATION_DROPPED:
		c.note(Note{Kind: NoteWarning, Index: -1, Agent: strings.Clone(s.GetAgentId().GetValue()), Text: "operation " + s.GetOperationId().GetValue() + ": " + s.GetState().String() + " " + s.GetMessage()})
	}
	if len(s.GetUuid().GetValue()) > 0 && s.GetOperationId() != nil {
		c.call(acknowledgeOperationCall(s))
	}
}
