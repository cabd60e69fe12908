package agent

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
)

// Host serves the HTTP endpoints of any number of agents at one address, each under the name of its process, /slave(1),
// /slave(2) and so on, as libprocess serves several agents of one program. An agent costs nothing here until it is asked. Executors that
// are processes look for their agent without that name: a Host is for agents that simulate.
type Host struct {
	address address
	server  *http.Server
	served  chan struct{}

	accounts accounts

	mu     sync.Mutex
	agents map[string]*Agent // by name
	made   int
}

// NewHost serves on l until Close.
func NewHost(l net.Listener) (*Host, error) {
	at, err := addressOf(l)
	if err != nil {
		return nil, err
	}
	h := &Host{address: at, served: make(chan struct{}), agents: map[string]*Agent{}}
	h.server = httpapi.Server(h, h.known)
	go func() {
		defer close(h.served)
		_ = h.server.Serve(l)
	}()
	return h, nil
}

// Close ends the server. The agents must have ended before.
func (h *Host) Close() error {
	err := h.server.Close()
	<-h.served
	return err
}

// add gives an agent its name: that of the one before it, if there was one.
func (h *Host) add(a, before *Agent) address {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.address
	if before != nil {
		at.process = before.address.process
	} else {
		at.process = h.made
		h.made++
	}
	h.agents[at.name()] = a
	return at
}

func (h *Host) remove(a *Agent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.agents, a.address.name())
}

// known reports whether a name is that of an agent.
func (h *Host) known(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.agents {
		if httpapi.Known(a.cfg.Hostname, a.cfg.Hosts)(name) {
			return true
		}
	}
	return false
}

// ServeHTTP finds the agent.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h.mu.Lock()
	a := h.agents[name]
	h.mu.Unlock()
	if a == nil {
		httpapi.Error(w, http.StatusNotFound, "No agent is served here; endpoints are below /slave(N), as offers say")
		return
	}
	a.serveHosted(w, r)
}

// hosted is what an agent needs to be served by a Host.
type hosted struct {
	once    sync.Once
	handler http.Handler
	ctx     context.Context // of all requests; guarded by requests
}

// beHosted lets the host serve the agent from now on.
func (a *Agent) beHosted() {
	ctx, cancel := context.WithCancel(a.ctx)
	a.requests.Lock()
	defer a.requests.Unlock()
	a.hosted.ctx, a.stopRequests, a.requests.closed = ctx, cancel, false
}

func (a *Agent) serveHosted(w http.ResponseWriter, r *http.Request) {
	a.hosted.once.Do(func() {
		a.hosted.handler = a.counted(http.StripPrefix("/"+a.address.name(), a.endpoints()))
	})
	a.requests.Lock()
	end := a.hosted.ctx
	a.requests.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(end, cancel)()
	a.hosted.handler.ServeHTTP(w, r.WithContext(ctx))
}
