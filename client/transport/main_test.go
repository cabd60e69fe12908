package transport_test

import (
	"io"
	"log"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
)

// TestMain fails if a goroutine is left, but for servers that linger half a second over an unread request.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const host = "master.test:5050"

// serve runs handler on an in-memory network and returns a client of it; cfg.DialContext is filled in.
func serve(t *testing.T, cfg transport.Config, handler http.HandlerFunc) (*transport.Client, *memnet.Network) {
	t.Helper()
	var network memnet.Network
	server := &http.Server{Handler: handler}
	listener := network.Listen(host)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	cfg.DialContext = network.DialContext
	client, err := transport.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		_ = server.Close()
		<-done
	})
	return client, &network
}

// hang is a handler that never answers. It reads the request to its end, as the server does not notice a lost
// connection before.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// quiet is for servers that complain about the failures that a test wants.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
