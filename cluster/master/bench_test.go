package master

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// One command task: from ACCEPT to the acknowledgement of its end, on the loop.
func BenchmarkTaskLifeOnTheLoop(b *testing.B) {
	m := fuzzed(b)
	ctx := context.Background()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		m.loop.Do(ctx, func() {
			f := m.frameworks["M-0000"]
			var o *offer
			for _, o = range f.offers {
			}
			id := fmt.Sprint("t", i)
			m.callAccept(f, &schedulerpb.Call{Accept: &schedulerpb.Call_Accept{
				OfferIds: []*mesospb.OfferID{{Value: proto.String(o.id)}}, Operations: []*mesospb.Offer_Operation{launch(command(o.pb, id, 1, 32))},
				Filters: &mesospb.Filters{RefuseSeconds: proto.Float64(0)},
			}})
			uuid := []byte("0123456789abcdef")
			for _, state := range []mesospb.TaskState{mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_FINISHED} {
				m.statusUpdate(o.agent, link.StatusUpdate{FrameworkID: f.id, Latest: state, Status: &mesospb.TaskStatus{TaskId: &mesospb.TaskID{Value: &id}, State: &state, Uuid: uuid}})
				m.callAcknowledge(f, &schedulerpb.Call{Acknowledge: &schedulerpb.Call_Acknowledge{AgentId: o.pb.AgentId, TaskId: &mesospb.TaskID{Value: &id}, Uuid: uuid}})
			}
			m.allocate()
		})
	}
}

// ACCEPT of one task over HTTP, in both codecs.
func BenchmarkAcceptOverHTTP(b *testing.B) {
	for _, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
		b.Run(cd.MediaType(), func(b *testing.B) {
			w := start(b, Config{})
			a := w.agent("h")
			f := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: frameworkInfo()}, cd)
			f.subscribed()
			o := f.offer()
			i := 0
			for b.Loop() {
				i++
				f.accept([]*mesospb.Offer{o}, 0, launch(command(o, fmt.Sprint(i), 0.001, 0)))
				expectMsg[link.RunTask](a)
				w.on(func() {
					for _, t := range w.frameworks[f.id].tasks {
						w.updateTask(t, t.status(mesospb.TaskState_TASK_KILLED, 0, ""), mesospb.TaskState_TASK_KILLED)
						w.removeTask(t)
					}
					w.allocate()
				})
				o = f.offer()
			}
		})
	}
}

// The first offers of 10,000 agents, from their registration to the event.
func BenchmarkStart10000Agents(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		m, err := New(Config{Listener: silentListener{make(chan struct{})}, ID: "M", Seed: 1})
		if err != nil {
			b.Fatal(err)
		}
		for i := range 10_000 {
			a := &quietAgent{}
			end, err := m.Connect(a)
			if err != nil {
				b.Fatal(err)
			}
			d := describe("h")
			d.PID = fmt.Sprint(i)
			end.Send(link.Register{Agent: d})
		}
		m.loop.Do(context.Background(), func() {
			m.subscribe(&schedulerpb.Call_Subscribe{FrameworkInfo: frameworkInfo()}, httpapi.NewStream(codec.Protobuf), "s")
			m.allocate()
			if n := len(m.offers); n != 10_000 {
				b.Errorf("%d offers", n)
			}
		})
		m.Close()
	}
}
