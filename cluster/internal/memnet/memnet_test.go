package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHTTPInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, err := n.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour)
			io.WriteString(w, "hello")
		})}
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		c := &http.Client{Transport: &http.Transport{DialContext: n.DialContext}}
		resp, err := c.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "hello" {
			t.Errorf("got %q", body)
		}
		c.CloseIdleConnections()
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestAddresses(t *testing.T) {
	var n Network
	ctx := context.Background()
	a, err := n.Listen(ctx, "127.0.0.1:5050")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen(ctx, "127.0.0.1:5050"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: %v, want EADDRINUSE", err)
	}
	a.Close()
	if _, err := a.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v, want net.ErrClosed", err)
	}
	if _, err := n.DialContext(ctx, "tcp", "127.0.0.1:5050"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v, want ECONNREFUSED", err)
	}
	b, err := n.Listen(ctx, "127.0.0.1:5050")
	if err != nil {
		t.Fatalf("the address was not freed: %v", err)
	}
	defer b.Close()
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := n.DialContext(short, "tcp", "x:5050"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v, want context.Canceled", err)
	}
	for _, bad := range []string{"nowhere", "h:0x", "h:70000"} {
		if _, err := n.Listen(ctx, bad); err == nil {
			t.Errorf("listens at %q", bad)
		}
	}
}
