package agent

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/cluster/internal/memnet"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestSimulatedGroupsLiveAndDieTogether(t *testing.T) {
	runs := map[string]Run{
		"ends": {For: time.Minute}, "ends later": {For: time.Hour}, "fails": {For: time.Minute, End: mesospb.TaskState_TASK_FAILED, Message: "no"}, "lasts": {},
	}
	for _, c := range []struct {
		name  string
		tasks []string
		kill  string
		want  map[string]string
		takes time.Duration
	}{
		{"all finish", []string{"ends", "ends later"}, "", map[string]string{"ends": "STARTING RUNNING FINISHED", "ends later": "STARTING RUNNING FINISHED"}, time.Hour},
		{"one fails", []string{"fails", "lasts"}, "", map[string]string{"fails": "STARTING RUNNING FAILED", "lasts": "STARTING RUNNING KILLING KILLED"}, time.Minute},
		{"one is killed", []string{"lasts", "ends later"}, "lasts", map[string]string{"lasts": "STARTING RUNNING KILLING KILLED", "ends later": "STARTING RUNNING KILLING KILLED"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubbleWith(t, simulate(runs), func(t *testing.T, m *testMaster, a *Agent) {
				began := time.Now()
				var tasks []*mesospb.TaskInfo
				for _, id := range c.tasks {
					tasks = append(tasks, shellTask(id, id))
				}
				m.send(group(tasks...))
				synctest.Wait()
				if c.kill != "" {
					m.send(kill(c.kill))
				}
				got := map[string]string{}
				var exit *link.ExecutorExited
				for ended := 0; ended < len(c.tasks) || exit == nil; {
					switch msg := (<-m.inbox).(type) {
					case link.ExecutorExited: // which may overtake statuses that wait for acknowledgements
						exit = &msg
					case link.StatusUpdate:
						s := msg.Status
						id := s.GetTaskId().GetValue()
						got[id] = strings.TrimSpace(got[id] + " " + strings.TrimPrefix(s.GetState().String(), "TASK_"))
						if isTerminal(s.GetState()) {
							ended++
						}
						if s.GetExecutorId().GetValue() != "default-1" {
							t.Errorf("executor of %v", s)
						}
					}
				}
				if exit.ExecutorID != "default-1" || exit.Status != 0 {
					t.Errorf("got %+v", exit)
				}
				for id, want := range c.want {
					if got[id] != want {
						t.Errorf("%s: %s, want %s", id, got[id], want)
					}
				}
				if d := time.Since(began); d != c.takes {
					t.Errorf("took %v, want %v", d, c.takes)
				}
				synctest.Wait()
				if len(a.frameworks) != 0 {
					t.Error("the framework is not forgotten")
				}
			})
		})
	}
}

func TestSimulatedCustomExecutorsRunTasksUntilTheLast(t *testing.T) {
	for _, lingers := range []bool{false, true} {
		bubbleWith(t, func(c *Config) {
			c.Simulated = true
			c.Runner = func(_ *mesospb.FrameworkInfo, t *mesospb.TaskInfo) *Run {
				if strings.HasPrefix(t.GetTaskId().GetValue(), "forever") {
					return nil // simulated agents keep what nobody scripts
				}
				return &Run{For: time.Minute, Lingers: lingers}
			}
		}, func(t *testing.T, m *testMaster, a *Agent) {
			info := executorInfo("x", "never run")
			for _, id := range []string{"one", "two"} {
				m.send(link.RunTask{Framework: testFramework(), Task: customTask(id, info)})
				time.Sleep(10 * time.Second)
			}
			exited := false
			for n := 0; n < 6; {
				switch (<-m.inbox).(type) {
				case link.StatusUpdate:
					n++
				case link.ExecutorExited:
					exited = true
				}
			}
			synctest.Wait()
			if len(m.inbox) > 0 {
				_, exited = (<-m.inbox).(link.ExecutorExited)
			}
			if exited == lingers {
				t.Errorf("lingers %v: exited %v", lingers, exited)
			}
			if here := len(a.frameworks) == 1; here != lingers {
				t.Fatalf("lingers %v: the executor is there: %v", lingers, here)
			}
			if !lingers {
				return
			}
			m.send(link.RunTask{Framework: testFramework(), Task: customTask("forever", info)})
			m.updateOf(t, "forever", mesospb.TaskState_TASK_RUNNING)
			m.send(link.ShutdownExecutor{FrameworkID: "fw-0000", ExecutorID: "x"})
			m.updateOf(t, "forever", mesospb.TaskState_TASK_KILLED)
			await[link.ExecutorExited](t, m)
		})
	}
}

func TestFunctionsSendStatusesAndMessages(t *testing.T) {
	bubbleWith(t, simulate(map[string]Run{"f": {Func: func(ctx context.Context, task FuncTask) error {
		task.Update(&mesospb.TaskStatus{Message: proto.String("half way"), Healthy: proto.Bool(true)})
		task.Update(&mesospb.TaskStatus{State: mesospb.TaskState_TASK_FAILED.Enum(), Message: proto.String("not yet")}) // only its return ends a function
		task.Message([]byte("to the framework"))
		<-ctx.Done()
		return nil
	}}}), func(t *testing.T, m *testMaster, a *Agent) {
		m.send(link.RunTask{Framework: testFramework(), Task: shellTask("f", "f")})
		m.updateOf(t, "f", mesospb.TaskState_TASK_RUNNING)
		if s := m.update(t); s.GetState() != mesospb.TaskState_TASK_RUNNING || s.GetMessage() != "half way" || !s.GetHealthy() {
			t.Errorf("got %v", s)
		}
		if s := m.update(t); s.GetState() != mesospb.TaskState_TASK_RUNNING || s.GetMessage() != "not yet" {
			t.Errorf("got %v", s)
		}
		if msg := await[link.ExecutorMessage](t, m); string(msg.Data) != "to the framework" || msg.ExecutorID != "f" {
			t.Errorf("got %+v", msg)
		}
	})
}

func TestAHostServesManyAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		l, err := network.Listen(t.Context(), "127.0.0.1:5051")
		if err != nil {
			t.Fatal(err)
		}
		h, err := NewHost(l)
		if err != nil {
			t.Fatal(err)
		}
		engine := loop.NewEngine(true)
		var agents []*Agent
		for range 3 {
			m := newTestMaster(t)
			a, err := New(Config{Host: h, Engine: engine, Seed: 1, Master: m, Simulated: true, Resources: "cpus:1;mem:32;disk:1;ports:[1-2]"})
			if err != nil {
				t.Fatal(err)
			}
			if reg := awaitLong[link.Register](t, m); reg.Agent.PID != "slave("+string(rune('1'+len(agents)))+")@127.0.0.1:5051" {
				t.Errorf("pid %s", reg.Agent.PID)
			}
			agents = append(agents, a)
		}
		client := http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableKeepAlives: true}}
		get := func(path string) int {
			resp, err := client.Get("http://127.0.0.1:5051" + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		for path, want := range map[string]int{"/slave(1)/state": 200, "/slave(3)/health": 200, "/slave(4)/state": 404, "/state": 404, "/slave(2)/nothing": 404} {
			if got := get(path); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
		for i, a := range agents {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if got := get("/slave(" + string(rune('1'+i)) + ")/health"); got != 404 {
				t.Errorf("a closed agent answers %d", got)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		engine.Close()
	})
}
