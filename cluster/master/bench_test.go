package master

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
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

// What a running task costs in the memory of the master, statuses included.
func BenchmarkMemoryPerTask(b *testing.B) {
	const tasks = 20_000
	for b.Loop() {
		m := fuzzed(b)
		m.loop.Do(context.Background(), func() {
			m.alloc.UpdateAgent("M-S0", []*mesospb.Resource{resources.NewCPUs(1e6), resources.NewMem(1e9)}, m.agents["M-S0"].held())
			f := m.frameworks["M-0000"]
			heap := func() uint64 {
				runtime.GC()
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				return s.HeapAlloc
			}
			f.connected = false // nobody reads the stream: its queue must not count
			before := heap()
			a := m.agents["M-S0"]
			for i := range tasks {
				o := &mesospb.Offer{AgentId: a.info.Id}
				body, err := codec.Protobuf.Append(nil, command(o, fmt.Sprint("task-", i), 0.1, 32))
				if err != nil {
					b.Fatal(err)
				}
				info := &mesospb.TaskInfo{}
				if err := codec.Protobuf.UnmarshalOwned(body, info); err != nil {
					b.Fatal(err)
				}
				m.addTask(newTask(f, a, info, ""))
				for _, state := range []mesospb.TaskState{mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING} {
					m.statusUpdate(a, link.StatusUpdate{FrameworkID: f.id, Latest: state, Status: &mesospb.TaskStatus{TaskId: info.TaskId, State: &state, Uuid: []byte("0123456789abcdef")}})
				}
			}
			b.ReportMetric(float64(heap()-before)/tasks, "B/task")
		})
		m.Close()
	}
}
