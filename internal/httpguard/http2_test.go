package httpguard

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// In HTTP/2 a deadline ends a stream even if nothing waits in it.
func TestQuietStreamsLiveOnOverHTTP2AndStalledBodiesDoNot(t *testing.T) {
	const hours = 3
	h := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ProtoMajor != 2 {
			http.Error(w, r.Proto+" broke off", http.StatusBadRequest)
			return
		}
		for range hours {
			time.Sleep(time.Hour)
			_, _ = w.Write(body)
			_ = http.NewResponseController(w).Flush()
		}
	}
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := httptest.NewUnstartedServer(nil)
		_ = server.Listener.Close()
		server.Listener, server.Config, server.EnableHTTP2 = l, Server(Handler(http.HandlerFunc(h), Config{})), true
		server.StartTLS()
		defer server.Close()
		client := server.Client()
		tr := client.Transport.(*http.Transport)
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
			mine, theirs := net.Pipe()
			l.conns <- theirs
			return mine, nil
		}
		defer tr.CloseIdleConnections()

		resp, err := client.Post("https://127.0.0.1/", "text/plain", strings.NewReader("tick"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(got) != strings.Repeat("tick", hours) || err != nil {
			t.Errorf("%q (%v)", got, err)
		}

		stalled, stop := io.Pipe()
		defer stop.Close()
		began := time.Now()
		resp, err = client.Post("https://127.0.0.1/", "text/plain", stalled)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if d := time.Since(began); resp.StatusCode != http.StatusBadRequest || d < Stall || d > Stall+2*time.Second {
			t.Errorf("a body that does not come is answered %s after %v", resp.Status, d)
		}
		_ = stop.CloseWithError(errors.New("over"))
	})
}
