package v1batch

import (
	"context"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// RunExecutor runs the executor to its end, in a sandbox. The session keeps unacknowledged tasks and updates, sends them again with every
// subscription and subscribes again if the framework checkpoints.
func RunExecutor(ctx context.Context) error {
	cfg, err := executor.FromEnvironment()
	if err != nil {
		return err
	}
	return executor.Run(ctx, cfg, executor.Handler{
		Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
			for _, state := range []mesospb.TaskState{mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_FINISHED} {
				if err := s.Update(ctx, &mesospb.TaskStatus{TaskId: task.GetTaskId(), State: state.Enum()}); err != nil {
					return err
				}
			}
			return nil
		},
		Kill: func(ctx context.Context, s *executor.Session, e *executorpb.Event_Kill) error {
			return s.Update(ctx, &mesospb.TaskStatus{TaskId: e.GetTaskId(), State: mesospb.TaskState_TASK_KILLED.Enum()})
		},
	})
}
