package fault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Masters returns what plays the rules about calls and events on the endpoints of a master. It wraps them.
func (s *Set) Masters(next http.Handler) http.Handler { return s.handler(next, nil) }

// Agent returns the same for the endpoints of an agent; names returns its id and host name, at any time and from any goroutine.
func (s *Set) Agent(names func() []string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return s.handler(next, names) }
}

func (s *Set) handler(next http.Handler, names func() []string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &writer{ResponseWriter: rw, set: s, ctx: r.Context(), path: r.URL.Path, agent: names}
		if s.none(Call) {
			next.ServeHTTP(w, r)
			return
		}
		t := inspect(r, names != nil)
		t.agent = w.names()
		if t.name == "" {
			t.name = s.nameOf(t.framework)
		}
		w.call.Store(&t)
		for _, a := range s.list(Call) {
			if a.rule.Do != Limit && a.rule.matches(&t) && s.hit(a) && a.call(w, r, &t, next) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// call does to a call what a rule says. It reports whether the call is settled.
func (a *active) call(w *writer, r *http.Request, t *thing, next http.Handler) bool {
	switch a.rule.Do {
	case Delay:
		if err := a.wait(r.Context(), a.rule.Time); err != nil && err != errReleased {
			w.mustAbort()
			return true
		}
		return false
	case Answer:
		if name, value, err := a.rule.header(); err == nil && name != "" {
			w.Header().Set(name, value)
		}
		switch {
		case a.rule.Status == http.StatusNoContent, a.rule.Status == http.StatusNotModified:
			w.WriteHeader(a.rule.Status)
		case a.rule.Body == "":
			httpapi.Empty(w, a.rule.Status)
		case w.Header().Get("Content-Type") != "":
			w.WriteHeader(a.rule.Status)
			_, _ = io.WriteString(w, a.rule.Body)
		default:
			httpapi.Error(w, a.rule.Status, a.rule.Body)
		}
	case Lose:
		status := http.StatusOK
		if t.api == "scheduler" || t.api == "executor" {
			status = http.StatusAccepted
		}
		httpapi.Empty(w, status)
	case Hang:
		select {
		case <-a.released:
		case <-r.Context().Done():
		}
		w.mustAbort()
	case Reset:
		w.mustAbort()
	case Cut:
		c := &cutWriter{w: w, header: http.Header{}}
		next.ServeHTTP(c, r)
		c.finish()
	}
	return true
}

// inspect says what a request is. The body can still be read afterwards.
func inspect(r *http.Request, agent bool) thing {
	t := thing{path: r.URL.Path}
	path := r.URL.Path
	for _, prefix := range []string{"/master", "/slave(1)"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && strings.HasPrefix(rest, "/") {
			path = rest
		}
	}
	switch path {
	case "/api/v1/scheduler":
		t.api = "scheduler"
	case "/api/v1/executor":
		t.api = "executor"
	case "/api/v1":
		t.api = "operator"
	}
	types := r.Header["Content-Type"]
	if t.api == "" || r.Method != http.MethodPost || len(types) == 0 {
		return t
	}
	c, ok := codec.ByMediaType(types[0])
	if !ok {
		return t
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, httpapi.MaxBody+1))
	rest := r.Body
	if err != nil {
		rest = io.NopCloser(failing{err})
	}
	r.Body = readCloser{io.MultiReader(bytes.NewReader(body), rest), r.Body}
	// What cannot be decoded is of no type; to say so is up to the endpoint.
	switch {
	case t.api == "scheduler":
		var call schedulerpb.Call
		if decode(c, body, &call) {
			t.typ, t.framework, t.name = call.GetType().String(), call.GetFrameworkId().GetValue(), call.GetSubscribe().GetFrameworkInfo().GetName()
		}
	case t.api == "executor":
		var call executorpb.Call
		if decode(c, body, &call) {
			t.typ, t.framework = call.GetType().String(), call.GetFrameworkId().GetValue()
			if s := call.GetUpdate().GetStatus(); s != nil {
				t.task, t.state = s.GetTaskId().GetValue(), s.GetState().String()
			}
		}
	case agent:
		var call agentpb.Call
		if decode(c, body, &call) {
			t.typ = call.GetType().String()
		}
	default:
		var call masterpb.Call
		if decode(c, body, &call) {
			t.typ = call.GetType().String()
		}
	}
	return t
}

func decode(c codec.Codec, body []byte, m proto.Message) bool { return c.Unmarshal(body, m) == nil }

type readCloser struct {
	io.Reader
	io.Closer
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// writer is the ResponseWriter of all requests: it makes answers slow where a rule says so, and taps streams.
type writer struct {
	http.ResponseWriter
	set   *Set
	ctx   context.Context
	path  string
	agent func() []string
	call  atomic.Pointer[thing] // nil if it is not known what the request is
	chose map[*active]bool      // which limits hit; touched by the handler's goroutine
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) names() []string {
	if w.agent == nil {
		return nil
	}
	return w.agent()
}

// piecesPerSecond is how often something is written at a limited rate.
const piecesPerSecond = 20

// Write writes as fast as rules allow.
func (w *writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		limit := w.limit()
		if limit == nil {
			more, err := w.ResponseWriter.Write(p)
			return n + more, err
		}
		rate := limit.rule.Rate
		piece := p[:min(int64(len(p)), max(1, rate/piecesPerSecond))]
		more, err := w.ResponseWriter.Write(piece)
		n += more
		if err == nil {
			err = http.NewResponseController(w.ResponseWriter).Flush()
		}
		if err == nil {
			err = limit.wait(w.ctx, time.Duration(float64(len(piece))/float64(rate)*float64(time.Second)))
		}
		if err != nil && err != errReleased {
			return n, err
		}
		p = p[len(piece):]
	}
	return n, nil
}

// limit returns the strictest rule that limits this answer, nil if there is none.
func (w *writer) limit() (strictest *active) {
	t := w.call.Load()
	if t == nil || w.set.none(Call) {
		if len(w.chose) == 0 {
			return nil
		}
	}
	for _, a := range w.set.list(Call) {
		if a.rule.Do != Limit {
			continue
		}
		if _, decided := w.chose[a]; !decided {
			if w.chose == nil {
				w.chose = map[*active]bool{}
			}
			w.chose[a] = t != nil && a.rule.matches(t) && w.set.hit(a)
		}
	}
	for a, hit := range w.chose {
		select {
		case <-a.released:
			delete(w.chose, a)
			continue
		default:
		}
		if hit && (strictest == nil || a.rule.Rate < strictest.rule.Rate) {
			strictest = a
		}
	}
	return strictest
}

// abort takes the connection from the server, which does not send what it holds back then, and resets it. The request is over for the
// client; the handler still has to return. It reports false if there is no connection to take, as with HTTP/2.
func (w *writer) abort() bool {
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return errors.Is(err, http.ErrHijacked)
	}
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = t.NetConn()
	}
	if t, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0) // RST in the place of FIN
	}
	_ = conn.Close()
	return true
}

