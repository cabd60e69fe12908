package minimaldriver

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Executor serves the data of its task over HTTP, on the port of the task.
type Executor struct {
	driver.NopExecutor // for the callbacks that do not matter here; it stops the driver on Shutdown

	servers map[string]*http.Server // by task; callbacks come one at a time
}

// LaunchTask opens the port and says that the task runs. It must not block: the server has a goroutine of its own.
func (e *Executor) LaunchTask(d driver.ExecutorDriver, task *mesospb.TaskInfo) {
	listener, err := listen(task)
	if err != nil {
		d.SendStatusUpdate(status(task.GetTaskId(), mesospb.TaskState_TASK_FAILED, err.Error()))
		return
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(task.GetData()) }),
	}
	if e.servers == nil {
		e.servers = make(map[string]*http.Server)
	}
	e.servers[task.GetTaskId().GetValue()] = server
	d.SendStatusUpdate(status(task.GetTaskId(), mesospb.TaskState_TASK_RUNNING, ""))
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.SendStatusUpdate(status(task.GetTaskId(), mesospb.TaskState_TASK_FAILED, err.Error()))
		}
	}()
}

// KillTask closes the port.
func (e *Executor) KillTask(d driver.ExecutorDriver, id *mesospb.TaskID) {
	if server := e.servers[id.GetValue()]; server != nil {
		delete(e.servers, id.GetValue())
		server.Close()
		d.SendStatusUpdate(status(id, mesospb.TaskState_TASK_KILLED, ""))
	}
}

// RunExecutor runs the executor to its end, in a sandbox.
func RunExecutor() error {
	d, err := driver.NewMesosExecutorDriver(driver.ExecutorDriverConfig{Executor: new(Executor)})
	if err != nil {
		return err
	}
	_, err = d.Run()
	return err
}

func listen(task *mesospb.TaskInfo) (net.Listener, error) {
	ports := resources.Ports(task.GetResources())
	if len(ports) == 0 {
		return nil, errors.New("the task has no port")
	}
	return net.Listen("tcp", ":"+strconv.FormatUint(ports[0].Begin, 10))
}

func status(id *mesospb.TaskID, state mesospb.TaskState, message string) *mesospb.TaskStatus {
	return &mesospb.TaskStatus{TaskId: id, State: state.Enum(), Message: &message}
}
