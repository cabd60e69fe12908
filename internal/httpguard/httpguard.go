// Package httpguard is what every HTTP server of mesokit has around it: it refuses what pages in a browser may have sent without their
// user's will, and it bounds how long a client may take.
//
// A browser lets any page send requests to any address, those of loopback included. What keeps such a page out:
//
//   - A request that came to a loopback address must be addressed to an IP address, to localhost, to a name below it, to this machine's
//     host name, or to one of Config.Hosts. A page whose own name was made to resolve to 127.0.0.1 (DNS rebinding) sends that name.
//   - Requests that may change something and come from another origin are refused (http.CrossOriginProtection).
//   - Reads from other origins are refused where the browser tells of them, but for links that are followed. Scripts (the parameter
//     jsonp) are refused unless the browser says that they are from here, for their contents could be read.
//
// Clients that are no browsers send neither Origin nor Sec-Fetch-Site, and are served as ever. Whoever listens beyond loopback
// should ask for credentials as well: names that lead there are not known here.
//
// A client may pause for Stall while it sends a body or reads an answer, and has to be faster than MinRate; then its connection ends. Streams
// may be silent for as long as they like: time only runs while something is waiting to be read or written.
package httpguard

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// Stall is how long a client may send nothing of a body, or read nothing of an answer.
	Stall = 30 * time.Second
	// MinRate is how fast a body has to come, and an answer has to be read, in bytes per second.
	MinRate = 16 << 10
	// HeaderTimeout is how long the header of a request may take to come.
	HeaderTimeout = 20 * time.Second
	// MaxHeader bounds the header of a request, in bytes.
	MaxHeader = 64 << 10

	// unread is how long to wait for the rest of a body that nobody wants, before the answer is sent.
	unread = time.Second
)

// Config of a guard. The zero value is ready to use.
type Config struct {
	// Hosts are names by which the server is known besides those of loopback and of this machine; ports do not matter.
	Hosts []string
	// Host says of further names, in lower case and without a port, whether they are the server's; nil means that there are none.
	Host func(name string) bool
	// LongBody says which requests have bodies that are streams, and may be as slow as they like; nil means none.
	LongBody func(*http.Request) bool
	// Refuse answers what is refused, always with 403; nil means with the reason as plain text.
	Refuse func(w http.ResponseWriter, status int, reason string)
}

// Server returns a server of a handler with the limits of this package. Its other fields may be set before it serves.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: HeaderTimeout, MaxHeaderBytes: MaxHeader, ErrorLog: log.New(io.Discard, "", 0)}
}

// Handler puts a guard around a handler. It should be the outermost one of a server.
func Handler(next http.Handler, cfg Config) http.Handler {
	g := &guard{next: next, cfg: cfg}
	if name, err := os.Hostname(); err == nil {
		g.hosts = append(g.hosts, hostOf(name))
	}
	for _, h := range cfg.Hosts {
		g.hosts = append(g.hosts, hostOf(h))
	}
	return g
}

type guard struct {
	next    http.Handler
	cfg     Config
	hosts   []string
	origins http.CrossOriginProtection
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // of the request before
	out := &writer{ResponseWriter: w, rc: rc, http2: r.ProtoMajor == 2}
	long := g.cfg.LongBody != nil && g.cfg.LongBody(r)
	if r.Body == nil || r.Body == http.NoBody || long {
		g.serve(out, r)
		return
	}
	in := &body{ReadCloser: r.Body, rc: rc, size: r.ContentLength, began: time.Now()}
	_ = rc.SetReadDeadline(in.began.Add(Stall)) // also for a body that nobody reads
	r.Body = in
	g.serve(out, r)
	if !in.ended { // the answer is held back until the rest of the body has come
		_ = rc.SetReadDeadline(time.Now().Add(unread))
	}
}

func (g *guard) serve(w http.ResponseWriter, r *http.Request) {
	if reason := g.refusal(r); reason != "" {
		if g.cfg.Refuse != nil {
			g.cfg.Refuse(w, http.StatusForbidden, reason)
		} else {
			http.Error(w, reason, http.StatusForbidden)
		}
		return
	}
	g.next.ServeHTTP(w, r)
}

