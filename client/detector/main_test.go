package detector

import (
	"context"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// observed is one element of a Watch.
type observed struct {
	masters Masters
	err     error
}

// watch runs d.Watch until the test ends and returns what it yields.
func watch(t *testing.T, d Detector) <-chan observed {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan observed), make(chan struct{})
	go func() {
		defer close(done)
		defer close(out)
		for now, err := range d.Watch(ctx) {
			select {
			case out <- observed{now, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return out
}
