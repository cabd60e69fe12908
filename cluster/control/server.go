package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/fault"
	"github.com/mesokit/mesokit/internal/httpguard"
)

// maxBody bounds requests, in bytes.
const maxBody = 4 << 20

// Server serves the control interface of a cluster.
type Server struct {
	cluster *cluster.Cluster
	http    *http.Server
	addr    string
	served  chan struct{}
	stop    context.CancelFunc

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup // requests under way; nothing is added once closed is set
}

// Serve serves a cluster's control interface on a listener, which should be one of loopback, until Close. Requests must come with the
// token; if it is empty anybody on this machine may control the cluster.
func Serve(c *cluster.Cluster, l net.Listener, token string) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cluster: c, addr: l.Addr().String(), served: make(chan struct{}), stop: cancel}
	handler := withToken(routes(c), token)
	s.http = httpguard.Server(guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.begin() {
			defer s.work.Done()
			handler.ServeHTTP(w, r)
		}
	})))
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l)
	}()
	return s
}

func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Add(1)
	}
	return !s.closed
}

// Addr returns the host:port of the interface.
func (s *Server) Addr() string { return s.addr }

// Close ends the server, not the cluster, and waits for requests under way.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	err := s.http.Close()
	<-s.served
	s.work.Wait()
	return err
}

// guarded refuses requests that a page in a browser may have made.
func guarded(next http.Handler) http.Handler {
	refuse := func(w http.ResponseWriter, status int, reason string) { write(w, status, errorBody{reason}) }
	return httpguard.Handler(next, httpguard.Config{Refuse: refuse})
}