// refusal says why a request is refused, or nothing if it is not.
func (g *guard) refusal(r *http.Request) string {
	if name := hostOf(r.Host); atLoopback(r) && !g.known(name) {
		return fmt.Sprintf("this server is not known as %q: use its IP address, or let it be configured with that name", r.Host)
	}
	if err := g.origins.Check(r); err != nil {
		return "requests that change something are not taken from pages of other origins"
	}
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if Foreign(r) && (mode != "navigate" || dest != "document") {
		return "pages of other origins may link to this server and not read from it"
	}
	if isScript(r) && !own(r) {
		return "scripts (jsonp) are given to pages of this server only"
	}
	return ""
}

// known reports whether a name is one of this server.
func (g *guard) known(name string) bool {
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(g.hosts, name) {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return g.cfg.Host != nil && g.cfg.Host(name)
}

// hostOf returns the name in a Host header, in lower case and without a port.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// atLoopback reports whether a request came to an address of loopback.
func atLoopback(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && at.IP.IsLoopback()
}

// Foreign reports whether a browser says that a page of another origin made a request, be it that a link was followed: for the rare reads
// that change something.
func Foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// isScript reports whether the answer is to be a script.
func isScript(r *http.Request) bool { return r.URL.RawQuery != "" && r.URL.Query().Has("jsonp") }

// own reports whether a read is from a page of this server, or not from a page. Browsers say so by Sec-Fetch-Site, unless they speak plain HTTP
// with another machine. Then all that tells them apart is their name, and their Referer.
func own(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") != "" {
		return !Foreign(r)
	}
	if !strings.Contains(r.UserAgent(), "Mozilla/") {
		return true
	}
	from, err := url.Parse(r.Referer())
	return err == nil && from.Host != "" && from.Host == r.Host
}

// body gives reads of a body their deadlines.
type body struct {
	io.ReadCloser
	rc    *http.ResponseController
	size  int64 // -1 if it was not announced
	began time.Time
	set   time.Time // when the deadline was
	n     int64
	ended bool // read to its end
}

func (b *body) Read(p []byte) (int, error) {
	if now := time.Now(); !b.ended && now.Sub(b.set) > time.Second {
		b.set = now
		latest := b.began.Add(Stall + time.Duration(b.n)*time.Second/MinRate)
		_ = b.rc.SetReadDeadline(earlier(now.Add(Stall), latest))
	}
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if (err == io.EOF || b.n == b.size) && !b.ended {
		b.ended = true
		_ = b.rc.SetReadDeadline(time.Time{}) // or else the deadline would end the request
	}
	return n, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// writer gives writes of an answer their deadlines.
type writer struct {
	http.ResponseWriter
	rc    *http.ResponseController
	http2 bool

	mu  sync.Mutex
	own time.Time // of the handler; zero if it has set none
	set time.Time // when ours was
}

func (w *writer) Write(p []byte) (int, error) {
	w.extend(len(p))
	return w.ResponseWriter.Write(p)
}

// extend sets a deadline for so many bytes. It does not for each of many small writes.
func (w *writer) extend(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if n < MinRate && now.Sub(w.set) < time.Second {
		return
	}
	w.set = now
	until := now.Add(Stall + time.Duration(n)*time.Second/MinRate)
	if !w.own.IsZero() {
		until = earlier(until, w.own)
	}
	_ = w.rc.SetWriteDeadline(until)
}

// FlushError implements what http.ResponseController looks for.
func (w *writer) FlushError() error {
	w.extend(0)
	err := w.rc.Flush()
	if w.http2 { // where a deadline ends streams in which nothing waits, too
		w.mu.Lock()
		defer w.mu.Unlock()
		_ = w.rc.SetWriteDeadline(w.own)
		w.set = time.Time{}
	}
	return err
}

// Flush implements http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// SetWriteDeadline sets a deadline that is kept until another one is set; those of this package only shorten it.
func (w *writer) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own, w.set = t, time.Time{}
	return w.rc.SetWriteDeadline(t)
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
