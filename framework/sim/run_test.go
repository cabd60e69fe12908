package sim_test

import (
	"flag"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
)

var (
	seed  = flag.Uint64("seed", 0, "run only this seed, with a log")
	seeds = flag.Int("seeds", 300, "how many seeds to run")
	// Under the race detector everything takes ten times as long. What is not reached is reached by the runs without.
	budget = flag.Duration("budget", 25*time.Second, "start no further runs of a test after this time")
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
	if testing.Short() {
		n /= 4
	}
	var mu sync.Mutex
	var launches, crashes, failed int
	done := each(n, func(k int) {
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
	t.Logf("%d of %d runs, %d launches, %d crashes, %d failed", done, n, launches, crashes, failed)
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
	step := 1
	if testing.Short() {
		step = 7
	}
	done := each(res.Boundaries/step, func(k int) {
		opt := day
		opt.CutAt = 1 + k*step
		if _, err := sim.Run(opt); err != nil {
			t.Errorf("cut at boundary %d: %v", opt.CutAt, err)
		}
	})
	t.Logf("%d boundaries, cut at %d", res.Boundaries, done)
}

// each calls f with 0 to n-1 in a scattered order, on all cores, until the budget is spent, and returns how many calls it made.
func each(n int, f func(int)) (done int) {
	start, stride := time.Now(), 1
	for _, prime := range []int{97, 101, 103} {
		if n%prime != 0 {
			stride = prime
			break
		}
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	for ; done < n && time.Since(start) < *budget; done++ {
		next <- done * stride % n
	}
	close(next)
	wg.Wait()
	return done
}
