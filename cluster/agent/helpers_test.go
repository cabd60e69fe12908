package agent

import (
	"github.com/google/uuid"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
)

// stalled is a server that begins to answer and then sends nothing.
type stalled struct {
	url   string
	asked chan struct{} // closed by the first request
}

func stalledServer(t testing.TB) *stalled {
	s := &stalled{asked: make(chan struct{})}
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("x"))
		w.(http.Flusher).Flush()
		once.Do(func() { close(s.asked) })
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// waitForgotten returns when the agent has no executor of this id any more.
func waitForgotten(t testing.TB, a *Agent, executor string) {
	t.Helper()
	eventually(t, "executor "+executor+" is forgotten", func() bool {
		gone := true
		_ = a.loop.Do(t.Context(), func() {
			if f := a.frameworks["fw-0000"]; f != nil {
				gone = f.executors[executor] == nil
			}
		})
		return gone
	})
}

func touch(t testing.TB, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// newUUID returns the 16 bytes of a random UUID.
func newUUID() []byte {
	id := uuid.New()
	return id[:]
}
