package core_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func benchApp(b testing.TB, instances int) *app.App {
	def, err := app.Parse(fmt.Appendf(nil, `{"name":"web","instances":%d,"strategy":"pack","resources":{"cpus":0.1,"mem":32},"command":{"cmd":"serve"}}`, instances))
	if err != nil {
		b.Fatal(err)
	}
	return def
}

// offersFor makes offers of so many agents with room for 100 instances each.
func offersFor(s *sim.Script, agents int) core.Input {
	offers := make([]*mesospb.Offer, agents)
	for k := range offers {
		offers[k] = s.NewOffer(fmt.Sprintf("agent-%d", k), "cpus:10;mem:3200")
	}
	return core.MesosEvent{Event: sim.OffersEvent(offers...)}
}

// up brings n instances to RUNNING.
func up(b testing.TB, n int) *sim.Engine {
	s := sim.NewScript(quiet{}, core.Config{})
	s.Register("fw")
	e := s.Engine
	e.Commit(e.Apply(core.Submit{App: benchApp(b, n)}).Writes)
	out := e.Apply(offersFor(s, n/100))
	e.Commit(out.Writes)
	for _, c := range out.Calls {
		for _, op := range c.GetAccept().GetOperations() {
			for _, t := range op.GetLaunch().GetTaskInfos() {
				e.Commit(e.Apply(core.MesosEvent{Event: status(t.GetTaskId().GetValue(), t.GetAgentId().GetValue())}).Writes)
			}
		}
	}
	if c := e.Core.Snapshot().App("web").Counts; c.Up != n {
		b.Fatalf("%+v", c)
	}
	return e
}

func status(id, agent string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &id}, AgentId: &mesospb.AgentID{Value: &agent}, State: mesospb.TaskState_TASK_RUNNING.Enum(), Uuid: []byte("0123456789abcdef"),
	}}}
}

func BenchmarkLaunch50000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := sim.NewScript(quiet{}, core.Config{})
		s.Register("fw")
		s.Apply(core.Submit{App: benchApp(b, 50000)})
		offers := offersFor(s, 500)
		b.StartTimer()
		out := s.Apply(offers)
		n := 0
		for _, w := range out.Writes {
			n += len(w.Value)
		}
		b.ReportMetric(float64(len(out.Calls)), "calls")
		b.ReportMetric(float64(n)/50000, "bytes-written/task")
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/50000*1e9, "ns/task")
}

func BenchmarkStatus(b *testing.B) {
	e := up(b, 10000)
	i := e.Core.Snapshot().App("web").Instance(77)
	ev := core.MesosEvent{Event: status(i.Task.ID, i.Task.Agent)}
	health := status(i.Task.ID, i.Task.Agent)
	flip := false
	b.Run("repeated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Apply(ev)
		}
	})
	b.Run("changed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			flip = !flip
			health.Update.Status.Healthy = &flip
			e.Apply(core.MesosEvent{Event: health})
		}
	})
	b.Run("changed,snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			flip = !flip
			health.Update.Status.Healthy = &flip
			e.Apply(core.MesosEvent{Event: health})
			e.Core.Snapshot()
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		e := up(b, n)
		b.Run(fmt.Sprintf("core/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.Apply(core.Scale{App: "web", Instances: n})
				e.Core.Snapshot()
			}
		})
		b.Run(fmt.Sprintf("naive-copy/%d", n), func(b *testing.B) {
			a := e.Core.Snapshot().App("web")
			b.ReportAllocs()
			for b.Loop() {
				m := make(map[int]core.Instance, n)
				for i := range a.All() {
					c := *i
					t := *i.Task
					c.Task = &t
					m[i.Index] = c
				}
			}
		})
	}
}

func BenchmarkRestart100000(b *testing.B) {
	e := up(b, 100000)
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Restart(); err != nil {
			b.Fatal(err)
		}
		id := "fw"
		out := e.Apply(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{FrameworkId: &mesospb.FrameworkID{Value: &id}}}})
		var answers []core.Input
		for _, c := range out.Calls {
			for _, t := range c.GetReconcile().GetTasks() {
				ev := status(t.GetTaskId().GetValue(), t.GetAgentId().GetValue())
				sim.Answer(ev.Update.Status)
				answers = append(answers, core.MesosEvent{Event: ev})
			}
		}
		if len(answers) != 100000 {
			b.Fatalf("%d questions", len(answers))
		}
		e.Apply(answers...)
		if n := e.Core.Snapshot().Unanswered; n != 0 {
			b.Fatalf("%d open", n)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// tracked returns how many bytes the core takes for n running tasks, with a snapshot in a reader's hands.
func tracked(t testing.TB, n int) uint64 {
	e := up(t, n)
	e.Records, e.Config = map[string][]byte{}, core.Config{}
	with := heap()
	e.Core = nil
	return with - heap()
}

func BenchmarkMemory100000(b *testing.B) {
	for b.Loop() {
		lived := tracked(b, 100000)
		b.ReportMetric(float64(lived)/(1<<20), "MiB")
		b.ReportMetric(float64(lived)/100000, "bytes/task")
	}
	// The naive way: keep what Mesos sends.
	with := heap()
	m := map[string]*mesospb.TaskStatus{}
	infos := map[string]*mesospb.TaskInfo{}
	def := benchApp(b, 1)
	for k := range 100000 {
		id := fmt.Sprintf("web.%d.%d-abcde", k, k)
		m[id] = status(id, fmt.Sprintf("agent-%d", k/100)).Update.Status
		ops, err := def.Operations(app.Launch{TaskIDs: []string{id}, Instance: k, AgentID: "a", Resources: sim.NewScript(quiet{}, core.Config{}).NewOffer("a", "cpus:0.1;mem:32").Resources})
		if err != nil {
			b.Fatal(err)
		}
		infos[id] = ops[len(ops)-1].GetLaunch().GetTaskInfos()[0]
	}
	b.ReportMetric(float64(heap()-with)/(1<<20), "MiB-naive")
	runtime.KeepAlive(m)
	runtime.KeepAlive(infos)
}

// The budget is 200 MiB for 100,000 tasks; the benchmark measures these.
func TestATaskTakesNoMoreThanItsShareOfMemory(t *testing.T) {
	const n = 5000
	if each := tracked(t, n) / n; each > 200<<20/100000 {
		t.Errorf("%d bytes per task", each)
	}
}
