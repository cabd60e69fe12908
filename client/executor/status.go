package executor

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// UpdateError is a status that no agent would take; it was not sent.
type UpdateError struct {
	// TaskID of the status, "" if it has none.
	TaskID string
	// Err says what is wrong.
	Err error
}

func (e *UpdateError) Error() string {
	if e.TaskID == "" {
		return "status update: " + e.Err.Error()
	}
	return fmt.Sprintf("status update of task %q: %v", e.TaskID, e.Err)
}

// Unwrap returns Err.
func (e *UpdateError) Unwrap() error { return e.Err }

// prepare returns a copy of status as the agent wants it, checked by the rules of
// docs/behaviour.md#transport: an agent answers 400 to what it does not like, and refuses a whole subscription that carries it.
func (c *Client) prepare(status *mesospb.TaskStatus) (*mesospb.TaskStatus, error) {
	id := status.GetTaskId().GetValue()
	fail := func(format string, args ...any) (*mesospb.TaskStatus, error) {
		return nil, &UpdateError{TaskID: id, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case id == "":
		return fail("task_id is not set; take it from the TaskInfo")
	case status.State == nil:
		return fail("state is not set")
	case status.GetState() == mesospb.TaskState_TASK_STAGING:
		return fail("TASK_STAGING is for Mesos itself; an executor starts with TASK_STARTING or TASK_RUNNING")
	case status.Source != nil && status.GetSource() != mesospb.TaskStatus_SOURCE_EXECUTOR:
		return fail("source is %v; leave it unset, an executor's updates are from SOURCE_EXECUTOR", status.GetSource())
	case status.ExecutorId != nil && status.GetExecutorId().GetValue() != c.cfg.ExecutorID:
		return fail("executor_id is %q, but this executor is %q; leave it unset", status.GetExecutorId().GetValue(), c.cfg.ExecutorID)
	}
	if err := checkUUID(status.Uuid); err != nil {
		return nil, &UpdateError{TaskID: id, Err: err}
	}

	status = proto.CloneOf(status)
	if len(status.Uuid) == 0 {
		random, err := uuid.NewRandom()
		if err != nil {
			return fail("make a uuid: %w", err)
		}
		status.Uuid = random[:]
	}
	if status.Timestamp == nil {
		status.Timestamp = proto.Float64(float64(time.Now().UnixMicro()) / 1e6)
	}
	status.Source = mesospb.TaskStatus_SOURCE_EXECUTOR.Enum()
	if status.ExecutorId == nil {
		status.ExecutorId = &mesospb.ExecutorID{Value: proto.String(c.cfg.ExecutorID)}
	}
	if err := proto.CheckInitialized(status); err != nil {
		return nil, &UpdateError{TaskID: id, Err: err}
	}
	return status, nil
}

// checkUUID takes no uuid, or one of 16 bytes with a version that Mesos knows.
func checkUUID(u []byte) error {
	if len(u) == 0 {
		return nil
	}
	if len(u) != 16 {
		return fmt.Errorf("uuid has %d bytes, want 16; leave it unset to get a random one", len(u))
	}
	if version := u[6] >> 4; version < 1 || version > 5 {
		return errors.New("uuid is of no known version (1 to 5); leave it unset to get a random one")
	}
	return nil
}
