package agent

import (
	"context"
	"net"
	"net/http"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
)

// prefix is the name under which all endpoints are served a second time, as Mesos serves those of a
// process.
const prefix = "/slave(1)"

// endpoints returns the handler of all endpoints, without a name before their paths.
func (a *Agent) endpoints() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/executor", a.executorAPI)
	mux.HandleFunc("/api/v1/executor/", a.executorAPI)
	mux.HandleFunc("/api/v1", a.operatorAPI)
	mux.HandleFunc("/api/v1/", a.operatorAPI) // unknown paths below are the API itself, as in Mesos
	mux.HandleFunc("/health", health)
	mux.HandleFunc("/version", legacyVersion)
	mux.HandleFunc("/flags", a.legacyFlags)
	mux.HandleFunc("/state", a.legacyState)
	mux.HandleFunc("/state.json", a.legacyState)
	mux.HandleFunc("/metrics/snapshot", a.legacyMetrics)
	mux.HandleFunc("/containers", a.legacyContainers(true))
	mux.HandleFunc("/monitor/statistics", a.legacyContainers(false))
	mux.HandleFunc("/monitor/statistics.json", a.legacyContainers(false))
	mux.HandleFunc("/containerizer/debug", containerizerDebug)
	mux.HandleFunc("/logging/toggle", a.legacyLogging)
	a.files.Register(mux)
	handler := a.authenticated(mux)
	if a.cfg.Middleware != nil {
		handler = a.cfg.Middleware(handler)
	}
	return handler
}

// serve serves the endpoints on l until the agent ends.
func (a *Agent) serve(l net.Listener) {
	mux := a.endpoints()
	outer := http.NewServeMux()
	outer.Handle("/", mux)
	outer.Handle(prefix+"/", http.StripPrefix(prefix, mux))
	ctx, cancel := context.WithCancel(a.ctx)
	server := httpapi.Server(a.counted(outer), httpapi.Known(a.cfg.Hostname, a.cfg.Hosts))
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	a.requests.Lock()
	a.server, a.stopRequests, a.requests.closed = server, cancel, false
	a.requests.Unlock()
	a.work.Go(func() { _ = server.Serve(l) })
}

// counted lets Close wait for the requests that are being served.
func (a *Agent) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Lock()
		closed := a.requests.closed
		if !closed {
			a.requests.Add(1)
		}
		a.requests.Unlock()
		if closed {
			httpapi.Error(w, http.StatusServiceUnavailable, "Agent is shutting down")
			return
		}
		defer a.requests.Done()
		if a.loop.Ordered() {
			r = httpapi.WithKey(r)
		}
		h.ServeHTTP(w, r)
	})
}

// do runs f on the loop for a request. It answers 503 and reports false if the agent has ended.
func (a *Agent) do(w http.ResponseWriter, r *http.Request, f func()) bool {
	p := auth.FromContext(r.Context())
	err := a.loop.Do(r.Context(), func() {
		a.caller = caller{true, p}
		defer func() { a.caller = caller{} }()
		f()
	})
	if err != nil {
		httpapi.Error(w, http.StatusServiceUnavailable, "Agent is shutting down")
		return false
	}
	return true
}
