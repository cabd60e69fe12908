package loop

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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

func TestTimersRunInTheOrderOfTheirTimesAndMaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEngine(false)
		l, other := e.Loop(), e.Loop()
		random := rand.New(rand.NewPCG(1, 2))
		type call struct {
			at time.Duration
			n  int
		}
		var got, want []call
		var timers []*Timer
		for n := range 1000 {
			c := call{time.Duration(1+random.IntN(50)) * time.Second, n}
			on := l
			if n%2 == 0 {
				on = other
			}
			timers = append(timers, on.After(c.at, func() { got = append(got, c) }))
			want = append(want, c)
		}
		for _, n := range random.Perm(1000)[:300] {
			l.Do(t.Context(), timers[n].Stop)
			want = slices.DeleteFunc(want, func(c call) bool { return c.n == n })
		}
		slices.SortStableFunc(want, func(a, b call) int { return int(a.at - b.at) })
		time.Sleep(time.Minute)
		l.Close()
		other.Close()
		e.Close()
		if !slices.Equal(got, want) {
			t.Error(cmp.Diff(want, got, cmp.AllowUnexported(call{})))
		}
	})
}

// Whoever comes first, what comes at one moment is taken in the order of its keys.
func TestOrderedEngineDoesNotLeaveTheOrderToChance(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			e := NewEngine(true)
			a, b := e.Loop(), e.Loop()
			var got []string
			var wg sync.WaitGroup
			for i := range 26 {
				key := string(rune('a' + i))
				wg.Go(func() {
					l := a
					if i%3 == 0 {
						l = b
					}
					l.Do(WithKey(context.Background(), key), func() {
						got = append(got, key)
						l.Post(func() { got = append(got, strings.ToUpper(key)) })
					})
				})
			}
			wg.Wait()
			a.Close()
			b.Close()
			e.Close()
			if s := strings.Join(got, ""); s != "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
				t.Fatal(s)
			}
		})
	}
}

func TestLoopsOfAnEngineCloseAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ordered := range []bool{false, true} {
			e := NewEngine(ordered)
			a, b := e.Loop(), e.Loop()
			ran := 0
			a.After(time.Second, func() { t.Error("a timer ran after Close") })
			a.Enter("k", func() { ran++ })
			a.Close()
			a.Close()
			if ran != 1 {
				t.Errorf("what was entered before Close ran %d times", ran)
			}
			if a.Post(func() {}) || a.Enter("", func() {}) || !errors.Is(a.Do(t.Context(), func() {}), ErrClosed) {
				t.Error("a closed loop takes functions")
			}
			a.After(time.Second, func() { t.Error("a timer of a closed loop ran") }).Stop()
			b.After(2*time.Second, func() { ran++ })
			time.Sleep(3 * time.Second)
			b.Close()
			e.Close()
			if ran != 2 {
				t.Errorf("the other loop's timer did not run")
			}
		}
	})
}

func BenchmarkPost(b *testing.B) {
	l := New()
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		l.Post(func() {})
	}
}

// A timer that is stopped before it is due, among many, as that of a status update.
func BenchmarkTimer(b *testing.B) {
	l := New()
	defer l.Close()
	for range 50_000 {
		l.After(time.Hour, func() {})
	}
	b.ReportAllocs()
	for b.Loop() {
		l.After(time.Hour, func() {}).Stop()
	}
}
