package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// acceptor is a master that takes every connection.
type acceptor struct {
	recorder
	ends []*End
}

func (a *acceptor) Connect(agent Handler) (*End, error) {
	mine, theirs := Pipe(&a.recorder, agent)
	a.ends = append(a.ends, mine)
	return theirs, nil
}

func connect(t *testing.T, w *Wire, m Acceptor, agent Handler) *End {
	t.Helper()
	end, err := w.Connect(t.Context(), m, agent)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func TestACutWireHoldsWhatIsSentUntilItHeals(t *testing.T) {
	var w Wire
	var agent recorder
	var master acceptor
	end := connect(t, &w, &master, &agent)
	end.Send(Pong{})
	if !w.Cut() || w.Cut() {
		t.Error("Cut must tell whether the wire was whole")
	}
	end.Send(Unregister{})
	end.Send(Pong{})
	master.ends[0].Send(Ping{})
	if diff := cmp.Diff([]string{"link.Pong"}, master.got); diff != "" || len(agent.got) > 0 {
		t.Fatalf("through a cut wire came %v and\n%s", agent.got, diff)
	}
	if !w.Heal() || w.Heal() {
		t.Error("Heal must tell whether the wire was cut")
	}
	end.Send(Register{})
	if diff := cmp.Diff([]string{"link.Pong", "link.Unregister", "link.Pong", "link.Register"}, master.got); diff != "" {
		t.Errorf("master (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"link.Ping"}, agent.got); diff != "" {
		t.Errorf("agent (-want +got):\n%s", diff)
	}
}

func TestACloseDuringACutIsToldWhenTheWireHeals(t *testing.T) {
	for _, tc := range []struct {
		name          string
		close         func(agent, master *End)
		agent, master []string
	}{
		{"the agent's", func(a, _ *End) { a.Close() }, nil, []string{"closed"}},
		{"the master's", func(_, m *End) { m.Close() }, []string{"closed"}, nil},
		{"both", func(a, m *End) { a.Close(); m.Close() }, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var w Wire
			var agent recorder
			var master acceptor
			end := connect(t, &w, &master, &agent)
			w.Cut()
			end.Send(Pong{}) // lost with the connection
			tc.close(end, master.ends[0])
			end.Send(Pong{})
			if len(agent.got)+len(master.got) > 0 {
				t.Fatalf("agent %v and master %v were told through a cut wire", agent.got, master.got)
			}
			w.Heal()
			if diff := cmp.Diff(tc.agent, agent.got); diff != "" {
				t.Errorf("agent (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.master, master.got); diff != "" {
				t.Errorf("master (-want +got):\n%s", diff)
			}
			connect(t, &w, &master, &agent)
			if len(w.ends) != 1 {
				t.Errorf("%d connections kept, want the open one", len(w.ends))
			}
		})
	}
}

func TestConnectWaitsForACutWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Wire
		var master acceptor
		w.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.Connect(ctx, &master, new(recorder)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect: %v, want the end of its context", err)
		}
		time.AfterFunc(time.Hour, func() { w.Heal() })
		began := time.Now()
		connect(t, &w, &master, new(recorder))
		if d := time.Since(began); d != time.Hour {
			t.Errorf("connected after %v", d)
		}
	})
}

func TestMessagesKeepTheirOrderThroughManyCuts(t *testing.T) {
	var w Wire
	var agent recorder
	var master acceptor
	end := connect(t, &w, &master, &agent)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				w.Cut()
				w.Heal()
			}
		}
	})
	var want []string
	for i := range 2000 {
		m := Message(Pong{})
		if i%3 == 0 {
			m = Unregister{}
		}
		want = append(want, fmt.Sprintf("%T", m))
		end.Send(m)
	}
	close(done)
	wg.Wait()
	w.Heal()
	if diff := cmp.Diff(want, master.got); diff != "" {
		t.Errorf("master (-want +got):\n%s", diff)
	}
}
