package driver

import (
	"errors"
	"fmt"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Errors of both drivers.
var (
	// ErrDisconnected is a call that was not sent, because there is no subscription at the moment: wait for Registered or Reregistered.
	// Tasks of such a call are answered with TASK_LOST or TASK_DROPPED.
	ErrDisconnected = scheduler.ErrDisconnected
	// ErrInCallback is Join or Run called inside a callback, which would wait for its own end.
	ErrInCallback = errors.New("cannot wait for the end of callbacks inside a callback; call Stop or Abort and return")
	// ErrImplicitAcknowledgements is an acknowledgement that the driver gives by itself.
	ErrImplicitAcknowledgements = errors.New("the driver acknowledges by itself; set DriverConfig.ExplicitAcknowledgements to do it yourself")
)

// StateError is a method that the status of the driver does not allow; it did nothing.
type StateError struct {
	// Op is the method.
	Op string
	// Status of the driver when it was called.
	Status mesospb.Status
}

func (e *StateError) Error() string {
	hint := "want DRIVER_RUNNING; make a new driver to go on"
	switch {
	case e.Status == mesospb.Status_DRIVER_NOT_STARTED:
		hint = "call Start or Run first"
	case e.Op == opStart.String() && e.Status == mesospb.Status_DRIVER_RUNNING:
		hint = "it is started once"
	}
	return fmt.Sprintf("%s: the driver is %v; %s", e.Op, e.Status, hint)
}

// ConfigError is a field of a configuration that makes no sense.
type ConfigError struct {
	// Field by name, such as "DriverConfig.Master".
	Field string
	// Err says what is wrong and what to do.
	Err error
}

func (e *ConfigError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }
