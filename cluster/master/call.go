package master

import (
	"fmt"
	"net/http"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// answer is the HTTP answer of a call: a status and, if it is not a 2xx, a text.
type answer struct {
	status int
	text   string
}

var accepted = answer{status: http.StatusAccepted}

// schedulerCalls are the calls of subscribed frameworks. Those with nil do not exist.
var schedulerCalls = map[schedulerpb.Call_Type]struct {
	// check needs no state. Its error becomes the text of a 400.
	check func(*schedulerpb.Call) error
	// run does it, on the loop.
	run func(*Master, *framework, *schedulerpb.Call) answer
}{
	schedulerpb.Call_TEARDOWN:                     {nil, (*Master).callTeardown},
	schedulerpb.Call_ACCEPT:                       {needs("accept", (*schedulerpb.Call).GetAccept), (*Master).callAccept},
	schedulerpb.Call_DECLINE:                      {needs("decline", (*schedulerpb.Call).GetDecline), (*Master).callDecline},
	schedulerpb.Call_ACCEPT_INVERSE_OFFERS:        {needs("accept_inverse_offers", (*schedulerpb.Call).GetAcceptInverseOffers), (*Master).callAcceptInverseOffers},
	schedulerpb.Call_DECLINE_INVERSE_OFFERS:       {needs("decline_inverse_offers", (*schedulerpb.Call).GetDeclineInverseOffers), (*Master).callDeclineInverseOffers},
	schedulerpb.Call_REVIVE:                       {nil, (*Master).callRevive},
	schedulerpb.Call_SUPPRESS:                     {nil, (*Master).callSuppress},
	schedulerpb.Call_KILL:                         {needs("kill", (*schedulerpb.Call).GetKill), (*Master).callKill},
	schedulerpb.Call_SHUTDOWN:                     {needs("shutdown", (*schedulerpb.Call).GetShutdown), (*Master).callShutdown},
	schedulerpb.Call_ACKNOWLEDGE:                  {checkAcknowledge, (*Master).callAcknowledge},
	schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS: {checkAcknowledgeOperation, (*Master).callAcknowledgeOperation},
	schedulerpb.Call_RECONCILE:                    {needs("reconcile", (*schedulerpb.Call).GetReconcile), (*Master).callReconcile},
	schedulerpb.Call_RECONCILE_OPERATIONS:         {needs("reconcile_operations", (*schedulerpb.Call).GetReconcileOperations), (*Master).callReconcileOperations},
	schedulerpb.Call_MESSAGE:                      {needs("message", (*schedulerpb.Call).GetMessage), (*Master).callMessage},
	schedulerpb.Call_REQUEST:                      {needs("request", (*schedulerpb.Call).GetRequest), (*Master).callRequest},
	schedulerpb.Call_UPDATE_FRAMEWORK:             {checkUpdateFramework, (*Master).callUpdateFramework},
}

// needs checks that the call has the part that belongs to its type.
func needs[P any](name string, get func(*schedulerpb.Call) *P) func(*schedulerpb.Call) error {
	return func(c *schedulerpb.Call) error {
		if get(c) == nil {
			return wireErrorf("Expecting '%s' to be present", name)
		}
		return nil
	}
}

// wireError is a text that goes out as Mesos writes it, capital first.
type wireError string

func (e wireError) Error() string { return string(e) }

func wireErrorf(format string, args ...any) error { return wireError(fmt.Sprintf(format, args...)) }

// validateCall checks what needs no state.
func validateCall(c *schedulerpb.Call) error {
	if c.Type == nil {
		return wireError("Expecting 'type' to be present")
	}
	if c.GetType() == schedulerpb.Call_SUBSCRIBE {
		return checkSubscribe(c)
	}
	if c.FrameworkId == nil {
		return wireError("Expecting 'framework_id' to be present")
	}
	if k := schedulerCalls[c.GetType()]; k.check != nil {
		return k.check(c)
	}
	return nil
}

// serveScheduler is /api/v1/scheduler. The checks and their order are those of docs/behaviour.md#transport.
func (m *Master) serveScheduler(w http.ResponseWriter, r *http.Request) {
	if !httpapi.RequirePOST(w, r) {
		return
	}
	var call schedulerpb.Call
	if !httpapi.ReadCall(w, r, &call) {
		return
	}
	caller := auth.FromContext(r.Context())
	err := validateCall(&call)
	if err == nil {
		err = adoptPrincipal(caller, &call)
	}
	if err != nil {
		httpapi.Error(w, http.StatusBadRequest, "Failed to validate scheduler::Call: "+err.Error())
		return
	}
	codec, acceptable := httpapi.Accept(r)
	switch call.GetType() {
	case schedulerpb.Call_SUBSCRIBE:
		if !acceptable {
			httpapi.NotAcceptable(w)
			return
		}
		m.serveSubscribe(w, r, &call, codec)
		return
	case schedulerpb.Call_RECONCILE_OPERATIONS:
		if !acceptable {
			httpapi.NotAcceptable(w)
			return
		}
	}
	got, passes, err := m.throttle(r.Context(), &call, caller)
	if passes {
		err = m.doLeading(r.Context(), func() { got = m.call(&call, r.Header["Mesos-Stream-Id"], caller) })
	}
	if err != nil {
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
		return
	}
	got.write(w)
}

// write sends the answer.
func (a answer) write(w http.ResponseWriter) {
	if a.status/100 == 2 {
		httpapi.Empty(w, a.status)
		return
	}
	httpapi.Error(w, a.status, a.text)
}

// call runs a call other than SUBSCRIBE.
func (m *Master) call(c *schedulerpb.Call, streamID []string, caller *auth.Principal) answer {
	id := c.GetFrameworkId().GetValue()
	f := m.frameworks[id]
	if f == nil {
		return answer{http.StatusBadRequest, "Framework cannot be found"}
	}
	if err := samePrincipal(caller, f.info.GetPrincipal()); err != nil {
		return badRequest(err)
	}
	switch {
	case !f.connected:
		return answer{http.StatusForbidden, "Framework is not subscribed"}
	case len(streamID) == 0:
		return answer{http.StatusBadRequest, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"}
	case streamID[0] != f.streamID:
		return answer{http.StatusBadRequest, fmt.Sprintf(
			"The stream ID '%s' included in this request didn't match the stream ID currently associated with framework ID %s", streamID[0], id)}
	}
	f.counts.call(c.GetType())
	k := schedulerCalls[c.GetType()]
	if k.run == nil {
		return answer{http.StatusNotImplemented, ""}
	}
	return k.run(m, f, c)
}
