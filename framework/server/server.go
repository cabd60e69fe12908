package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/internal/httpguard"
)

// Engine is what is served; *framework.Framework is one.
type Engine interface {
	Do(ctx context.Context, c core.Command) (string, error)
	Snapshot() *core.Snapshot
	Status() framework.Status
	Notes(ctx context.Context, o framework.NoteOptions) iter.Seq2[core.Note, error]
	History(app string) []core.Note
}

// Config of a Server. The zero value is ready to use and lets everybody do everything: set Auth where others can reach it.
type Config struct {
	// Name of the framework, which Uninstall has to be confirmed with; "" needs no confirmation.
	Name string
	// Auth says who may do what.
	Auth Auth
	// Hosts are names by which the server is called, besides those of loopback and of this machine, when requests arrive at loopback: of
	// a proxy on this machine, for instance. Others are refused there, as they may be of a page in a browser whose name was made to resolve to
	// loopback.
	Hosts []string
	// TLS, if not nil, has the server speak HTTPS, and tell browsers to stay with it (HSTS).
	TLS *tls.Config
	// Metrics is served as /metrics; nil means that there is no such page.
	Metrics prometheus.Gatherer
	// Artifacts are served under /artifacts/; nil means none.
	Artifacts *Artifacts
	// Backup writes the whole state, as store.Backup does; nil means that the API does not give it. It takes the right to write to get it.
	Backup func(context.Context, io.Writer) error
	// MaxBody bounds the body of a request, in bytes. Default 1 MiB.
	MaxBody int64
	// Heartbeat is how often an idle event stream gets a comment, so that nobody between takes it for dead. Default 15 s.
	Heartbeat time.Duration
	// Log gets requests that changed something, and failures; nil means slog.Default().
	Log *slog.Logger
}

// Server is an http.Handler.
type Server struct {
	engine  Engine
	cfg     Config
	handler http.Handler
	api     []byte        // the OpenAPI document
	backups chan struct{} // taken by those under way
	closing context.Context
	close   context.CancelFunc
}

// New returns a server of an engine.
func New(e Engine, cfg Config) (*Server, error) {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if err := cfg.Auth.check(); err != nil {
		return nil, err
	}
	s := &Server{engine: e, cfg: cfg, backups: make(chan struct{}, maxBackups)}
	s.closing, s.close = context.WithCancel(context.Background())
	s.api = openAPI(routes())
	refuse := func(w http.ResponseWriter, status int, reason string) {
		fail(w, &Problem{Type: "foreign", Status: status, Detail: reason})
	}
	s.handler = httpguard.Handler(s.mux(), httpguard.Config{Hosts: cfg.Hosts, Refuse: refuse})
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.cfg.TLS != nil {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
	s.handler.ServeHTTP(w, r)
}

// ListenAndServe serves on an address until ctx ends, and then lets requests under way finish for a few seconds.
func (s *Server) ListenAndServe(ctx context.Context, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return s.Serve(ctx, l)
}

// shutdownGrace is how long requests under way may take at the end.
const shutdownGrace = 5 * time.Second

// Serve is ListenAndServe on a listener, which it closes. It returns nil when ctx has ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.cfg.TLS != nil {
		cfg := s.cfg.TLS.Clone()
		cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
		if len(cfg.NextProtos) == 0 {
			cfg.NextProtos = []string{"h2", "http/1.1"}
		}
		l = tls.NewListener(l, cfg)
	}
	hs := httpguard.Server(s)
	hs.IdleTimeout, hs.ErrorLog = 2*time.Minute, slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug)
	stopped := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.close() // event streams end
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		if hs.Shutdown(grace) != nil {
			_ = hs.Close()
		}
	})()
	err := hs.Serve(l)
	if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		<-stopped
		return nil
	}
	return err
}

func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, r := range routes() {
		mux.Handle(r.method+" "+r.path, s.serve(r))
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			fail(w, &Problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not possible here; " + strings.Join(allowed, ", ") + " is"})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, &Problem{Status: http.StatusNotFound, Detail: "there is nothing at " + r.URL.Path + "; the API is described at /v1/openapi.json"})
	})
	if s.cfg.Artifacts != nil {
		// Without authentication: the fetcher of Mesos has no credentials, and who knows the hash of a file may have it.
		mux.Handle("GET /artifacts/", s.cfg.Artifacts)
	}
	if s.cfg.Metrics != nil {
		mux.Handle("GET /metrics", s.guarded(read, promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{})))
	}
	return mux
}

// guarded lets through who may do something.
func (s *Server) guarded(need access, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := s.cfg.Auth.judge(r, need); p != nil {
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Basic realm="mesokit", Bearer`)
			}
			fail(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve makes a handler of a route.
func (s *Server) serve(rt route) http.Handler {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rt.state && s.redirect(w, r) {
			return
		}
		q := &request{Request: r, server: s, w: w, cmdContext: r.Context(), writes: s.cfg.Auth.writes(r)}
		if err := q.parse(rt); err != nil {
			fail(w, err)
			return
		}
		answer, err := rt.handle(q)
		if err == nil && q.answered {
			return
		}
		if err != nil {
			p := problemOf(err)
			if p.Status >= 500 {
				s.cfg.Log.Warn("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
			}
			s.toLeader(w, r, err)
			fail(w, p)
			return
		}
		if rt.need == write {
			s.cfg.Log.Info("request", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr)
		}
		status := rt.status
		if q.status != 0 {
			status = q.status
		}
		q.reply(status, answer)
	})
	if rt.need == nobody {
		return h
	}
	return s.guarded(rt.need, h)
}

// redirect sends requests about the state to who leads, if that is another.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request) bool {
	st := s.engine.Status()
	if st.Leading {
		return false
	}
	if !st.Running { // what it knows is nothing, or old: an application that it lacks may well exist
		fail(w, problemOf(framework.ErrNotRunning))
		return true
	}
	err := &framework.NotLeadingError{Leader: st.Leader}
	s.toLeader(w, r, err)
	fail(w, problemOf(err))
	return true
}

// toLeader turns the refusal of a follower into a redirect where it knows the way.
func (s *Server) toLeader(w http.ResponseWriter, r *http.Request, err error) {
	no, ok := errors.AsType[*framework.NotLeadingError](err)
	if !ok || no.Leader == nil {
		return
	}
	base, err := url.Parse(no.Leader.URL)
	if err != nil || base.Host == "" {
		return
	}
	to := *r.URL
	to.Scheme, to.Host, to.User = base.Scheme, base.Host, nil
	to.Path = strings.TrimSuffix(base.Path, "/") + to.Path
	w.Header().Set("Location", to.String())
}
