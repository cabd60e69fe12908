package link

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorder is a Handler that keeps what it is told.
type recorder struct {
	mu  sync.Mutex
	got []string
}

func (r *recorder) Receive(_ *End, m Message) { r.add(fmt.Sprintf("%T", m)) }
func (r *recorder) Closed(*End)               { r.add("closed") }
func (r *recorder) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, s)
}

func TestMessagesArriveOnTheOtherSideInOrder(t *testing.T) {
	var agent, master recorder
	a, m := Pipe(&agent, &master)
	a.Send(Register{})
	m.Send(Registered{})
	a.Send(Pong{})
	a.Close()
	a.Send(Pong{}) // into a broken connection
	m.Send(Ping{})
	m.Close()
	if diff := cmp.Diff([]string{"link.Register", "link.Pong", "closed"}, master.got); diff != "" {
		t.Errorf("master (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"link.Registered"}, agent.got); diff != "" {
		t.Errorf("agent, which closed first and is not told (-want +got):\n%s", diff)
	}
}

// hold keeps messages until it is released, then delivers them twice.
type hold struct{ waiting []func() }

func (h *hold) Pass(m Message, deliver func(Message)) {
	h.waiting = append(h.waiting, func() { deliver(m); deliver(m) })
}

func TestFaultDecidesTheFateOfMessagesInOneDirection(t *testing.T) {
	var agent, master recorder
	a, m := Pipe(&agent, &master)
	h := &hold{}
	a.SetFault(h)
	a.Send(Pong{})
	m.Send(Ping{})
	if len(master.got) != 0 || len(agent.got) != 1 {
		t.Fatalf("master got %v, agent got %v: the fault holds one direction only", master.got, agent.got)
	}
	for _, release := range h.waiting {
		release()
	}
	a.SetFault(nil)
	a.Send(Unregister{})
	want := []string{"link.Pong", "link.Pong", "link.Unregister"}
	if diff := cmp.Diff(want, master.got); diff != "" {
		t.Errorf("master (-want +got):\n%s", diff)
	}
}

func TestBothSidesMayCloseAtOnce(t *testing.T) {
	for range 100 {
		var agent, master recorder
		a, m := Pipe(&agent, &master)
		var wg sync.WaitGroup
		wg.Go(a.Close)
		wg.Go(m.Close)
		wg.Wait()
		if n := len(agent.got) + len(master.got); n != 1 {
			t.Fatalf("%d sides were told that the other closed first, want 1", n)
		}
	}
}
