package conformance

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mesokit/mesokit/mesos/recordio"
)

// scripted is a server that plays a capture back: it expects the recorded requests in their order
// and answers each with what was recorded, a frame as soon as all requests before it have come. Its
// ids are not the recorded ones.
type scripted struct {
	*httptest.Server
	fresh *strings.Replacer

	mu       sync.Mutex
	changed  *sync.Cond
	timeline []*Exchange
	next     int
	closed   bool
	problems []string
}

func play(t *testing.T, c *Capture) *scripted {
	t.Helper()
	s := &scripted{timeline: c.timeline(), fresh: freshIDs(c)}
	s.changed = sync.NewCond(&s.mu)
	for s.next < len(s.timeline) && s.timeline[s.next].Request == nil {
		s.next++
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.mu.Lock()
		s.closed = true
		s.changed.Broadcast()
		s.mu.Unlock()
		s.Server.Close()
	})
	return s
}

// freshIDs maps every id that the recorded server gave out to another one of the same form.
func freshIDs(c *Capture) *strings.Replacer {
	var pairs []string
	n := 0
	for id := range givenOut(c) {
		n++
		if isUUIDBytes("uuid", id) {
			b := make([]byte, 16)
			b[6], b[8], b[14], b[15] = 0x40, 0x80, byte(n>>8), byte(n)
			pairs = append(pairs, `"`+id+`"`, `"`+base64.StdEncoding.EncodeToString(b)+`"`)
			continue
		}
		_, tokens := split(id)
		if tokens[0].place() {
			continue
		}
		pairs = append(pairs, id, fmt.Sprintf("00000000-0000-4000-8000-%012x", n)+id[36:])
	}
	// Longer ids first: an agent's id starts with its master's.
	for i := 0; i < len(pairs); i += 2 {
		for j := i + 2; j < len(pairs); j += 2 {
			if len(pairs[j]) > len(pairs[i]) {
				pairs[i], pairs[j] = pairs[j], pairs[i]
				pairs[i+1], pairs[j+1] = pairs[j+1], pairs[i+1]
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// renamed is a value with fresh ids.
func (s *scripted) renamed(v any) string { return s.fresh.Replace(encode(v)) }

func (s *scripted) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.UserAgent() == aside {
		io.WriteString(w, s.agents(req.Host))
		return
	}
	e := s.received(w, req)
	if e == nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	for k, v := range e.Response.Headers {
		if k != "Content-Length" && k != "Transfer-Encoding" {
			w.Header().Set(k, s.fresh.Replace(v))
		}
	}
	if !e.Response.Stream {
		body, ok := e.Response.Body.(string)
		if ok {
			body = s.fresh.Replace(body)
		} else {
			body = s.renamed(e.Response.Body)
		}
		w.WriteHeader(e.Response.Status)
		io.WriteString(w, body)
		return
	}
	w.WriteHeader(e.Response.Status)
	flusher := w.(http.Flusher)
	flusher.Flush()
	for _, f := range e.Response.Frames {
		if !s.await(req, f.At) {
			return
		}
		w.Write(recordio.AppendFrame(nil, []byte(s.renamed(f.Event))))
		flusher.Flush()
	}
	if e.Response.ServerClosed {
		s.await(req, 1e9)
		return
	}
	<-req.Context().Done()
}

// received reads a request, and finds the exchange that it belongs to.
func (s *scripted) received(w http.ResponseWriter, req *http.Request) *Exchange {
	if req.Header.Get("Content-Type") != "application/recordio" {
		body, _ := io.ReadAll(req.Body)
		return s.take(req, body)
	}
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		s.problem(err.Error())
	}
	w.Header().Set("Connection", "close") // net/http cannot read the next request after such a one
	records := recordio.NewReader(req.Body, recordio.Config{})
	first, _ := records.Next()
	e := s.take(req, first)
	if e == nil {
		return nil
	}
	for _, want := range e.Request.Records[1:] {
		if got, err := records.Next(); err != nil || string(got) != s.renamed(want.Value) {
			s.problem(fmt.Sprintf("record %s of %s, %v", got, e.Label(), err))
		}
	}
	if e.Response.Status == http.StatusOK {
		if _, err := records.Next(); !errors.Is(err, io.EOF) {
			s.problem(fmt.Sprintf("%s goes on: %v", e.Label(), err))
		}
	}
	return e
}

func (s *scripted) problem(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, text)
}

// agents is an answer to GET_AGENTS: all agents that made an offer, at this address.
func (s *scripted) agents(address string) string {
	var agents []any
	for _, e := range s.timeline {
		for _, f := range e.Response.Frames {
			for _, o := range offersIn(f.Event) {
				agents = append(agents, map[string]any{
					"agent_info": map[string]any{"id": map[string]any{"value": o.agent}}, "total_resources": o.resources, "pid": "slave(1)@" + address,
				})
			}
		}
	}
	return s.renamed(map[string]any{"type": "GET_AGENTS", "get_agents": map[string]any{"agents": agents}})
}

// take finds the exchange that a request belongs to, and notes if it is not the next.
func (s *scripted) take(req *http.Request, body []byte) *Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	fits := func(e *Exchange) bool {
		if e.Request == nil || req.Method != e.Request.Method || req.URL.Path != e.Request.Path {
			return false
		}
		want := string(e.Request.Raw)
		if content := e.content(); content != nil {
			want = s.renamed(content)
		}
		for k, v := range e.Request.Headers {
			if k != "Transfer-Encoding" && req.Header.Get(k) != s.fresh.Replace(v) {
				return false
			}
		}
		return string(body) == want
	}
	i := s.next + slices.IndexFunc(s.timeline[min(s.next, len(s.timeline)):], fits)
	if i < s.next {
		s.problems = append(s.problems, fmt.Sprintf("not expected: %s %s %s %v", req.Method, req.URL.Path, body, req.Header))
		if s.next >= len(s.timeline) {
			return nil
		}
		i = s.next
	} else if i > s.next {
		s.problems = append(s.problems, "never came: "+s.timeline[s.next].Label())
	}
	for s.next = i + 1; s.next < len(s.timeline) && s.timeline[s.next].Request == nil; {
		s.next++
	}
	return s.timeline[i]
}

// await waits until all requests that were sent before a time have come.
func (s *scripted) await(req *http.Request, at float64) bool {
	defer contextWake(req, s)()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && req.Context().Err() == nil && s.next < len(s.timeline) && s.timeline[s.next].At < at {
		s.changed.Wait()
	}
	return !s.closed && req.Context().Err() == nil
}

// contextWake wakes those that wait when a request is given up.
func contextWake(req *http.Request, s *scripted) func() {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-req.Context().Done():
			s.mu.Lock()
			s.changed.Broadcast()
			s.mu.Unlock()
		case <-done:
		}
	}()
	return func() { close(done); <-ended }
}

// clone copies a capture deeply enough to change it.
func (c *Capture) clone() *Capture {
	copied := &Capture{Name: c.Name}
	for _, e := range c.Exchanges {
		e := *e
		e.Response.Frames = append([]Frame(nil), e.Response.Frames...)
		for i, f := range e.Response.Frames {
			e.Response.Frames[i].Event = deepCopy(f.Event)
		}
		e.Response.Body = deepCopy(e.Response.Body)
		copied.Exchanges = append(copied.Exchanges, &e)
	}
	return copied
}

func deepCopy(v any) any {
	return transform(v, "", func(string, any) (any, bool) { return nil, false })
}
