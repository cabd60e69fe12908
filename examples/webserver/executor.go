package webserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// RunExecutor serves the data of each task as a web page, on the port that the task was given.
// It runs in the sandbox on the agent, told by its environment where the agent is, and returns
// when the agent shuts it down.
func RunExecutor(ctx context.Context) error {
	cfg, err := executor.FromEnvironment()
	if err != nil {
		return err
	}
	servers := map[string]*http.Server{} // by task id; only touched by the handler, which runs one thing at a time
	return executor.Run(ctx, cfg, executor.Handler{
		Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
			server, err := serve(task)
			if err != nil {
				return s.Update(ctx, status(task.GetTaskId(), mesospb.TaskState_TASK_FAILED, err.Error()))
			}
			servers[task.GetTaskId().GetValue()] = server
			return s.Update(ctx, status(task.GetTaskId(), mesospb.TaskState_TASK_RUNNING, "serving on "+server.Addr))
		},
		Kill: func(ctx context.Context, s *executor.Session, kill *executorpb.Event_Kill) error {
			id := kill.GetTaskId()
			server, running := servers[id.GetValue()]
			if !running {
				return nil
			}
			delete(servers, id.GetValue())
			server.Close()
			return s.Update(ctx, status(id, mesospb.TaskState_TASK_KILLED, "the page is closed"))
		},
	})
}

// serve starts a web server for a task. The port is bound when serve returns, so that a task
// which is reported to run does answer.
func serve(task *mesospb.TaskInfo) (*http.Server, error) {
	ports := resources.Ports(task.GetResources())
	if len(ports) == 0 {
		return nil, errors.New("the task has no port")
	}
	listener, err := net.Listen("tcp", ":"+strconv.FormatUint(ports[0].Begin, 10))
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Addr:              listener.Addr().String(),
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write(task.GetData())
		}),
	}
	go server.Serve(listener)
	return server, nil
}

func status(id *mesospb.TaskID, state mesospb.TaskState, message string) *mesospb.TaskStatus {
	return &mesospb.TaskStatus{TaskId: id, State: state.Enum(), Message: &message}
}
