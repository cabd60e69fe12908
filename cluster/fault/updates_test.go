package fault

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// lane is a link's direction and what arrived at its end, with the seconds that it took.
type lane struct {
	fault link.Fault
	began time.Time
	mu    sync.Mutex
	got   []string
}

func newLane(s *Set, hostname string) *lane { return &lane{fault: s.Link(hostname), began: time.Now()} }

func (l *lane) send(task string, state mesospb.TaskState) {
	l.fault.Pass(link.StatusUpdate{FrameworkID: "F", Status: &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &task}, State: &state, AgentId: &mesospb.AgentID{Value: proto.String("S0")},
	}}, func(m link.Message) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, fmt.Sprintf("%s@%g", m.(link.StatusUpdate).Status.GetTaskId().GetValue(), time.Since(l.began).Seconds()))
	})
}

func (l *lane) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.got); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	l.got = nil
}

const running = mesospb.TaskState_TASK_RUNNING

// inBubble runs a test with a set in a bubble.
func inBubble(t *testing.T, test func(t *testing.T, s *Set)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := NewSet()
		defer s.Close()
		test(t, s)
	})
}

func add(t testing.TB, s *Set, text string) string {
	t.Helper()
	id, err := s.AddText(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestUpdatesAreDroppedDelayedDuplicatedReordered(t *testing.T) {
	for _, tc := range []struct {
		rule string
		want []string // of a to d, sent at once
	}{
		{"update drop task=b", []string{"a@0", "c@0", "d@0"}},
		{"update drop count=2", []string{"c@0", "d@0"}},
		{"update drop skip=1 count=2", []string{"a@0", "d@0"}},
		{"update drop agent=elsewhere", []string{"a@0", "b@0", "c@0", "d@0"}},
		{"update drop agent=S0 framework=F", nil},
		{"update drop agent=host state=TASK_RUNNING", nil},
		{"update drop state=TASK_FAILED", []string{"a@0", "b@0", "c@0", "d@0"}},
		{"update drop framework=name", nil},
		{"update delay time=2s task=a", []string{"b@0", "c@0", "d@0", "a@2"}},
		{"update duplicate task=b", []string{"a@0", "b@0", "b@0", "c@0", "d@0"}},
		{"update duplicate copies=3 count=1", []string{"a@0", "a@0", "a@0", "b@0", "c@0", "d@0"}},
		{"update reorder", []string{"b@0", "a@0", "d@0", "c@0"}},
		{"update reorder window=4", []string{"d@0", "c@0", "b@0", "a@0"}},
		{"update reorder window=3", []string{"c@0", "b@0", "a@0", "d@1"}},
		{"update reorder window=9 time=5s", []string{"d@5", "c@5", "b@5", "a@5"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Set) {
				s.learn("F", "name")
				add(t, s, tc.rule)
				l := newLane(s, "host")
				for _, task := range []string{"a", "b", "c", "d"} {
					l.send(task, running)
				}
				time.Sleep(10 * time.Second)
				l.expect(t, tc.want...)
			})
		})
	}
}

func TestOtherMessagesPassUnharmed(t *testing.T) {
	s := NewSet()
	add(t, s, "update drop")
	passed := 0
	s.Link("h").Pass(link.Pong{}, func(link.Message) { passed++ })
	if passed != 1 {
		t.Errorf("a Pong arrived %d times", passed)
	}
}

func TestAProbabilityWithASeedIsRepeatable(t *testing.T) {
	run := func(seed string) (pattern string) {
		s := NewSet()
		defer s.Close()
		add(t, s, "update drop p=0.5 seed="+seed)
		for range 64 {
			hit := "x"
			s.Link("h").Pass(link.StatusUpdate{Status: &mesospb.TaskStatus{}}, func(link.Message) { hit = "." })
			pattern += hit
		}
		return pattern
	}
	if one, two := run("3"), run("3"); one != two {
		t.Errorf("the same seed gave\n%s and\n%s", one, two)
	}
	if one, two := run("3"), run("4"); one == two {
		t.Errorf("two seeds gave %s", one)
	}
}

