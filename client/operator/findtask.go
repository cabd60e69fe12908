package operator

import (
	"context"
	"strings"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// TaskPlace says where a task runs, or ran.
type TaskPlace struct {
	// Task as the master knows it.
	Task *mesospb.Task
	// FrameworkID, ExecutorID and AgentID name its place. The executor of a command task has the id of the task.
	FrameworkID, ExecutorID, AgentID string
	// Agent is the address of the agent, fit for AgentConfig.Address; "" if the agent is not registered any more.
	Agent string
	// ContainerID is the container of the task: nested in that of the executor for a task of a group; nil if no
	// status told it.
	ContainerID *mesospb.ContainerID
}

// Sandbox returns the path of the task's sandbox on its agent, where its stdout and stderr are: see
// SandboxPath. A task of a group has its own within that of the executor.
func (p *TaskPlace) Sandbox() string {
	return SandboxPath(p.FrameworkID, p.ExecutorID) + nestedPath(p.ContainerID)
}

// FindTask finds a task by its id, among those that run first, then among those that are unreachable or
// completed; of several the latest. frameworkID may be "" if the id is unique in the cluster. An unknown task
// is a *NotFoundError.
func (m *Master) FindTask(ctx context.Context, frameworkID, taskID string) (*TaskPlace, error) {
	tasks, err := m.GetTasks(ctx)
	if err != nil {
		return nil, err
	}
	var task *mesospb.Task
	for _, list := range [][]*mesospb.Task{tasks.GetTasks(), tasks.GetUnreachableTasks(), tasks.GetCompletedTasks()} {
		for _, t := range list {
			if t.GetTaskId().GetValue() == taskID && (frameworkID == "" || t.GetFrameworkId().GetValue() == frameworkID) && later(t, task) {
				task = t
			}
		}
		if task != nil {
			break
		}
	}
	if task == nil {
		where := "in the cluster"
		if frameworkID != "" {
			where = "of framework " + frameworkID
		}
		return nil, &NotFoundError{Kind: "task", Name: taskID, Where: where}
	}
	p := &TaskPlace{
		Task: task, FrameworkID: task.GetFrameworkId().GetValue(), ExecutorID: task.GetExecutorId().GetValue(), AgentID: task.GetAgentId().GetValue(),
	}
	if p.ExecutorID == "" {
		p.ExecutorID = taskID
	}
	for _, status := range task.GetStatuses() {
		if id := status.GetContainerStatus().GetContainerId(); id != nil {
			p.ContainerID = id
		}
	}
	agents, err := m.GetAgents(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range agents.GetAgents() {
		if a.GetAgentInfo().GetId().GetValue() == p.AgentID {
			p.Agent = a.GetPid()
		}
	}
	// Masters and agents use TLS alike; addresses do not tell.
	if p.Agent != "" && strings.HasPrefix(m.Leader(), "https://") {
		if p.Agent, err = agentURL(p.Agent, "https"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// later tells whether a has statuses that are younger than those of b; b may be nil.
func later(a, b *mesospb.Task) bool {
	return b == nil || lastUpdate(a) >= lastUpdate(b)
}

func lastUpdate(t *mesospb.Task) float64 {
	var last float64
	for _, s := range t.GetStatuses() {
		last = max(last, s.GetTimestamp())
	}
	return last
}

// AgentByID returns a client of a registered agent, whose address the master tells. t is as AgentConfig.Transport.
func (m *Master) AgentByID(ctx context.Context, agentID string, t *transport.Client) (*Agent, error) {
	agents, err := m.GetAgents(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range agents.GetAgents() {
		if a.GetAgentInfo().GetId().GetValue() != agentID {
			continue
		}
		scheme, _, _ := strings.Cut(m.Leader(), "://")
		return NewAgent(AgentConfig{Address: a.GetPid(), Scheme: scheme, Transport: t})
	}
	return nil, &NotFoundError{Kind: "registered agent", Name: agentID}
}
