package loop

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFunctionsRunInPostingOrder(t *testing.T) {
	l := New()
	var got []int
	for i := range 1000 {
		l.Post(func() { got = append(got, i) })
	}
	l.Close()
	if len(got) != 1000 {
		t.Fatalf("%d functions ran, want 1000: Close must let queued functions run", len(got))
	}
	for i, v := range got {
		if v != i {
			t.Fatalf("position %d ran function %d", i, v)
		}
	}
}

func TestDoAfterCloseFails(t *testing.T) {
	l := New()
	l.Close()
	if err := l.Do(context.Background(), func() { t.Error("ran") }); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v, want ErrClosed", err)
	}
}

func TestDoHonoursItsContext(t *testing.T) {
	l := New()
	defer l.Close()
	block := make(chan struct{})
	l.Post(func() { <-block })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Do(ctx, func() {}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	close(block)
}

func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		var fired []string
		l.After(2*time.Second, func() { fired = append(fired, "two") })
		l.After(1*time.Second, func() { fired = append(fired, "one") })
		stopped := l.After(1*time.Second, func() { fired = append(fired, "stopped") })
		l.Post(stopped.Stop)
		l.After(time.Hour, func() { fired = append(fired, "after close") })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		l.Close()
		if len(fired) != 2 || fired[0] != "one" || fired[1] != "two" {
			t.Fatalf("fired %q, want one, two", fired)
		}
	})
}

// A timer whose function is queued already, when another function stops it, must not run.
func TestStopOnTheLoopIsCertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		defer l.Close()
		timer := l.After(time.Second, func() { t.Error("ran after Stop") })
		block := make(chan struct{})
		l.Post(func() { <-block; timer.Stop() })
		time.Sleep(2 * time.Second)
		close(block)
	})
}