// withToken refuses requests without the token.
func withToken(next http.Handler, token string) http.Handler {
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte("Bearer " + token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="mesokit-control"`)
			write(w, http.StatusUnauthorized, errorBody{"the token of this cluster is missing or wrong; mesokit dev --json prints it"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Handler returns the control interface of a cluster, for servers that have others as well, and see to it who may use it.
func Handler(c *cluster.Cluster) http.Handler { return guarded(routes(c)) }

func routes(c *cluster.Cluster) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			if err != nil {
				write(w, statusOf(err), errorBody{err.Error()})
				return
			}
			write(w, http.StatusOK, v)
		})
	}
	handle("GET /mesokit/v1/status", func(r *http.Request) (any, error) { return c.Status(r.Context()) })
	handle("POST /mesokit/v1/agents", func(r *http.Request) (any, error) {
		var cfg cluster.AgentConfig
		if err := read(r, &cfg); err != nil {
			return nil, err
		}
		return c.AddAgent(r.Context(), cfg)
	})
	handle("POST /mesokit/v1/agents/{agent}/{action}", func(r *http.Request) (any, error) {
		a, err := c.Agent(r.PathValue("agent"))
		if err != nil {
			return nil, err
		}
		return act(r.Context(), a, r.PathValue("action"))
	})
	handle("GET /mesokit/v1/faults", func(*http.Request) (any, error) { return c.Faults().List(), nil })
	handle("POST /mesokit/v1/faults", func(r *http.Request) (any, error) { return addFault(c.Faults(), r) })
	handle("DELETE /mesokit/v1/faults", func(*http.Request) (any, error) { c.Faults().Clear(); return struct{}{}, nil })
	handle("DELETE /mesokit/v1/faults/{id}", func(r *http.Request) (any, error) {
		return struct{}{}, c.Faults().Remove(r.PathValue("id"))
	})
	handle("POST /mesokit/v1/failover", func(r *http.Request) (any, error) {
		err := c.FailOver(r.Context())
		return c.Masters(), err
	})
	handle("POST /mesokit/v1/masters/{master}/kill", func(r *http.Request) (any, error) {
		err := c.KillMaster(r.PathValue("master"))
		return c.Masters(), err
	})
	handle("POST /mesokit/v1/masters/{master}/start", func(r *http.Request) (any, error) {
		err := c.StartMaster(r.Context(), r.PathValue("master"))
		return c.Masters(), err
	})
	return mux
}

// Action is what can be done with an agent.
type Action string

// What can be done with agents: the methods of cluster.Agent.
const (
	Stop    Action = "stop"
	Kill    Action = "kill"
	Suspend Action = "suspend"
	Resume  Action = "resume"
	Restart Action = "restart"
	// RestartWithNewID answers with the agent under its new id.
	RestartWithNewID Action = "restart-with-new-id"
	Partition        Action = "partition"
	Heal             Action = "heal"
)

// act does something with an agent, and returns it as it is then.
func act(ctx context.Context, a *cluster.Agent, action string) (*cluster.Agent, error) {
	switch Action(action) {
	case Stop:
		return a, a.Stop()
	case Kill:
		return a, a.Kill()
	case Suspend:
		return a, a.Suspend(ctx)
	case Resume:
		return a, a.Resume(ctx)
	case Restart:
		if err := a.Restart(ctx); !errors.Is(err, cluster.ErrEnded) {
			return a, err
		}
		return a.RestartWithNewID(ctx)
	case RestartWithNewID:
		return a.RestartWithNewID(ctx)
	case Partition:
		a.Partition()
	case Heal:
		a.Heal()
	default:
		return nil, &requestError{http.StatusNotFound, fmt.Sprintf("agents have no %q: want stop, kill, suspend, resume, restart, restart-with-new-id, partition or heal", action)}
	}
	return a, nil
}

// addFault adds the rule of a request and returns its state.
func addFault(set *fault.Set, r *http.Request) (any, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	var text struct{ Rule *string }
	var rule fault.Rule
	if err := json.Unmarshal(body, &text); err == nil && text.Rule != nil {
		if rule, err = fault.Parse(*text.Rule); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(body, &rule); err != nil {
		return nil, badRequest(err)
	}
	id, err := set.Add(rule)
	if err != nil {
		return nil, err
	}
	for _, s := range set.List() {
		if s.ID == id {
			return s, nil
		}
	}
	return nil, &fault.UnknownRuleError{ID: id} // removed meanwhile
}

// requestError is an error with the status of its answer.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

func badRequest(err error) error { return &requestError{http.StatusBadRequest, err.Error()} }

func readBody(r *http.Request) ([]byte, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(kind) != "application/json" {
		return nil, &requestError{http.StatusUnsupportedMediaType, "want Content-Type: application/json"}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, badRequest(err)
	case len(body) > maxBody:
		return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	}
	return body, nil
}

func read(r *http.Request, to any) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return badRequest(err)
	}
	return nil
}

type errorBody struct {
	Error string `json:"error"`
}

// statusOf finds the status of an error.
func statusOf(err error) int {
	if e, ok := errors.AsType[*requestError](err); ok {
		return e.status
	}
	if e, ok := errors.AsType[*cluster.AgentError](err); ok {
		if e.Found > 0 {
			return http.StatusConflict
		}
		return http.StatusNotFound
	}
	if _, ok := errors.AsType[*cluster.MasterError](err); ok {
		return http.StatusConflict
	}
	if _, ok := errors.AsType[*fault.UnknownRuleError](err); ok {
		return http.StatusNotFound
	}
	if _, ok := errors.AsType[*fault.ParseError](err); ok {
		return http.StatusBadRequest
	}
	if _, ok := errors.AsType[*fault.RuleError](err); ok {
		return http.StatusBadRequest
	}
	switch {
	case errors.Is(err, cluster.ErrSuspended), errors.Is(err, cluster.ErrNotSuspended), errors.Is(err, cluster.ErrEnded), errors.Is(err, fault.ErrTooMany):
		return http.StatusConflict
	case errors.Is(err, cluster.ErrClosed), errors.Is(err, fault.ErrClosed):
		return http.StatusServiceUnavailable
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusNotImplemented
	}
	// What is left are agents that cannot be as they were described.
	return http.StatusBadRequest
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
