package master

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// route serves one endpoint of the master.
type route struct {
	path string
	// leader: a master that does not lead redirects to the one that does.
	leader bool
	// exact: paths below are not found; otherwise they are served too, as libprocess does it.
	exact bool
	serve func(*Master, http.ResponseWriter, *http.Request)
}

// routes is looked through from the top: longer paths come first. Each path is served below /master too.
var routes = []route{
	{path: "/api/v1/scheduler", leader: true, serve: (*Master).serveScheduler},
	{path: "/api/v1", leader: true, serve: (*Master).serveOperator},
	{path: "/health", serve: serveHealth},
	{path: "/help", serve: (*Master).serveHelp},
	{path: "/redirect", exact: true, serve: (*Master).serveRedirect},
	{path: "/version", serve: (*Master).serveVersion},
	{path: "/flags", serve: (*Master).serveFlags},
	{path: "/files", serve: (*Master).serveFiles},
	{path: "/logging/toggle", serve: (*Master).serveLogging},
	{path: "/metrics/snapshot", serve: (*Master).serveMetrics},
	{path: "/state.json", leader: true, serve: (*Master).serveState},
	{path: "/state-summary", leader: true, serve: (*Master).serveStateSummary},
	{path: "/state", leader: true, serve: (*Master).serveState},
	{path: "/slaves", leader: true, serve: (*Master).serveAgents},
	{path: "/frameworks", leader: true, serve: (*Master).serveFrameworks},
	{path: "/tasks.json", leader: true, serve: (*Master).serveTasks},
	{path: "/tasks", leader: true, serve: (*Master).serveTasks},
	{path: "/roles.json", leader: true, serve: (*Master).serveRoles},
	{path: "/roles", leader: true, serve: (*Master).serveRoles},
	{path: "/teardown", leader: true, serve: (*Master).serveTeardown},
	{path: "/reserve", leader: true, serve: (*Master).serveReserve},
	{path: "/unreserve", leader: true, serve: (*Master).serveUnreserve},
	{path: "/create-volumes", leader: true, serve: (*Master).serveCreateVolumes},
	{path: "/destroy-volumes", leader: true, serve: (*Master).serveDestroyVolumes},
	{path: "/quota", leader: true, serve: (*Master).serveQuota},
	{path: "/weights", leader: true, serve: (*Master).serveWeights},
	{path: "/machine/up", leader: true, serve: (*Master).serveMachineUp},
	{path: "/machine/down", leader: true, serve: (*Master).serveMachineDown},
	{path: "/maintenance/schedule", leader: true, serve: (*Master).serveMaintenanceSchedule},
	{path: "/registrar(1)/registry", exact: true, serve: (*Master).serveRegistry},
	{path: "/maintenance/status", leader: true, serve: (*Master).serveMaintenanceStatus},
}

// serveHTTP finds the endpoint.
func (m *Master) serveHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, "/master"); ok && (rest == "" || rest[0] == '/') {
		path = rest
	}
	for i := range routes {
		rt := &routes[i]
		rest, ok := strings.CutPrefix(path, rt.path)
		if !ok || rest != "" && (rest[0] != '/' || rt.exact) {
			continue
		}
		if r = m.authenticate(w, r, rt.path, path); r == nil {
			return
		}
		if rt.leader && !m.leads() {
			m.redirect(w, r, "/master"+path)
			return
		}
		rt.serve(m, w, r)
		return
	}
	httpapi.Empty(w, http.StatusNotFound)
}

// redirect answers 307 to where the leader serves path, or 503 if nobody leads. The location has no scheme, so
// that it works with and without TLS.
func (m *Master) redirect(w http.ResponseWriter, r *http.Request, path string) {
	leader := m.leader.Load()
	if leader == nil {
		httpapi.Error(w, http.StatusServiceUnavailable, "No leader elected")
		return
	}
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", "//"+leaderAddress(leader)+path)
	httpapi.Empty(w, http.StatusTemporaryRedirect)
}

// serveHelp is a page for people that lists the endpoints.
func (m *Master) serveHelp(w http.ResponseWriter, _ *http.Request) {
	page := "<!DOCTYPE html>\n<title>Help</title>\n<h1>Endpoints of this master</h1>\n<ul>\n"
	for _, path := range m.endpoints {
		page += "<li>" + path + "</li>\n"
	}
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, page+"</ul>\n")
}

func serveHealth(_ *Master, w http.ResponseWriter, _ *http.Request) { httpapi.Empty(w, http.StatusOK) }

// serveRedirect sends browsers to the leader, be it this master.
func (m *Master) serveRedirect(w http.ResponseWriter, r *http.Request) { m.redirect(w, r, "") }

// leaderAddress is the host:port that redirects name.
func leaderAddress(info *mesospb.MasterInfo) string {
	return net.JoinHostPort(info.GetHostname(), strconv.FormatUint(uint64(info.GetPort()), 10))
}

// serveFiles is /files/browse, /files/read, /files/download and /files/debug. The embedded master attaches its
// log file, if it has one.
func (m *Master) serveFiles(w http.ResponseWriter, r *http.Request) {
	m.fileMux.ServeHTTP(w, r)
}

// serveLogging is /logging/toggle: without parameters it tells the level, with level and duration it sets it.
func (m *Master) serveLogging(w http.ResponseWriter, r *http.Request) {
	level, d, set, ok := httpapi.LoggingToggle(w, r)
	if !ok {
		return
	}
	if !set {
		var now uint32
		if err := m.loop.Do(r.Context(), func() { now = m.logLevel }); err != nil {
			httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
			return
		}
		writeJSON(w, r, now)
		return
	}
	if err := m.loop.Do(r.Context(), func() { m.setLogLevel(level, d) }); err != nil {
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
		return
	}
	httpapi.Empty(w, http.StatusOK)
}
