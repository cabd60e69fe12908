package integration

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Faults on real sockets and processes; package faults plays them in virtual time.

func TestAKilledAgentTakesItsProcessesAlong(t *testing.T) {
	c := start(t, cluster.Config{AgentPingInterval: 200 * time.Millisecond})
	f := subscribe(t, c, modern("killed"), codec.Protobuf)
	offer := f.offers()[0]
	f.launch(offer, shell("killed", offer, "echo $$; exec sleep 1000"))
	f.expect(starting, running)
	pid := strings.TrimSpace(output(t, f, c, "killed", 1))
	if err := c.Agents()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, f, pid)
	for {
		e := f.any()
		if e.GetType() == schedulerpb.Event_UPDATE {
			if s := e.GetUpdate().GetStatus(); s.GetState() != mesospb.TaskState_TASK_UNREACHABLE || len(s.GetUuid()) > 0 {
				t.Errorf("told %v, want the master's TASK_UNREACHABLE", s)
			}
			return
		}
	}
}

// any returns the next event, whatever it is.
func (f *framework) any() *schedulerpb.Event {
	f.t.Helper()
	select {
	case e, ok := <-f.events:
		if !ok {
			f.t.Fatal("the stream ended")
		}
		return e
	case <-f.ctx.Done():
		f.t.Fatal("no event")
	}
	return nil
}

func TestARestartedAgentKeepsItsProcesses(t *testing.T) {
	c := start(t, cluster.Config{})
	info := modern("kept")
	yes := true
	info.Checkpoint = &yes
	f := subscribe(t, c, info, codec.Protobuf)
	offer := f.offers()[0]
	f.launch(offer, shell("kept", offer, "while [ ! -e go ]; do sleep 0.02; done; echo done"))
	f.expect(starting, running)
	a := c.Agents()[0]
	if err := a.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.must(f.Kill(f.ctx, &mesospb.TaskID{Value: new("kept")}, offer.GetAgentId(), nil))
	for {
		e := f.any()
		if e.GetType() != schedulerpb.Event_UPDATE {
			continue
		}
		s := e.GetUpdate().GetStatus()
		f.must(f.Acknowledge(f.ctx, s))
		if s.GetState() == killed {
			return
		}
		if s.GetState() != killing {
			t.Fatalf("told %v, want that it is killed", s)
		}
	}
}

func TestAnAnswerIsCutOnARealSocket(t *testing.T) {
	c := start(t, cluster.Config{})
	if _, err := c.Faults().AddText("call cut path=/state count=1"); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var texts []string
	for range 2 {
		resp, err := client.Get("http://" + c.Master() + "/state")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if (err != nil) != (len(texts) == 0) {
			t.Errorf("answer %d: %d bytes, %v", len(texts)+1, len(body), err)
		}
		texts = append(texts, string(body))
	}
	if len(texts[0]) == 0 || len(texts[0]) >= len(texts[1]) {
		t.Errorf("%d bytes arrived of %d", len(texts[0]), len(texts[1]))
	}
}
