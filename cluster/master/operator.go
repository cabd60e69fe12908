package master

//lint:file-ignore SA1019 deprecated fields and calls are part of what a master serves

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

// operatorCall is a call of the operator API.
type operatorCall struct {
	// part is the name of the field that must be there; empty if the call consists of its type.
	part string
	get  func(*masterpb.Call) proto.Message
	// read answers with a response, write with a status; one of them is set.
	read  func(*Master, *masterpb.Call) (*masterpb.Response, answer)
	write func(*Master, *masterpb.Call) answer
}

var ok = answer{status: http.StatusOK}

// reading makes the entry of a call that just asks.
func reading(read func(*Master) *masterpb.Response) operatorCall {
	return operatorCall{read: func(m *Master, _ *masterpb.Call) (*masterpb.Response, answer) { return read(m), ok }}
}

// writing makes the entry of a call that has a part and is answered with a status.
func writing[P proto.Message](part string, get func(*masterpb.Call) P, write func(*Master, P) answer) operatorCall {
	return operatorCall{
		part: part, get: func(c *masterpb.Call) proto.Message { return get(c) },
		write: func(m *Master, c *masterpb.Call) answer { return write(m, get(c)) },
	}
}

// operatorCalls are all calls but SUBSCRIBE.
var operatorCalls = map[masterpb.Call_Type]operatorCall{
	masterpb.Call_GET_HEALTH:        reading((*Master).opGetHealth),
	masterpb.Call_GET_FLAGS:         reading((*Master).opGetFlags),
	masterpb.Call_GET_VERSION:       reading((*Master).opGetVersion),
	masterpb.Call_GET_METRICS:       {part: "get_metrics", get: func(c *masterpb.Call) proto.Message { return c.GetGetMetrics() }, read: (*Master).opGetMetrics},
	masterpb.Call_GET_LOGGING_LEVEL: reading((*Master).opGetLoggingLevel),
	masterpb.Call_SET_LOGGING_LEVEL: writing("set_logging_level", (*masterpb.Call).GetSetLoggingLevel, (*Master).opSetLoggingLevel),
	masterpb.Call_LIST_FILES:        {part: "list_files", get: func(c *masterpb.Call) proto.Message { return c.GetListFiles() }, read: (*Master).opListFiles},
	masterpb.Call_READ_FILE:         {part: "read_file", get: func(c *masterpb.Call) proto.Message { return c.GetReadFile() }, read: (*Master).opReadFile},
	masterpb.Call_GET_STATE:         reading((*Master).opGetState),
	masterpb.Call_GET_AGENTS:        reading((*Master).opGetAgents),
	masterpb.Call_GET_FRAMEWORKS:    reading((*Master).opGetFrameworks),
	masterpb.Call_GET_EXECUTORS:     reading((*Master).opGetExecutors),
	masterpb.Call_GET_OPERATIONS:    reading((*Master).opGetOperations),
	masterpb.Call_GET_TASKS:         reading((*Master).opGetTasks),
	masterpb.Call_GET_ROLES:         reading((*Master).opGetRoles),
	masterpb.Call_GET_WEIGHTS:       reading((*Master).opGetWeights),
	masterpb.Call_GET_MASTER:        reading((*Master).opGetMaster),
	masterpb.Call_TEARDOWN:          writing("teardown", (*masterpb.Call).GetTeardown, (*Master).opTeardown),

	masterpb.Call_UPDATE_WEIGHTS: writing("update_weights", (*masterpb.Call).GetUpdateWeights, (*Master).opUpdateWeights),
	masterpb.Call_GET_QUOTA:      reading((*Master).opGetQuota),
	masterpb.Call_UPDATE_QUOTA:   writing("update_quota", (*masterpb.Call).GetUpdateQuota, (*Master).opUpdateQuota),
	masterpb.Call_SET_QUOTA:      writing("set_quota", (*masterpb.Call).GetSetQuota, (*Master).opSetQuota),
	masterpb.Call_REMOVE_QUOTA:   writing("remove_quota", (*masterpb.Call).GetRemoveQuota, (*Master).opRemoveQuota),

	masterpb.Call_RESERVE_RESOURCES:   writing("reserve_resources", (*masterpb.Call).GetReserveResources, (*Master).opReserve),
	masterpb.Call_UNRESERVE_RESOURCES: writing("unreserve_resources", (*masterpb.Call).GetUnreserveResources, (*Master).opUnreserve),
	masterpb.Call_CREATE_VOLUMES:      writing("create_volumes", (*masterpb.Call).GetCreateVolumes, (*Master).opCreateVolumes),
	masterpb.Call_DESTROY_VOLUMES:     writing("destroy_volumes", (*masterpb.Call).GetDestroyVolumes, (*Master).opDestroyVolumes),
	masterpb.Call_GROW_VOLUME:         writing("grow_volume", (*masterpb.Call).GetGrowVolume, (*Master).opGrowVolume),
	masterpb.Call_SHRINK_VOLUME:       writing("shrink_volume", (*masterpb.Call).GetShrinkVolume, (*Master).opShrinkVolume),

	masterpb.Call_GET_MAINTENANCE_STATUS:      reading((*Master).opGetMaintenanceStatus),
	masterpb.Call_GET_MAINTENANCE_SCHEDULE:    reading((*Master).opGetMaintenanceSchedule),
	masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE: writing("update_maintenance_schedule", (*masterpb.Call).GetUpdateMaintenanceSchedule, (*Master).opUpdateMaintenanceSchedule),
	masterpb.Call_START_MAINTENANCE:           writing("start_maintenance", (*masterpb.Call).GetStartMaintenance, (*Master).opStartMaintenance),
	masterpb.Call_STOP_MAINTENANCE:            writing("stop_maintenance", (*masterpb.Call).GetStopMaintenance, (*Master).opStopMaintenance),

	masterpb.Call_DRAIN_AGENT:      writing("drain_agent", (*masterpb.Call).GetDrainAgent, (*Master).opDrainAgent),
	masterpb.Call_DEACTIVATE_AGENT: writing("deactivate_agent", (*masterpb.Call).GetDeactivateAgent, (*Master).opDeactivateAgent),
	masterpb.Call_REACTIVATE_AGENT: writing("reactivate_agent", (*masterpb.Call).GetReactivateAgent, (*Master).opReactivateAgent),
	masterpb.Call_MARK_AGENT_GONE:  writing("mark_agent_gone", (*masterpb.Call).GetMarkAgentGone, (*Master).opMarkAgentGone),
}