func TestTheEndOfARuleLetsGoWhatItHeld(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Set) {
		l := newLane(s, "h")
		delay := add(t, s, "update delay time=1h task=a")
		add(t, s, "update reorder window=9 time=1h for=3s task=b*")
		l.send("a", running)
		l.send("b1", running)
		l.send("b2", running)
		l.expect(t)
		if err := s.Remove(delay); err != nil {
			t.Fatal(err)
		}
		l.expect(t, "a@0")
		time.Sleep(3 * time.Second)
		l.expect(t, "b2@3", "b1@3")
		l.send("b3", running)
		l.send("a", running)
		l.expect(t, "b3@3", "a@3")
	})
}

func TestWhatIsHeldIsLostWithTheSet(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Set) {
		l := newLane(s, "h")
		add(t, s, "update delay time=1s task=a")
		add(t, s, "update reorder window=9")
		l.send("a", running)
		l.send("b", running)
		s.Close()
		time.Sleep(time.Minute)
		l.expect(t)
		if _, err := s.AddText("update drop"); !errors.Is(err, ErrClosed) {
			t.Errorf("Add: %v", err)
		}
		if err := s.Wait(t.Context(), "f1", 99); !errors.Is(err, ErrClosed) {
			t.Errorf("Wait: %v", err)
		}
	})
}

func TestTheFirstRuleThatHitsDecides(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Set) {
		l := newLane(s, "h")
		first := add(t, s, "update drop task=a count=1")
		second := add(t, s, "update duplicate task=a count=1")
		for range 3 {
			l.send("a", running)
		}
		l.expect(t, "a@0", "a@0", "a@0")
		want := []State{
			{Rule{ID: first, On: Update, Do: Drop, Task: "a", Count: 1}, "update drop task=a count=1", 1, 1, true},
			{Rule{ID: second, On: Update, Do: Duplicate, Task: "a", Count: 1}, "update duplicate task=a count=1", 1, 1, true},
		}
		if diff := cmp.Diff(want, s.List()); diff != "" {
			t.Errorf("rules (-want +got):\n%s", diff)
		}
	})
}

func TestWaitTellsWhenARuleHasHit(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Set) {
		l := newLane(s, "h")
		id := add(t, s, "update drop id=mine")
		if id != "mine" {
			t.Errorf("id %q", id)
		}
		time.AfterFunc(time.Second, func() { l.send("a", running) })
		time.AfterFunc(2*time.Second, func() { l.send("a", running) })
		began := time.Now()
		if err := s.Wait(t.Context(), id, 2); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("Wait: %v after %v", err, time.Since(began))
		}
		if err := s.Wait(t.Context(), "other", 1); err == nil {
			t.Error("Wait knows a rule that there is not")
		}
	})
}

func TestIDsAreUnique(t *testing.T) {
	s := NewSet()
	add(t, s, "update drop id=f1")
	if id := add(t, s, "update drop"); id != "f2" {
		t.Errorf("id %q, want f2", id)
	}
	_, err := s.AddText("update drop id=f2")
	if e, ok := errors.AsType[*RuleError](err); !ok || e.Field != "id" {
		t.Errorf("a taken id: %v", err)
	}
	err = s.Remove("f9")
	if e, ok := errors.AsType[*UnknownRuleError](err); !ok || e.ID != "f9" {
		t.Errorf("Remove: %v", err)
	}
	s.Clear()
	if left := s.List(); len(left) > 0 {
		t.Errorf("left after Clear: %v", left)
	}
}

func TestASetForgetsOldRules(t *testing.T) {
	s := NewSet()
	l := newLane(s, "h")
	for range 3 * keptRules {
		add(t, s, "update duplicate count=1")
		l.send("a", running)
	}
	if n := len(s.List()); n > keptRules+1 {
		t.Errorf("%d rules are remembered", n)
	}
	for i := 0; ; i++ {
		if _, err := s.AddText("update drop"); errors.Is(err, ErrTooMany) {
			if i != MaxRules {
				t.Errorf("room for %d rules", i)
			}
			break
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	s := NewSet()
	l := newLane(s, "h")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 100 {
				l.send("a", running)
				id, err := s.AddText([]string{"update delay time=1ms", "update reorder time=1ms", "update drop count=3", "update duplicate p=0.5"}[i])
				if err != nil {
					t.Error(err)
					return
				}
				l.send("a", running)
				s.List()
				_ = s.Remove(id)
			}
		})
	}
	wg.Wait()
	s.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.got); n < 400 { // of 800: drop takes at most 300 of its goroutine's and the others'
		t.Errorf("%d updates arrived", n)
	}
}
