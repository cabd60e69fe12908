package sim_test

import (
	"flag"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
)

var (
	seed  = flag.Uint64("seed", 0, "run only this seed, with a log")
	seeds = flag.Int("seeds", 100, "how many seeds to run")
	// Under the race detector all takes ten times as long: by default every tenth boundary, "make days" takes all.
	cuts = flag.Int("cuts", 10, "cut at every n-th boundary")
)

func faulty(seed uint64) sim.Options {
	return sim.Options{Seed: seed, Faults: true, Crash: 0.004, Config: core.Config{
		Seed: seed, Roles: []string{"eng"}, Principal: "me", ReservationRefinement: true,
	}}
}

func TestEveryInstanceRunsExactlyOnceWhateverFails(t *testing.T) {
	if *seed != 0 {
		opt := faulty(*seed)
		opt.Log = true
		res, err := sim.Run(opt)
		t.Log(strings.Join(res.Log, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	n := *seeds
	var mu sync.Mutex
	var launches, crashes, failed int
	each(n, func(k int) {
		opt := faulty(uint64(k + 1))
		res, err := sim.Run(opt)
		mu.Lock()
		defer mu.Unlock()
		launches, crashes = launches+res.Launches, crashes+res.Crashes
		if err != nil {
			if failed++; failed <= 3 {
				t.Errorf("%v\nrepeat with: go test ./framework/sim -run %s -v -seed=%d", err, t.Name(), opt.Seed)
			}
		}
	})
	if launches < n || crashes < n {
		t.Errorf("%d runs had only %d launches and %d crashes: the days are too quiet", n, launches, crashes)
	}
	t.Logf("%d days, %d launches, %d crashes, %d failed", n, launches, crashes, failed)
}

func TestADayCutAtEveryBoundary(t *testing.T) {
	day := sim.Options{Seed: 7, Duration: 2 * time.Minute}
	res, err := sim.Run(day)
	if err != nil {
		t.Fatal(err)
	}
	if res.Boundaries < 100 {
		t.Fatalf("only %d boundaries: the day is too quiet", res.Boundaries)
	}
	n := (res.Boundaries + *cuts - 1) / *cuts
	var crashes atomic.Int64
	each(n, func(k int) {
		opt := day
		opt.CutAt = 1 + k**cuts
		res, err := sim.Run(opt)
		if err != nil {
			t.Errorf("cut at boundary %d: %v", opt.CutAt, err)
		}
		crashes.Add(int64(res.Crashes))
	})
	if crashes.Load() != int64(n) {
		t.Errorf("%d cuts killed %d schedulers", n, crashes.Load())
	}
	t.Logf("%d boundaries, cut at %d", res.Boundaries, n)
}

// each calls f with 0 to n-1 on all cores.
func each(n int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	for k := range n {
		next <- k
	}
	close(next)
	wg.Wait()
}