// serveOperator is /api/v1: checked like the scheduler's endpoint, but all calls need an acceptable Accept.
func (m *Master) serveOperator(w http.ResponseWriter, r *http.Request) {
	if !httpapi.RequirePOST(w, r) {
		return
	}
	var call masterpb.Call
	if !httpapi.ReadCall(w, r, &call) {
		return
	}
	if err := validateOperatorCall(&call); err != nil {
		httpapi.Error(w, http.StatusBadRequest, "Failed to validate master::Call: "+err.Error())
		return
	}
	cd, acceptable := httpapi.Accept(r)
	if !acceptable {
		httpapi.NotAcceptable(w)
		return
	}
	cd = operatorCodec(cd)
	if call.GetType() == masterpb.Call_SUBSCRIBE {
		m.serveSubscribeOperator(w, r, cd)
		return
	}
	m.runOperatorCall(w, r, &call, cd)
}

func validateOperatorCall(c *masterpb.Call) error {
	if c.Type == nil {
		return wireError("Expecting 'type' to be present")
	}
	if k := operatorCalls[c.GetType()]; k.part != "" && !k.get(c).ProtoReflect().IsValid() {
		return wireErrorf("Expecting '%s' to be present", k.part)
	}
	return nil
}

// runOperatorCall runs a call on the loop and answers it.
func (m *Master) runOperatorCall(w http.ResponseWriter, r *http.Request, call *masterpb.Call, cd codec.Codec) {
	k := operatorCalls[call.GetType()]
	if k.read == nil && k.write == nil {
		httpapi.Error(w, http.StatusNotImplemented, "")
		return
	}
	var response *masterpb.Response
	var got answer
	err := m.doFor(r, func() {
		m.caller.protobuf = isProtobuf(cd)
		response, got = m.operatorCall(k, call)
	})
	switch {
	case err != nil:
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
	case response != nil:
		httpapi.Respond(w, r, cd, response)
	default:
		got.write(w)
	}
}

func isProtobuf(cd codec.Codec) bool { return cd.MediaType() == codec.MediaTypeProtobuf }

// operatorCall runs a call on the loop.
func (m *Master) operatorCall(k operatorCall, call *masterpb.Call) (*masterpb.Response, answer) {
	if response, got, granted := m.guard(call.GetType()); !granted {
		return response, got
	}
	if k.read != nil {
		return k.read(m, call)
	}
	return nil, m.durable(k.write(m, call))
}

// badRequest answers 400 with an error's text.
func badRequest(err error) answer { return answer{http.StatusBadRequest, err.Error()} }
