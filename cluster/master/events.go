package master

import (
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// heartbeatEvent is the one HEARTBEAT that all frameworks get. Nobody changes it.
var heartbeatEvent = &schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT.Enum()}

func updateEvent(s *mesospb.TaskStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: s}}
}

func errorEvent(message string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_ERROR.Enum(), Error: &schedulerpb.Event_Error{Message: &message}}
}

func operationEvent(s *mesospb.OperationStatus) *schedulerpb.Event {
	return &schedulerpb.Event{
		Type:                  schedulerpb.Event_UPDATE_OPERATION_STATUS.Enum(),
		UpdateOperationStatus: &schedulerpb.Event_UpdateOperationStatus{Status: s},
	}
}
