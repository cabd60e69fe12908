package operator

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ContainersConfig of Agent.GetContainers.
type ContainersConfig struct {
	// Nested and Standalone ask for containers in others, and for those without an executor.
	Nested, Standalone bool
}

// GetContainers returns the containers with status and statistics.
func (a *Agent) GetContainers(ctx context.Context, cfg ContainersConfig) ([]*agentpb.Response_GetContainers_Container, error) {
	call := agentCall(agentpb.Call_GET_CONTAINERS)
	call.GetContainers = new(agentpb.Call_GetContainers)
	if cfg.Nested {
		call.GetContainers.ShowNested = proto.Bool(true)
	}
	if cfg.Standalone {
		call.GetContainers.ShowStandalone = proto.Bool(true)
	}
	resp, err := a.ask(ctx, call)
	return resp.GetGetContainers().GetContainers(), err
}

// LaunchContainer launches a container of the id in launch: a nested one if the id has a parent, else a
// standalone one, which needs resources. existed says that there was such a container already; Mesos takes that
// for success. It waits as long as ctx allows: an image may have to come first.
func (a *Agent) LaunchContainer(ctx context.Context, launch *agentpb.Call_LaunchContainer) (existed bool, err error) {
	call := agentCall(agentpb.Call_LAUNCH_CONTAINER)
	call.LaunchContainer = launch
	status, err := a.exchange(ctx, call, nil, transport.WithHeaderTimeout(0))
	return status == http.StatusAccepted, err
}

// WaitContainer waits for the end of a container, as long as ctx allows. An unknown one is transport.ErrNotFound.
func (a *Agent) WaitContainer(ctx context.Context, id *mesospb.ContainerID) (ContainerExit, error) {
	call := agentCall(agentpb.Call_WAIT_CONTAINER)
	call.WaitContainer = &agentpb.Call_WaitContainer{ContainerId: id}
	resp, err := a.ask(ctx, call, transport.WithHeaderTimeout(0))
	w := resp.GetWaitContainer()
	if err != nil || w == nil {
		return ContainerExit{}, err
	}
	return ContainerExit{w.ExitStatus, w.State, w.Reason, w.Limitation, w.GetMessage()}, nil
}

// KillContainer sends a signal to a container; 0 means SIGKILL.
func (a *Agent) KillContainer(ctx context.Context, id *mesospb.ContainerID, signal int) error {
	call := agentCall(agentpb.Call_KILL_CONTAINER)
	call.KillContainer = &agentpb.Call_KillContainer{ContainerId: id, Signal: optionalSignal(signal)}
	return a.do(ctx, call)
}

// RemoveContainer removes what is left of a container that has ended: sandbox and runtime data. A standalone container that the agent does
// not know is an *UnsafeCallError.
func (a *Agent) RemoveContainer(ctx context.Context, id *mesospb.ContainerID) error {
	call := agentCall(agentpb.Call_REMOVE_CONTAINER)
	call.RemoveContainer = &agentpb.Call_RemoveContainer{ContainerId: id}
	return a.do(ctx, call)
}

// LaunchNestedContainer launches a container within the one that the id has as parent. command and container
// may be nil.
//
// Deprecated: Mesos has LaunchContainer since 1.5.
func (a *Agent) LaunchNestedContainer(ctx context.Context, id *mesospb.ContainerID, command *mesospb.CommandInfo, container *mesospb.ContainerInfo) error {
	call := agentCall(agentpb.Call_LAUNCH_NESTED_CONTAINER)
	call.LaunchNestedContainer = &agentpb.Call_LaunchNestedContainer{ContainerId: id, Command: command, Container: container}
	return a.do(ctx, call, transport.WithHeaderTimeout(0))
}

// WaitNestedContainer waits for the end of a nested container, as long as ctx allows.
//
// Deprecated: Mesos has WaitContainer since 1.5.
func (a *Agent) WaitNestedContainer(ctx context.Context, id *mesospb.ContainerID) (ContainerExit, error) {
	call := agentCall(agentpb.Call_WAIT_NESTED_CONTAINER)
	call.WaitNestedContainer = &agentpb.Call_WaitNestedContainer{ContainerId: id}
	resp, err := a.ask(ctx, call, transport.WithHeaderTimeout(0))
	w := resp.GetWaitNestedContainer()
	if err != nil || w == nil {
		return ContainerExit{}, err
	}
	return ContainerExit{w.ExitStatus, w.State, w.Reason, w.Limitation, w.GetMessage()}, nil
}

// KillNestedContainer sends a signal to a nested container; 0 means SIGKILL.
//
// Deprecated: Mesos has KillContainer since 1.5.
func (a *Agent) KillNestedContainer(ctx context.Context, id *mesospb.ContainerID, signal int) error {
	call := agentCall(agentpb.Call_KILL_NESTED_CONTAINER)
	call.KillNestedContainer = &agentpb.Call_KillNestedContainer{ContainerId: id, Signal: optionalSignal(signal)}
	return a.do(ctx, call)
}

// RemoveNestedContainer removes what is left of a nested container that has ended.
//
// Deprecated: Mesos has RemoveContainer since 1.5.
func (a *Agent) RemoveNestedContainer(ctx context.Context, id *mesospb.ContainerID) error {
	call := agentCall(agentpb.Call_REMOVE_NESTED_CONTAINER)
	call.RemoveNestedContainer = &agentpb.Call_RemoveNestedContainer{ContainerId: id}
	return a.do(ctx, call)
}

func optionalSignal(signal int) *int32 {
	if signal == 0 {
		return nil
	}
	return proto.Int32(int32(signal))
}

// ContainerExit says how a container ended. Fields that Mesos did not fill are nil or "".
type ContainerExit struct {
	// Status is the raw status word of wait(2); see Exited and Signaled.
	Status *int32
	// State, Reason and Limitation are set if Mesos ended the container, for using too much memory for instance.
	State      *mesospb.TaskState
	Reason     *mesospb.TaskStatus_Reason
	Limitation *mesospb.TaskResourceLimitation
	// Message is for people.
	Message string
}

// Exited returns the exit code, if the process exited.
func (e ContainerExit) Exited() (code int, ok bool) {
	if e.Status == nil || *e.Status&0x7f != 0 {
		return 0, false
	}
	return int(*e.Status>>8) & 0xff, true
}

// Signaled returns the signal, if one killed the process.
func (e ContainerExit) Signaled() (signal int, ok bool) {
	if e.Status == nil || *e.Status&0x7f == 0 || *e.Status&0x7f == 0x7f {
		return 0, false
	}
	return int(*e.Status & 0x7f), true
}

// String describes the end, such as "exited with status 3".
func (e ContainerExit) String() string {
	text := "ended in an unknown way"
	if code, ok := e.Exited(); ok {
		text = fmt.Sprintf("exited with status %d", code)
	} else if signal, ok := e.Signaled(); ok {
		text = fmt.Sprintf("was killed by signal %d", signal)
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}
