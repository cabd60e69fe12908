package master

import (
	"math"
	"slices"
	"time"
)

// timing is how long something took, over the last runs, as the timers of Mesos report it.
type timing struct {
	recent [256]float64 // ms; a ring
	count  int          // of all runs
}

func (t *timing) add(d time.Duration) {
	t.recent[t.count%len(t.recent)] = float64(d) / float64(time.Millisecond)
	t.count++
}

// metrics adds the last value under the name, and how the recent ones are distributed below it.
func (t *timing) metrics(to map[string]float64, name string) {
	if t.count == 0 {
		return
	}
	n := min(t.count, len(t.recent))
	to[name] = t.recent[(t.count-1)%len(t.recent)]
	to[name+"/count"] = float64(n)
	sorted := slices.Sorted(slices.Values(t.recent[:n]))
	to[name+"/min"], to[name+"/max"] = sorted[0], sorted[n-1]
	for _, p := range []struct {
		name string
		at   float64
	}{{"p50", .5}, {"p90", .9}, {"p95", .95}, {"p99", .99}, {"p999", .999}, {"p9999", .9999}} {
		at := p.at * float64(n-1)
		low := int(math.Floor(at))
		high := min(low+1, n-1)
		to[name+"/"+p.name] = sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
	}
}
