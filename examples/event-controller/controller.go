// Package eventcontroller is a basic framework in the manner of the high-level Go SDK: a scheduler, an event controller with its event handlers, a
// task manager and a resource manager, wired by hand on client/scheduler. docs/migrate/mesos-go-sdk.md tells what is what.
// The program is in the folder scheduler.
package eventcontroller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Task is a task as its author writes it in JSON.
type Task struct {
	Name      string `json:"name"`
	Resources struct {
		CPU float64 `json:"cpu"` // cores
		Mem float64 `json:"mem"` // MB
	} `json:"resources"`
	Command struct {
		Cmd string `json:"cmd"`
	} `json:"command"`
}

// ParseTasks reads a list of tasks.
func ParseTasks(data []byte) ([]Task, error) {
	var tasks []Task
	if err := json.Unmarshal(data, &tasks); err != nil {
		return nil, err
	}
	for i, t := range tasks {
		if t.Name == "" || t.Command.Cmd == "" || t.Resources.CPU <= 0 || t.Resources.Mem <= 0 {
			return nil, fmt.Errorf("task %d: want a name, command.cmd, resources.cpu and resources.mem", i)
		}
	}
	return tasks, nil
}

// TaskManager knows what is to run and what does. It is used by one handler call at a time and needs no lock.
type TaskManager struct {
	queued []Task
	active map[string]Task // by task id, with what was launched
	states map[string]mesospb.TaskState
}

// NewTaskManager returns a manager with tasks to run once each.
func NewTaskManager(tasks []Task) *TaskManager {
	return &TaskManager{queued: tasks, active: make(map[string]Task), states: make(map[string]mesospb.TaskState)}
}

// Next takes the first queued task that fits.
func (m *TaskManager) Next(fits func(Task) bool) (id string, task Task, ok bool) {
	for i, t := range m.queued {
		if fits(t) {
			m.queued = append(m.queued[:i:i], m.queued[i+1:]...)
			id := t.Name + "-" + uuid.NewString()
			m.active[id] = t
			return id, t, true
		}
	}
	return "", Task{}, false
}

// Update takes a status: what was lost runs again, what ended is done with.
func (m *TaskManager) Update(status *mesospb.TaskStatus) {
	id := status.GetTaskId().GetValue()
	task, known := m.active[id]
	if !known {
		return
	}
	switch status.GetState() {
	case mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_DROPPED, mesospb.TaskState_TASK_GONE, mesospb.TaskState_TASK_GONE_BY_OPERATOR:
		delete(m.active, id)
		m.queued = append(m.queued, task)
	case mesospb.TaskState_TASK_FINISHED, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_KILLED, mesospb.TaskState_TASK_ERROR:
		delete(m.active, id)
		m.states[task.Name] = status.GetState()
	}
}

// Active returns what reconciliation asks for.
func (m *TaskManager) Active() []*schedulerpb.Call_Reconcile_Task {
	var tasks []*schedulerpb.Call_Reconcile_Task
	for id := range m.active {
		tasks = append(tasks, scheduler.ReconcileTask(&mesospb.TaskID{Value: &id}, nil))
	}
	return tasks
}

// Done tells whether every task has ended.
func (m *TaskManager) Done() bool { return len(m.queued) == 0 && len(m.active) == 0 }

// Controller routes events to handlers: scheduler.HandlerFuncs is the router, the methods are the handlers.
type Controller struct {
	Tasks *TaskManager
	Log   *slog.Logger
}

// Handler is the event controller.
func (c *Controller) Handler() scheduler.Handler {
	return scheduler.HandlerFuncs{ConnectedFunc: c.subscribed, Offers: c.offers, Update: c.update}
}

// subscribed has the state of all tasks told: updates may have been missed.
func (c *Controller) subscribed(ctx context.Context, s *scheduler.Session, now scheduler.Connected) error {
	c.Log.Info("subscribed", "framework", now.FrameworkID.GetValue(), "master", now.Master)
	if tasks := c.Tasks.Active(); len(tasks) > 0 {
		return s.Reconcile(ctx, tasks...)
	}
	return nil
}

// offers hands out tasks and gives back what is not needed.
func (c *Controller) offers(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
	for _, offer := range offers {
		rest := offer.GetResources() // package resources is the resource manager
		var launch []*mesospb.TaskInfo
		for {
			var picked []*mesospb.Resource
			id, task, ok := c.Tasks.Next(func(t Task) (fits bool) {
				picked, fits = resources.Find(rest, []*mesospb.Resource{resources.NewCPUs(t.Resources.CPU), resources.NewMem(t.Resources.Mem)}, "*")
				return fits
			})
			if !ok {
				break
			}
			rest = resources.Subtract(rest, picked)
			launch = append(launch, &mesospb.TaskInfo{
				Name: &task.Name, TaskId: &mesospb.TaskID{Value: &id}, AgentId: offer.GetAgentId(),
				Command: &mesospb.CommandInfo{Value: &task.Command.Cmd}, Resources: picked,
			})
		}
		var err error
		if len(launch) > 0 {
			err = s.Accept(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(1), scheduler.Launch(launch...))
		} else {
			err = s.Decline(ctx, scheduler.OfferIDs(offer), nil)
		}
		if err != nil {
			c.Log.Warn("call failed", "error", err)
			_ = s.Decline(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0)) // the master may still hold it for us; it ignores one that is used or void
			for _, t := range launch {                                                // nothing was sent, or nobody knows: ask
				if err := s.Waiting().Reconcile(ctx, scheduler.ReconcileTask(t.GetTaskId(), t.GetAgentId())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// update keeps account of a task; the session acknowledges the status.
func (c *Controller) update(ctx context.Context, s *scheduler.Session, status *mesospb.TaskStatus) error {
	c.Log.Info("status", "task", status.GetTaskId().GetValue(), "state", status.GetState(), "message", status.GetMessage())
	c.Tasks.Update(status)
	if !c.Tasks.Done() {
		return s.Revive(ctx) // what was lost needs an offer
	}
	if err := s.Teardown(ctx); err != nil && !errors.Is(err, scheduler.ErrSessionEnded) {
		return err
	}
	return scheduler.StopWith(c.Tasks.states)
}

// Run runs tasks on the cluster of a master to their ends and returns their last states, by name.
func Run(ctx context.Context, master, user string, c *Controller) (map[string]mesospb.TaskState, error) {
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Master:        master,
		FrameworkInfo: &mesospb.FrameworkInfo{User: &user, Name: proto.String("event-controller")},
		Handler:       c.Handler(),
	})
	if err != nil {
		return nil, err
	}
	states, err := s.Run(ctx)
	if err != nil {
		return nil, err
	}
	return states.(map[string]mesospb.TaskState), nil
}
