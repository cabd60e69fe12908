package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, c *client) *Store {
	t.Helper()
	s, err := Open(t.Context(), c, "the test store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Backend{Durable: true, Shared: true, New: func(t *testing.T) storetest.Open {
		service := newService()
		return func(t *testing.T) store.Store { return connect(t, &client{service: service}) }
	}})
}

// The connection breaks again and again, before and after a change has happened.
func TestConformanceWithBrokenConnections(t *testing.T) {
	storetest.Run(t, storetest.Backend{Durable: true, Shared: true, New: func(t *testing.T) storetest.Open {
		service := newService()
		seed := uint64(0)
		return func(t *testing.T) store.Store {
			seed++
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 1))
			return connect(t, &client{service: service, fault: func(string, bool) error {
				mu.Lock()
				defer mu.Unlock()
				if random.IntN(25) == 0 {
					return errBroken
				}
				return nil
			}})
		}
	}})
}

func commitSet(s *Store, value string) error {
	var ops []store.Op
	for i := range 10 { // four chunks
		ops = append(ops, store.Put(fmt.Sprintf("set/%d", i), []byte(value)))
	}
	_, err := s.Commit(context.Background(), store.Batch{Ops: ops})
	return err
}

// values returns the values of the set; there is one only if the set is whole.
func values(t *testing.T, s *Store) (out []string) {
	t.Helper()
	records, _, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range records {
		if !seen[string(r.Value)] {
			seen[string(r.Value)] = true
			out = append(out, string(r.Value))
		}
	}
	if len(records) != 10 {
		t.Fatalf("%d records", len(records))
	}
	return out
}

// A writer dies at each step of a large batch, before or after it. The next one finds all of it or nothing, and nothing
// stays behind.
func TestAWriterMayDieAtEveryStep(t *testing.T) {
	for step := 0; ; step++ {
		ended := false
		synctest.Test(t, func(t *testing.T) {
			service := newService()
			if err := commitSet(connect(t, &client{service: service}), "old"); err != nil {
				t.Fatal(err)
			}
			ctx, die := context.WithCancel(t.Context())
			defer die()
			var mu sync.Mutex
			n, dead, committed := 0, false, false
			s := connect(t, &client{service: service, fault: func(what string, before bool) error {
				mu.Lock()
				defer mu.Unlock()
				n++
				if dead = dead || n > step; dead {
					die()
					return errBroken
				}
				committed = committed || what == "swap" && !before
				return nil
			}})
			var ops []store.Op
			for i := range 10 {
				ops = append(ops, store.Put(fmt.Sprintf("set/%d", i), []byte("new")))
			}
			_, err := s.Commit(ctx, store.Batch{Ops: ops})
			ended = !dead
			mu.Lock()
			wantNew := committed // a swap has returned
			mu.Unlock()
			next := connect(t, &client{service: service})
			got := values(t, next)
			switch {
			case len(got) != 1:
				t.Fatalf("step %d: half a batch: %v", step, got)
			case wantNew && (got[0] != "new" || err != nil):
				t.Fatalf("step %d: committed, but the set is %v and the error %v", step, got, err)
			case !wantNew && got[0] == "new" && !errors.Is(err, store.ErrUncertain):
				t.Fatalf("step %d: committed, but the error is %v", step, err)
			case !wantNew && err == nil:
				t.Fatalf("step %d: not committed, but without error", step)
			}
			if err := commitSet(next, "after"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * orphanAge) // of the bubble
			last := connect(t, &client{service: service})
			if got := values(t, last); len(got) != 1 || got[0] != "after" {
				t.Fatalf("step %d: afterwards %v", step, got)
			}
			if len(service.chunks) != 0 {
				t.Fatalf("step %d: left behind: %v", step, service.chunks)
			}
		})
		if ended {
			if step < 10 {
				t.Fatalf("the batch took %d steps only", step)
			}
			return
		}
	}
}

