package agent

// GET_LOGGING_LEVEL, SET_LOGGING_LEVEL and /logging/toggle: the level is remembered for its duration. What is logged is up to
// Config.Logger.

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/agentpb"
)

func (a *Agent) getLoggingLevel(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_LOGGING_LEVEL.Enum(), GetLoggingLevel: &agentpb.Response_GetLoggingLevel{Level: proto.Uint32(a.logLevel)}}, nil
}

func (a *Agent) setLoggingLevel(c *agentpb.Call) (*agentpb.Response, *problem) {
	a.setLogLevel(c.GetSetLoggingLevel().GetLevel(), time.Duration(c.GetSetLoggingLevel().GetDuration().GetNanoseconds()))
	return nil, nil
}

func (a *Agent) setLogLevel(level uint32, d time.Duration) {
	a.logTimer.Stop()
	a.logLevel = level
	a.logTimer = a.loop.After(d, func() { a.logLevel = 0 })
}

// legacyLogging tells the level, or sets it if level and duration are given.
func (a *Agent) legacyLogging(w http.ResponseWriter, r *http.Request) {
	level, d, set, ok := httpapi.LoggingToggle(w, r)
	if !ok {
		return
	}
	if !set {
		var now uint32
		if a.do(w, r, func() { now = a.logLevel }) {
			respondJSON(w, r, now)
		}
		return
	}
	if a.do(w, r, func() { a.setLogLevel(level, d) }) {
		httpapi.Empty(w, http.StatusOK)
	}
}

// containerizerDebug is GET /containerizer/debug: operations of the containerizer that hang, of which there are none.
func containerizerDebug(w http.ResponseWriter, r *http.Request) {
	respondJSON(w, r, object{{"pending", []object{}}})
}
