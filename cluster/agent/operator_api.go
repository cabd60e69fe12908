package agent

// The operator API, POST /api/v1, in the order of docs/behaviour.md#transport:
//
//	503 while the agent recovers, 405 not a POST, 400 no Content-Type, 415 another one, 400 a body that is no Call,
//	400 "Failed to validate agent::Call: …", 406 if Accept admits no media type, 501 what the
//	embedded agent cannot do, 200 with the Response of the call's type.
//
// Reading calls are in the table below; containers are in op_container.go and op_attach.go, files
// in op_files.go.

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
)

// operatorCall is a call that answers at once, on the loop.
type operatorCall func(*Agent, *agentpb.Call) (*agentpb.Response, *problem)

// operatorCalls is the table of calls that are answered on the loop.
var operatorCalls = map[agentpb.Call_Type]operatorCall{
	agentpb.Call_GET_HEALTH:             (*Agent).getHealth,
	agentpb.Call_GET_FLAGS:              (*Agent).getFlags,
	agentpb.Call_GET_VERSION:            (*Agent).getVersion,
	agentpb.Call_GET_METRICS:            (*Agent).getMetrics,
	agentpb.Call_GET_LOGGING_LEVEL:      (*Agent).getLoggingLevel,
	agentpb.Call_SET_LOGGING_LEVEL:      (*Agent).setLoggingLevel,
	agentpb.Call_GET_STATE:              (*Agent).getState,
	agentpb.Call_GET_TASKS:              (*Agent).getTasks,
	agentpb.Call_GET_EXECUTORS:          (*Agent).getExecutors,
	agentpb.Call_GET_FRAMEWORKS:         (*Agent).getFrameworks,
	agentpb.Call_GET_AGENT:              (*Agent).getAgent,
	agentpb.Call_GET_OPERATIONS:         (*Agent).getOperations,
	agentpb.Call_GET_RESOURCE_PROVIDERS: (*Agent).getResourceProviders,
	agentpb.Call_PRUNE_IMAGES:           (*Agent).pruneImages,

	agentpb.Call_ADD_RESOURCE_PROVIDER_CONFIG:    (*Agent).addResourceProvider,
	agentpb.Call_UPDATE_RESOURCE_PROVIDER_CONFIG: (*Agent).updateResourceProvider,
	agentpb.Call_REMOVE_RESOURCE_PROVIDER_CONFIG: (*Agent).removeResourceProvider,
	agentpb.Call_MARK_RESOURCE_PROVIDER_GONE:     (*Agent).markResourceProviderGone,
}

func (a *Agent) operatorAPI(w http.ResponseWriter, r *http.Request) {
	if a.recovering.Load() {
		httpapi.Error(w, http.StatusServiceUnavailable, "Agent has not finished recovery")
		return
	}
	if !httpapi.RequirePOST(w, r) {
		return
	}
	call := &agentpb.Call{}
	if isStreaming(r) {
		a.attachInput(w, r)
		return
	}
	if !httpapi.ReadCall(w, r, call) {
		return
	}
	if text := validateOperatorCall(call); text != "" {
		httpapi.Error(w, http.StatusBadRequest, "Failed to validate agent::Call: "+text)
		return
	}
	if a.forbid(w, r, func(p *auth.Principal) bool { return a.mayCall(p, call) }) {
		return
	}
	if a.serveStreamingCall(w, r, call) { // answers with a stream, if Accept asks for one
		return
	}
	c, ok := httpapi.Accept(r)
	if !ok {
		httpapi.NotAcceptable(w)
		return
	}
	if f, ok := operatorCalls[call.GetType()]; ok {
		var resp *agentpb.Response
		var p *problem
		if a.do(w, r, func() { resp, p = f(a, call) }) {
			respond(w, r, c, resp, p)
		}
		return
	}
	switch call.GetType() {
	case agentpb.Call_LIST_FILES:
		resp, p := a.listFiles(call)
		respond(w, r, c, resp, p)
	case agentpb.Call_READ_FILE:
		resp, p := a.readFile(call)
		respond(w, r, c, resp, p)
	default:
		if !a.serveContainerCall(w, r, c, call) {
			httpapi.Error(w, http.StatusNotImplemented, "The embedded agent does not implement "+call.GetType().String())
		}
	}
}

// respond answers with a response, a problem, or nothing at all, which is 200 without a body.
func respond(w http.ResponseWriter, r *http.Request, c codec.Codec, resp *agentpb.Response, p *problem) {
	switch {
	case p != nil:
		httpapi.Error(w, p.status, p.text)
	case resp == nil:
		httpapi.Empty(w, http.StatusOK)
	default:
		httpapi.Respond(w, r, c, resp)
	}
}

// validateOperatorCall returns what is wrong with a call, "" if nothing is. Calls with content have it in
// the field of their name.
func validateOperatorCall(c *agentpb.Call) string {
	if c.Type == nil {
		return "Expecting 'type' to be present"
	}
	name := strings.ToLower(c.GetType().String())
	if c.GetType() == agentpb.Call_GET_CONTAINERS {
		return "" // the only one whose content is optional
	}
	m := c.ProtoReflect()
	field := m.Descriptor().Fields().ByName(protoName(name))
	if field != nil && !m.Has(field) {
		return "Expecting '" + name + "' to be present"
	}
	return validateContainerCall(c)
}

func clone[M proto.Message](m M) M { return proto.CloneOf(m) }
