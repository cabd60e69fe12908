package core

import (
	"errors"
	"fmt"
)

// Errors that commands are refused with; errors.Is finds them in a Reply.
var (
	// ErrNoApp: no application of that name.
	ErrNoApp = errors.New("no such application")
	// ErrNoInstance: the application has no such instance.
	ErrNoInstance = errors.New("no such instance")
	// ErrNoTask: no such task.
	ErrNoTask = errors.New("no such task")
	// ErrNoDeployment: the application has no deployment under way, or it is not in a state for this command.
	ErrNoDeployment = errors.New("no deployment to do this with")
	// ErrNoVersion: the application has no such version, or it is not kept.
	ErrNoVersion = errors.New("no such version")
	// ErrStalled: the deployment has stopped because of failures; Force goes on all the same.
	ErrStalled = errors.New("the deployment is stalled")
	// ErrDeploying: a deployment of the application is under way; Force or a rollback ends it.
	ErrDeploying = errors.New("a deployment is under way")
	// ErrRemoving: the application or the whole framework is being removed.
	ErrRemoving = errors.New("being removed")
	// ErrGuarded: the engine refuses to act until it is told what to do about a framework that it does not remember.
	ErrGuarded = errors.New("the stored state does not belong to this framework")
	// ErrNotGuarded: there is nothing to resolve.
	ErrNotGuarded = errors.New("nothing to resolve")
	// ErrAside: the application's stored records do not fit together; see Aside.
	ErrAside = errors.New("set aside")
	// ErrInvalid: the command makes no sense.
	ErrInvalid = errors.New("invalid command")
)

// RecordError says which stored record can't be used, and why.
type RecordError struct {
	Key   string // of the record, "" if not known here
	Field string // what is wrong in it, "" for the whole
	Value string // what is there
	Want  string // what was expected
	Err   error  // cause, may be nil
}

// Error names the record, the field and the value.
func (e *RecordError) Error() string {
	msg := "stored record"
	if e.Key != "" {
		msg += fmt.Sprintf(" %q", e.Key)
	}
	if e.Field != "" {
		msg += fmt.Sprintf(": %s is %q", e.Field, e.Value)
	}
	if e.Want != "" {
		msg += ", want " + e.Want
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Err }