// mustAbort is abort where no handler has begun.
func (w *writer) mustAbort() {
	if !w.abort() {
		panic(http.ErrAbortHandler) // what net/http has for this
	}
}

// interrupt ends a write that waits for the client.
func (w *writer) interrupt() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
}

// maxCut bounds how much of an answer is kept to be cut.
const maxCut = 16 << 20

// cutWriter takes an answer that only arrives in part.
type cutWriter struct {
	w      *writer
	header http.Header
	status int
	body   bytes.Buffer
	done   bool
}

func (c *cutWriter) Header() http.Header { return c.header }

func (c *cutWriter) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if c.done {
		return 0, errReset
	}
	c.WriteHeader(http.StatusOK)
	if c.body.Len()+len(p) > maxCut {
		c.finish()
		return 0, errReset
	}
	return c.body.Write(p)
}

// FlushError is where streams begin: they break there.
func (c *cutWriter) FlushError() error {
	c.finish()
	return errReset
}

// finish sends half of the answer and resets the connection.
func (c *cutWriter) finish() {
	if c.done {
		return
	}
	c.done = true
	if n := c.body.Len(); n > 1 {
		for k, v := range c.header {
			c.w.Header()[k] = v
		}
		c.w.Header().Set("Content-Length", strconv.Itoa(n))
		c.w.WriteHeader(max(c.status, http.StatusOK))
		if _, err := c.w.Write(c.body.Bytes()[:n/2]); err == nil {
			_ = http.NewResponseController(c.w.ResponseWriter).Flush()
		}
	}
	c.w.abort()
}
