package operator

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/mesokit/mesokit/client/transport"
)

// CallError is a call that failed.
type CallError struct {
	// Call is the name of the call, such as GET_STATE, or the path of a legacy endpoint.
	Call string
	// Err is why: as a rule from package transport.
	Err error
}

func (e *CallError) Error() string { return e.Call + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *CallError) Unwrap() error { return e.Err }

// ResponseError is an answer to another question than the one that was asked: there is something else than
// Mesos at the address, or something in between.
type ResponseError struct {
	// Type of the answer, as text.
	Type string
}

func (e *ResponseError) Error() string {
	return fmt.Sprintf("the answer is of type %s; is there a Mesos master or agent at this address, as the call needs?", e.Type)
}

// ErrNoLeader: no master leads at the moment, or none that is known does.
var ErrNoLeader = errors.New("no leading master")

// NotFoundError is a task, a file or a sandbox that Mesos does not know (any more). It matches fs.ErrNotExist.
type NotFoundError struct {
	// Kind and Name say what was looked for.
	Kind, Name string
	// Where it was looked for; may be "".
	Where string
}

func (e *NotFoundError) Error() string {
	text := fmt.Sprintf("no %s %q", e.Kind, e.Name)
	if e.Where != "" {
		text += " " + e.Where
	}
	return text
}

// Is matches fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

func callError(call string, err error) error {
	if err == nil {
		return nil
	}
	return &CallError{Call: call, Err: err}
}

// mayPass tells whether the same call may succeed later without any change.
func mayPass(err error) bool {
	var status *transport.StatusError
	if errors.As(err, &status) {
		return status.Temporary()
	}
	var exchange *transport.ExchangeError
	return errors.As(err, &exchange) || errors.Is(err, ErrNoLeader)
}