// The answer to a swap is lost, and other writers commit before the writer can ask.
func TestALostAnswerIsFoundOut(t *testing.T) {
	for _, tc := range []struct {
		name    string
		happens bool
		others  int
		want    error
	}{
		{"it happened, nothing since", true, 0, nil},
		{"it happened, others followed", true, 15, nil},
		{"it happened, too many followed", true, 40, store.ErrUncertain},
		{"it did not happen", false, 0, nil},
		{"it did not happen, others followed", false, 16, nil},
		{"it did not happen, too many followed", false, 40, store.ErrUncertain},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := newService()
				other := connect(t, &client{service: service})
				broken := false
				s := connect(t, &client{service: service, fault: func(what string, before bool) error {
					if broken || before == tc.happens {
						return nil
					}
					broken = true
					for i := range tc.others {
						if _, err := other.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("other", fmt.Append(nil, i))}}); err != nil {
							t.Error(err)
						}
					}
					return errBroken
				}})
				_, err := s.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Check("mine", 0), store.Put("mine", []byte("1"))}})
				if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
					t.Fatalf("commit: %v, want %v", err, tc.want)
				}
				if _, err := other.Get(t.Context(), "mine"); tc.want == nil && err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// The context ends while the service does not answer.
func TestAnUnansweredCommitIsUncertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := false
		s := connect(t, &client{service: newService(), fault: func(what string, before bool) error {
			if down {
				return errBroken
			}
			return nil
		}})
		down = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("a", nil)}})
		if !errors.Is(err, store.ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		down = false
		if _, err := s.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("a", []byte("2"))}}); err != nil {
			t.Fatal(err)
		}
	})
}

// A service that is full says so before or after it has done what it was asked for.
func TestAFullServiceIsNotBelieved(t *testing.T) {
	for _, happens := range []bool{false, true} {
		service := newService()
		full := false
		s := connect(t, &client{service: service, fault: func(what string, before bool) error {
			if full && what == "swap" && before != happens {
				return Permanent(fmt.Errorf("the service says: %w", store.ErrFull))
			}
			return nil
		}})
		full = true
		_, err := s.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("a", nil)}})
		if happens && err != nil || !happens && (!errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUncertain)) {
			t.Errorf("happens %v: %v", happens, err)
		}
		full = false
		if _, err := s.Get(t.Context(), "a"); (err == nil) != happens {
			t.Errorf("happens %v: %v", happens, err)
		}
	}
}

func TestDamagedAndNewerLayoutsAreRefused(t *testing.T) {
	for head, want := range map[string]string{
		"{":            "malformed",
		`{"format":2}`: "version 2",
		`{"format":1,"pending":{"id":"x","chunks":1,"next":1}}`: "makes no sense",
		`{"format":1,"pending":{"id":"x","chunks":1,"next":0}}`: "missing",
	} {
		service := newService()
		service.head = Head{Item{[]byte(head), 1}, 1}
		_, err := Open(t.Context(), &client{service: service}, "the test store")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", head, err, want)
		}
		if IsPermanent(err) && unmark(err) != err {
			t.Errorf("%s: the mark shows", head)
		}
	}
}

func FuzzChunk(f *testing.F) {
	f.Add(encodeChunk([]Write{{Key: "a/b", Data: []byte("value\n")}, {Key: "c", Delete: true}, {Key: "d"}}))
	f.Add(encodeChunk(nil))
	f.Add([]byte("1 00000000\n1 -\na\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		writes, err := decodeChunk("x", data)
		if err != nil {
			return
		}
		again, err := decodeChunk("x", encodeChunk(writes))
		if err != nil || len(again) != len(writes) {
			t.Fatalf("%d writes, then %d, %v", len(writes), len(again), err)
		}
		for i, w := range writes {
			if a := again[i]; a.Key != w.Key || a.Delete != w.Delete || string(a.Data) != string(w.Data) {
				t.Fatalf("write %d: %v, then %v", i, w, a)
			}
		}
	})
}
