package core_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// fromWire decodes an event as the engine gets it: all its parts share memory.
func fromWire(t *testing.T, e *schedulerpb.Event) core.Input {
	data, err := codec.Protobuf.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	shared := new(schedulerpb.Event)
	if err := codec.Protobuf.UnmarshalOwned(data, shared); err != nil {
		t.Fatal(err)
	}
	return core.MesosEvent{Event: shared}
}

// Each event has one offer that is refused, launched on or explained, and 300 kB that have nothing to do with it.
func TestTheEngineKeepsNoEventInMemory(t *testing.T) {
	const events = 100
	ballast := func(e *schedulerpb.Event) *schedulerpb.Event {
		e.Message = &schedulerpb.Event_Message{AgentId: &mesospb.AgentID{Value: new("a")}, ExecutorId: &mesospb.ExecutorID{Value: new("e")}, Data: make([]byte, 300<<10)}
		return e
	}
	s := sim.NewScript(t, core.Config{Roles: []string{"eng"}, Principal: "me", ReservationRefinement: true})
	s.Register("fw")
	s.Submit(`{"name":"web","instances":50,"resources":{"cpus":1,"mem":32,"disk":[{"size":50,"persistence":{"id":"data"},"volume":{"container_path":"data"}}]},"command":{"cmd":"serve"}}`)
	s.Submit(`{"name":"log","daemon":true,"resources":{"cpus":0.1,"mem":8},"command":{"cmd":"serve"}}`)
	s.Submit(`{"name":"big","resources":{"cpus":100,"mem":32},"command":{"cmd":"serve"}}`)
	before := heap()
	for n := range events {
		agent := fmt.Sprint("agent-", n)
		o := s.NewOffer(agent, "cpus:2;mem:256;disk:100", func(o *mesospb.Offer) {
			for k := range 5 {
				o.Attributes = append(o.Attributes, &mesospb.Attribute{Name: new(fmt.Sprint("attribute-", k)), Type: mesospb.Value_TEXT.Enum(), Text: &mesospb.Value_Text{Value: new("value")}})
			}
		})
		s.Step(fromWire(t, ballast(sim.OffersEvent(o))))
		for _, id := range []string{fmt.Sprint("web/", n/2), fmt.Sprint("log/", n)} {
			if i := s.Instance(id); i != nil && i.Task != nil && i.Task.Agent == agent {
				e := status(i.Task.ID, agent)
				e.Update.Status.Message = new("it " + strings.Repeat("runs", 10))
				s.Step(fromWire(t, ballast(e)))
			}
		}
		s.Step(fromWire(t, ballast(&schedulerpb.Event{Type: schedulerpb.Event_MESSAGE.Enum()})))
		s.Calls = nil
		s.Pass(time.Second)
	}
	s.Pass(20 * time.Second)
	s.Calls = nil
	if grown := int64(heap()) - int64(before); grown > events*50<<10 {
		t.Errorf("after %d events of 300 kB each the engine has grown by %d kB", events, grown>>10)
	}
	runtime.KeepAlive(s)
}
