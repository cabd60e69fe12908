package agent

// The executor API, POST /api/v1/executor, in the order of docs/behaviour.md#transport:
//
//	405 not a POST, 400 no Content-Type, 415 another one, 400 a body that is no Call,
//	400 "Failed to validate executor::Call: …", 406 for SUBSCRIBE if Accept admits no media type,
//	202 HEARTBEAT, 503 for all but SUBSCRIBE while the agent recovers, 400 unknown framework, 400 unknown executor, 403 not subscribed,
//	200 SUBSCRIBE with its stream, 202 other calls, 501 unknown type.
//
// Calls are implemented in call_*.go.

import (
	"bytes"
	"net/http"

	"github.com/google/uuid"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// problem is an answer that is not a 2xx.
type problem struct {
	status int
	text   string
}

func (a *Agent) executorAPI(w http.ResponseWriter, r *http.Request) {
	if !httpapi.RequirePOST(w, r) {
		return
	}
	call := &executorpb.Call{}
	if !httpapi.ReadCall(w, r, call) {
		return
	}
	if text := validateExecutorCall(call); text != "" {
		httpapi.Error(w, http.StatusBadRequest, "Failed to validate executor::Call: "+text)
		return
	}
	switch call.GetType() {
	case executorpb.Call_SUBSCRIBE:
		c, ok := httpapi.Accept(r)
		if !ok {
			httpapi.NotAcceptable(w)
			return
		}
		a.serveSubscribe(w, r, call, c)
		return
	case executorpb.Call_HEARTBEAT: // keeps proxies from closing the connection; nothing to do
		httpapi.Empty(w, http.StatusAccepted)
		return
	}
	var p *problem
	if !a.do(w, r, func() { p = a.executorCall(call, auth.FromContext(r.Context())) }) {
		return
	}
	if p != nil {
		httpapi.Error(w, p.status, p.text)
		return
	}
	httpapi.Empty(w, http.StatusAccepted)
}

// findExecutor returns the executor that a call is from.
func (a *Agent) findExecutor(call *executorpb.Call) (*executor, *problem) {
	f := a.frameworks[call.GetFrameworkId().GetValue()]
	if f == nil {
		return nil, &problem{http.StatusBadRequest, "Framework cannot be found"}
	}
	e := f.executors[call.GetExecutorId().GetValue()]
	if e == nil {
		return nil, &problem{http.StatusBadRequest, "Executor cannot be found"}
	}
	return e, nil
}

// executorCall handles all calls but SUBSCRIBE and HEARTBEAT, on the loop.
func (a *Agent) executorCall(call *executorpb.Call, by *auth.Principal) *problem {
	if a.recovering.Load() {
		return &problem{http.StatusServiceUnavailable, "Agent has not finished recovery"}
	}
	e, p := a.findExecutor(call)
	if p == nil {
		p = checkClaims(by, e)
	}
	if p != nil {
		return p
	}
	if e.state == executorRegistering || e.kind != customKind {
		return &problem{http.StatusForbidden, "Executor is not subscribed"}
	}
	switch call.GetType() {
	case executorpb.Call_UPDATE: // call_update.go
		a.callUpdate(e, call.GetUpdate())
	case executorpb.Call_MESSAGE: // call_message.go
		a.callMessage(e, call.GetMessage())
	default:
		return &problem{http.StatusNotImplemented, ""}
	}
	return nil
}

// serveSubscribe answers SUBSCRIBE with the stream of events.
func (a *Agent) serveSubscribe(w http.ResponseWriter, r *http.Request, call *executorpb.Call, c codec.Codec) {
	stream := httpapi.NewStream(c)
	info := httpapi.StreamInfo{API: "executor", Framework: call.GetFrameworkId().GetValue(), Executor: call.GetExecutorId().GetValue()}
	var p *problem
	if !a.do(w, r, func() {
		p = a.callSubscribe(call, stream, auth.FromContext(r.Context()))
		if f := a.frameworks[info.Framework]; f != nil {
			info.Name = f.info.GetName()
		}
	}) {
		return
	}
	if p != nil {
		httpapi.Error(w, p.status, p.text)
		return
	}
	stream.ServeAs(r.Context(), w, info)
	a.loop.Enter("end of "+loop.Key(r.Context()), func() { a.streamEnded(call, stream) })
}

// validateExecutorCall returns what is wrong with a call, "" if nothing is.
func validateExecutorCall(c *executorpb.Call) string {
	switch {
	case c.Type == nil:
		return "Expecting 'type' to be present"
	case c.GetExecutorId() == nil:
		return "Expecting 'executor_id' to be present"
	case c.GetFrameworkId() == nil:
		return "Expecting 'framework_id' to be present"
	}
	switch c.GetType() {
	case executorpb.Call_SUBSCRIBE:
		if c.GetSubscribe() == nil {
			return "Expecting 'subscribe' to be present"
		}
	case executorpb.Call_UPDATE:
		if c.GetUpdate() == nil {
			return "Expecting 'update' to be present"
		}
		return validateUpdate(c, c.GetUpdate().GetStatus())
	case executorpb.Call_MESSAGE:
		if c.GetMessage() == nil {
			return "Expecting 'message' to be present"
		}
	}
	return ""
}

// validateUpdate checks the status of an UPDATE.
func validateUpdate(c *executorpb.Call, s *mesospb.TaskStatus) string {
	switch id := s.GetUuid(); {
	case s.Uuid == nil:
		return "Expecting 'uuid' to be present"
	case !validUUID(id):
		return "Not a valid UUID"
	}
	if s.GetExecutorId() != nil && s.GetExecutorId().GetValue() != c.GetExecutorId().GetValue() {
		return "ExecutorID in Call: " + c.GetExecutorId().GetValue() + " does not match ExecutorID in TaskStatus: " + s.GetExecutorId().GetValue()
	}
	if s.GetSource() != mesospb.TaskStatus_SOURCE_EXECUTOR {
		return "Received Call from executor " + c.GetExecutorId().GetValue() + " of framework " + c.GetFrameworkId().GetValue() +
			" with invalid source, expecting 'SOURCE_EXECUTOR'"
	}
	if s.GetState() == mesospb.TaskState_TASK_STAGING {
		return "Received TASK_STAGING from executor " + c.GetExecutorId().GetValue() + " of framework " + c.GetFrameworkId().GetValue() + " which is not allowed"
	}
	return validateCheckStatus(s.GetCheckStatus())
}

// validUUID reports whether bytes are a UUID of a variant and version that exist.
func validUUID(b []byte) bool {
	if len(b) != 16 {
		return false
	}
	id, err := uuid.FromBytes(b)
	if err != nil {
		return false
	}
	if bytes.Equal(b, make([]byte, 16)) {
		return true
	}
	v := id.Version()
	return id.Variant() == uuid.RFC4122 && v >= 1 && v <= 5
}

// validateCheckStatus checks that a check status is of the type that it says.
func validateCheckStatus(s *mesospb.CheckStatusInfo) string {
	if s == nil {
		return ""
	}
	if s.Type == nil {
		return "CheckStatusInfo must specify 'type'"
	}
	switch s.GetType() {
	case mesospb.CheckInfo_COMMAND:
		if s.GetCommand() == nil {
			return "Expecting 'command' to be set for COMMAND check's status"
		}
	case mesospb.CheckInfo_HTTP:
		if s.GetHttp() == nil {
			return "Expecting 'http' to be set for HTTP check's status"
		}
	case mesospb.CheckInfo_TCP:
		if s.GetTcp() == nil {
			return "Expecting 'tcp' to be set for TCP check's status"
		}
	default:
		return "'" + s.GetType().String() + "' is not a valid check's status type"
	}
	return ""
}
