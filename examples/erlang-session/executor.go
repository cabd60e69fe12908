package erlangsession

import (
	"context"
	"log/slog"
	"sync"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// done is an application message of the executor: a task has done its work.
type done struct{ task *mesospb.TaskID }

// RunExecutor runs the executor to its end, in a sandbox.
func RunExecutor(ctx context.Context, log *slog.Logger) error {
	cfg, err := executor.FromEnvironment()
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	defer work.Wait()
	return executor.Run(ctx, cfg, executor.Handler{
		// init/1 and reregister/2: the call comes with what is not acknowledged, as it has to.
		Subscribing: func(_ context.Context, _ *executor.Session, call *executorpb.Call_Subscribe) error {
			log.Info("subscribing", "tasks", len(call.GetUnacknowledgedTasks()), "updates", len(call.GetUnacknowledgedUpdates()))
			return nil
		},
		// registered/3; Resubscribed and Disconnected are reregistered/2 and disconnected/2.
		Subscribed: func(_ context.Context, _ *executor.Session, e *executorpb.Event_Subscribed) error {
			log.Info("subscribed", "agent", e.GetAgentInfo().GetHostname())
			return nil
		},
		// launch_task/3
		Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
			work.Go(func() { s.Post(done{task.GetTaskId()}) }) // here the work would be done
			return s.Update(ctx, status(task.GetTaskId(), mesospb.TaskState_TASK_RUNNING))
		},
		// kill_task/3
		Kill: func(ctx context.Context, s *executor.Session, e *executorpb.Event_Kill) error {
			return s.Update(ctx, status(e.GetTaskId(), mesospb.TaskState_TASK_KILLED))
		},
		// acknowledged/3; the session keeps account of what is acknowledged by itself.
		Acknowledged: func(_ context.Context, _ *executor.Session, e *executorpb.Event_Acknowledged) error {
			log.Info("acknowledged", "task", e.GetTaskId().GetValue())
			return nil
		},
		// handle_info/3
		Info: func(ctx context.Context, s *executor.Session, message any) error {
			return s.Update(ctx, status(message.(done).task, mesospb.TaskState_TASK_FINISHED))
		},
		// shutdown/2
		Shutdown: func(context.Context, *executor.Session, error) error { return executor.ErrStop },
		// terminate/3
		Terminate: func(_ context.Context, _ *executor.Session, err error) { log.Info("terminated", "error", err) },
	})
}

func status(id *mesospb.TaskID, state mesospb.TaskState) *mesospb.TaskStatus {
	return &mesospb.TaskStatus{TaskId: id, State: state.Enum()}
}
