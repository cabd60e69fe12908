package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/mesokit/mesokit/internal/httpguard"
	"github.com/mesokit/mesokit/mesos/duration"
)

// LoggingToggle reads a request to /logging/toggle, of a master or an agent: without parameters it asks for the level, and set is false;
// with level and duration it sets it. Bad parameters are answered here, as Mesos does, and ok is false then.
func LoggingToggle(w http.ResponseWriter, r *http.Request) (level uint32, d time.Duration, set, ok bool) {
	q := r.URL.Query()
	if !q.Has("level") && !q.Has("duration") {
		return 0, 0, false, true
	}
	if httpguard.Foreign(r) {
		Error(w, http.StatusForbidden, "The level is not set for pages of other origins")
		return 0, 0, true, false
	}
	n, err := strconv.ParseUint(q.Get("level"), 10, 8)
	if err != nil || n > 3 {
		Error(w, http.StatusBadRequest, "Invalid level '"+q.Get("level")+"'.\n")
		return 0, 0, true, false
	}
	if d, err = duration.Parse(q.Get("duration")); err != nil {
		Error(w, http.StatusBadRequest, "Invalid duration '"+q.Get("duration")+"'.\n")
		return 0, 0, true, false
	}
	return uint32(n), d, true, true
}
