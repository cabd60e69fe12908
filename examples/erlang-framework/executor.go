package erlangframework

import (
	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// RunExecutor runs the executor to its end, in a sandbox. A task runs until a message with its id comes; the executor answers it and
// finishes the task.
func RunExecutor() error {
	wake := make(map[string]chan struct{}) // by task; callbacks come one at a time
	d, err := driver.NewMesosExecutorDriver(driver.ExecutorDriverConfig{Executor: driver.ExecutorFuncs{
		OnLaunchTask: func(d driver.ExecutorDriver, task *mesospb.TaskInfo) {
			called := make(chan struct{})
			wake[task.GetTaskId().GetValue()] = called
			go func() { // what was spawn/1: the callback must not wait for the task
				d.SendStatusUpdate(status(task.GetTaskId(), mesospb.TaskState_TASK_RUNNING))
				<-called
				d.SendFrameworkMessage([]byte(task.GetTaskId().GetValue() + " is done"))
				d.SendStatusUpdate(status(task.GetTaskId(), mesospb.TaskState_TASK_FINISHED))
			}()
		},
		OnFrameworkMessage: func(_ driver.ExecutorDriver, data []byte) {
			if called, ok := wake[string(data)]; ok {
				delete(wake, string(data))
				close(called)
			}
		},
		OnKillTask: func(d driver.ExecutorDriver, id *mesospb.TaskID) {
			d.SendStatusUpdate(status(id, mesospb.TaskState_TASK_KILLED))
		},
	}})
	if err != nil {
		return err
	}
	_, err = d.Run()
	return err
}

func status(id *mesospb.TaskID, state mesospb.TaskState) *mesospb.TaskStatus {
	return &mesospb.TaskStatus{TaskId: id, State: state.Enum()}
}
