package operator

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// UnsafeCallError is a call that was not sent, because a Mesos 1.x master or agent that gets it ends with a failed check instead of
// refusing it.
type UnsafeCallError struct {
	// Reason says what is wrong with the call, and what to do.
	Reason string
	// Err is the cause, such as a *resources.PersistenceIDError; may be nil.
	Err error
}

func (e *UnsafeCallError) Error() string {
	return "not sent, as it would end the process of Mesos: " + e.Reason
}

// Unwrap returns Err.
func (e *UnsafeCallError) Unwrap() error { return e.Err }

// refuseUnsafe says why a call to the master must not be sent.
func (m *Master) refuseUnsafe(ctx context.Context, call *masterpb.Call) error {
	switch call.GetType() {
	case masterpb.Call_CREATE_VOLUMES:
		if err := resources.ValidatePersistenceIDs(call.GetCreateVolumes().GetVolumes()); err != nil {
			return &UnsafeCallError{err.Error() + "; use another one", err}
		}
	case masterpb.Call_REMOVE_QUOTA: //lint:ignore SA1019 the call that older tools still send
		status, err := m.GetQuota(ctx)
		if err != nil {
			return err
		}
		role := call.GetRemoveQuota().GetRole() //lint:ignore SA1019 the same
		//lint:ignore SA1019 REMOVE_QUOTA goes by these
		for _, info := range status.GetInfos() {
			if info.GetRole() == role {
				return nil
			}
		}
		return &UnsafeCallError{"role " + role + " has no quota that GET_QUOTA shows; there is nothing to remove", nil}
	}
	return nil
}

// refuseUnsafe says why a call to the agent must not be sent. The agent takes REMOVE_CONTAINER for a container that is not nested only if
// it knows it: it lists those that run, and can tell how others ended.
func (a *Agent) refuseUnsafe(ctx context.Context, call *agentpb.Call) error {
	id := call.GetRemoveContainer().GetContainerId()
	if call.GetType() != agentpb.Call_REMOVE_CONTAINER || id == nil || id.GetParent() != nil {
		return nil
	}
	running, err := a.GetContainers(ctx, ContainersConfig{Standalone: true})
	if err != nil {
		return err
	}
	for _, c := range running {
		if proto.Equal(c.GetContainerId(), id) {
			return nil // it is refused
		}
	}
	_, err = a.WaitContainer(ctx, &mesospb.ContainerID{Value: id.Value})
	if errors.Is(err, transport.ErrNotFound) {
		return &UnsafeCallError{"there is no container " + id.GetValue() + " on this agent, running or ended", err}
	}
	return err
}
