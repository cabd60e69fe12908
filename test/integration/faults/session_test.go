package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/mesos/codec"
)

var media = map[string]codec.Codec{"json": codec.JSON, "protobuf": codec.Protobuf}

// A session comes through whatever the network and the master do to it: it resumes by itself, hands nothing out twice or out of order, and
// the tasks get done.
func TestTheSessionComesThrough(t *testing.T) {
	for _, tc := range []struct {
		name  string
		rules []string
		// reconnects is how often the session must have lost its subscription at least; -1 if it must not.
		reconnects int
	}{
		{"latency of answers", []string{"call delay time=400ms"}, -1},
		{"latency of everything", []string{"call delay time=400ms", "event delay time=400ms"}, -1},
		{"a line of 1 kB/s", []string{"call limit rate=1kB/s"}, -1},
		{"a line of 100 B/s", []string{"call limit rate=100B/s"}, -1},
		{"a master that falls silent", []string{"event stall skip=3 for=10m"}, 1},
		{"a master without heartbeats", []string{"event drop type=HEARTBEAT for=20m", "event drop type=OFFERS for=10m"}, 1},
		{"subscriptions that are never answered", []string{"event sever type=OFFERS", "call hang type=SUBSCRIBE for=5m"}, 1},
		{"calls that are never answered", []string{"call hang api=scheduler type=AC* for=2m"}, 0},
		{"resets in the middle of offers", []string{"event reset type=OFFERS count=5"}, 5},
		{"resets in the middle of updates", []string{"event reset type=UPDATE skip=2 count=7"}, 7},
		{"resets after one byte", []string{"event reset bytes=1 skip=4 count=6 type=*"}, 1}, // the others hit SUBSCRIBED
		{"streams that end", []string{"event sever type=UPDATE count=6"}, 6},
		{"calls that are reset", []string{"call reset p=0.3 seed=3 type=AC*"}, 0},
		{"calls whose answers are cut", []string{"call cut p=0.3 seed=4 type=AC*"}, 0},
		{"a master that is not ready", []string{"event sever type=OFFERS count=2", `call answer status=503 header="Retry-After: 2" count=6 type=SUBSCRIBE`}, 2},
		{"calls that are refused", []string{"call answer status=429 p=0.3 seed=5 type=AC*"}, 0},
		{"calls that are lost", []string{"call lose p=0.3 seed=6 type=AC*"}, 0},
		{"updates that are lost", []string{"update drop p=0.4 seed=7"}, -1},
		{"updates that come twice", []string{"update duplicate copies=3"}, -1},
		{"updates that come late", []string{"update delay time=15s p=0.5 seed=8"}, -1},
		{"updates in disorder", []string{"update reorder window=3 time=5s"}, -1},
		{"updates late, twice and in disorder", []string{"update duplicate p=0.3 seed=1", "update delay time=12s p=0.4 seed=2", "update reorder window=4 time=20s"}, -1},
	} {
		for kind, media := range media {
			t.Run(tc.name+"/"+kind, func(t *testing.T) {
				inWorld(t, config{media: media}, func(w *world) {
					for _, r := range tc.rules {
						w.fault(r)
					}
					w.batch.await(time.Hour)
					for _, s := range w.Faults().List() {
						if s.Hits == 0 {
							w.Errorf("the fault never struck: %s", s.Text)
						}
					}
					lost := w.batch.connections() - 1
					if tc.reconnects < 0 && lost > 0 || lost < tc.reconnects {
						w.Errorf("the session lost its subscription %d times, want %d", lost, max(0, tc.reconnects))
					}
				})
			})
		}
	}
}

// Half-open connections: nothing says that the other side is gone.
func TestTheSessionComesThroughDeadLines(t *testing.T) {
	for kind, media := range media {
		for _, masters := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d masters", kind, masters), func(t *testing.T) {
				inWorld(t, config{media: media, masters: masters, tasks: 40}, func(w *world) {
					w.batch.says(0, "connected")
					for i := range 8 {
						before := w.batch.connections()
						if n := w.line.cut(); n == 0 {
							w.Error("there was no connection to go dead")
						}
						if i%3 == 2 {
							if err := w.FailOver(w.Context()); err != nil {
								w.Fatal(err)
							}
						}
						for began := time.Now(); w.batch.connections() == before; time.Sleep(time.Second) {
							// Five heartbeats of silence, and what an attempt may take.
							if waited := time.Since(began); waited > 3*time.Minute {
								w.Fatalf("after %v the session is not subscribed again", waited)
							}
						}
						time.Sleep(time.Duration(i) * 7 * time.Second) // idle, busy, in the middle of calls
					}
					w.batch.await(time.Hour)
				})
			})
		}
	}
}

func TestTheLeaderChangesEverySecondForAMinute(t *testing.T) {
	for kind, media := range media {
		for _, masters := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d masters", kind, masters), func(t *testing.T) {
				inWorld(t, config{media: media, masters: masters, tasks: 40}, func(w *world) {
					for range 60 {
						time.Sleep(time.Second)
						if err := w.FailOver(w.Context()); err != nil {
							w.Fatal(err)
						}
					}
					w.batch.await(time.Hour)
					if n := w.batch.connections(); n < 10 {
						w.Errorf("the session was connected %d times only: it did not live through the changes", n)
					}
				})
			})
		}
	}
}

// Whatever comes: a few rules at a time, chosen by chance, for some minutes each.
func TestTheSessionComesThroughAnyMixture(t *testing.T) {
	rules := []string{
		"call delay time=700ms", "call limit rate=500B/s", "call hang p=0.2", "call reset p=0.2", "call cut p=0.2", "call answer status=503 p=0.3",
		"call answer status=500 p=0.2 type=AC*", "call lose p=0.2 type=AC*", "event delay time=2s", "event stall p=0.05", "event sever p=0.05",
		"event reset p=0.05", "event drop type=HEARTBEAT", "update drop p=0.5", "update delay time=20s p=0.5", "update duplicate", "update reorder window=5 time=10s",
	}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			inWorld(t, config{masters: 2, tasks: 30}, func(w *world) {
				for range 8 {
					for range 1 + rng.IntN(3) {
						r := rules[rng.IntN(len(rules))] + fmt.Sprintf(" seed=%d for=%v", 1+rng.Uint64N(1000), time.Duration(1+rng.IntN(180))*time.Second)
						if strings.Contains(r, "call") {
							r += " api=scheduler"
						}
						w.fault(r)
					}
					switch rng.IntN(4) {
					case 0:
						if err := w.FailOver(w.Context()); err != nil {
							w.Fatal(err)
						}
					case 1:
						a := w.Agents()[rng.IntN(2)]
						a.Partition()
						time.Sleep(time.Duration(rng.IntN(300)) * time.Second)
						a.Heal()
					}
					time.Sleep(time.Duration(rng.IntN(60)) * time.Second)
				}
				w.batch.await(6 * time.Hour)
			})
		})
	}
}
