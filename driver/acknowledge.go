package driver

import (
	"bytes"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// ownAcknowledgement returns the acknowledgement of a status that shares nothing with it, as the callback may change what it gets; nil
// if none is due. One allocation holds it all: there is one for every update.
func ownAcknowledgement(status *mesospb.TaskStatus) *schedulerpb.Call {
	call := scheduler.Acknowledge(status)
	if call == nil {
		return nil
	}
	var own struct {
		call        schedulerpb.Call
		acknowledge schedulerpb.Call_Acknowledge
		agent       mesospb.AgentID
		task        mesospb.TaskID
		agentValue  string
		taskValue   string
	}
	own.agentValue, own.taskValue = status.GetAgentId().GetValue(), status.GetTaskId().GetValue()
	own.agent.Value, own.task.Value = &own.agentValue, &own.taskValue
	own.acknowledge.AgentId, own.acknowledge.TaskId = &own.agent, &own.task
	own.acknowledge.Uuid = bytes.Clone(status.GetUuid())
	own.call.Type, own.call.Acknowledge = call.Type, &own.acknowledge
	return &own.call
}

// ownOperationAcknowledgement is the same for an operation.
func ownOperationAcknowledgement(status *mesospb.OperationStatus) *schedulerpb.Call {
	return proto.CloneOf(scheduler.AcknowledgeOperationStatus(status))
}
