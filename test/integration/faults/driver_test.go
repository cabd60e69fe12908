package faults

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// classic is a framework on the classic driver, which launches tasks until enough have finished. Its callbacks take their time.
type classic struct {
	driver.NopScheduler
	t    *testing.T
	want int

	mu       sync.Mutex
	launched int
	open     map[string]*mesospb.AgentID
	finished map[string]bool
	uuids    map[string]bool
	inside   bool
}

// enter sees that no callback runs beside another.
func (c *classic) enter() (leave func()) {
	c.mu.Lock()
	if c.inside {
		c.t.Error("two callbacks at a time")
	}
	c.inside = true
	c.mu.Unlock()
	return func() {
		time.Sleep(700 * time.Millisecond)
		c.mu.Lock()
		c.inside = false
		c.mu.Unlock()
	}
}

func (c *classic) ResourceOffers(d driver.SchedulerDriver, offers []*mesospb.Offer) {
	defer c.enter()()
	for _, o := range offers {
		c.mu.Lock()
		var tasks []*mesospb.TaskInfo
		if len(c.open)+len(c.finished) < c.want && resources.CPUs(o.GetResources()) >= 1 {
			c.launched++
			id := fmt.Sprintf("c%d", c.launched)
			c.open[id] = o.GetAgentId()
			tasks = append(tasks, &mesospb.TaskInfo{
				Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: o.GetAgentId(), Command: &mesospb.CommandInfo{Value: proto.String("true")},
				Resources: []*mesospb.Resource{resources.NewCPUs(0.5), resources.NewMem(32)},
			})
		}
		c.mu.Unlock()
		// An error brings a status for the task, or reconciliation does.
		_, _ = d.LaunchTasks([]*mesospb.OfferID{o.Id}, tasks, driver.RefuseFor(time.Second))
	}
}

func (c *classic) StatusUpdate(d driver.SchedulerDriver, s *mesospb.TaskStatus) {
	defer c.enter()()
	c.mu.Lock()
	defer c.mu.Unlock()
	id := s.GetTaskId().GetValue()
	if key := id + string(s.GetUuid()); len(s.GetUuid()) > 0 {
		if c.uuids[key] {
			c.t.Errorf("%s %s was handed out twice", id, s.GetState())
		}
		c.uuids[key] = true
	}
	switch s.GetState() {
	case mesospb.TaskState_TASK_FINISHED:
		delete(c.open, id)
		c.finished[id] = true
		if len(c.finished) >= c.want {
			_, _ = d.Stop(false)
		}
	case mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_DROPPED, mesospb.TaskState_TASK_UNKNOWN, mesospb.TaskState_TASK_GONE, mesospb.TaskState_TASK_FAILED,
		mesospb.TaskState_TASK_ERROR, mesospb.TaskState_TASK_KILLED:
		delete(c.open, id)
	}
}

// reconcile asks for the tasks that are open. Offers are no concern of its: the driver gives back what calls that failed have not used.
func (c *classic) reconcile(d driver.SchedulerDriver) {
	c.mu.Lock()
	var ask []*mesospb.TaskStatus
	for id, agent := range c.open {
		ask = append(ask, &mesospb.TaskStatus{TaskId: &mesospb.TaskID{Value: proto.String(id)}, AgentId: agent, State: mesospb.TaskState_TASK_STAGING.Enum()})
	}
	c.mu.Unlock()
	if len(ask) > 0 {
		_, _ = d.ReconcileTasks(ask)
	}
}

func TestTheClassicDriverComesThrough(t *testing.T) {
	for name, rules := range map[string][]string{
		"latency of everything":               {"call delay time=400ms", "event delay time=400ms"},
		"a line of 1 kB/s":                    {"call limit rate=1kB/s"},
		"a master that falls silent":          {"event stall skip=3 for=10m"},
		"resets in the middle of updates":     {"event reset type=UPDATE skip=2 count=7"},
		"acknowledgements that are lost":      {"call lose p=0.5 seed=6 type=ACKNOWLEDGE for=5m"},
		"acknowledgements that are refused":   {"call answer status=503 p=0.5 seed=5 type=ACKNOWLEDGE for=5m"},
		"calls whose answers are cut":         {"call cut p=0.3 seed=4 type=AC*"},
		"calls that are refused":              {"call answer status=503 p=0.5 seed=5 type=ACCEPT", "call answer status=429 p=0.5 seed=6 type=DECLINE"},
		"calls that are reset":                {"call reset p=0.4 seed=3 type=ACCEPT", "call reset p=0.4 seed=7 type=DECLINE"},
		"updates late, twice and in disorder": {"update duplicate p=0.3 seed=1", "update delay time=12s p=0.4 seed=2", "update reorder window=4 time=20s"},
	} {
		for kind, media := range media {
			t.Run(name+"/"+kind, func(t *testing.T) {
				inWorld(t, config{masters: 2, alone: true}, func(w *world) {
					c := &classic{t: t, want: 12, open: map[string]*mesospb.AgentID{}, finished: map[string]bool{}, uuids: map[string]bool{}}
					var masters []string
					for _, m := range w.Masters() {
						masters = append(masters, m.Address)
					}
					d, err := driver.NewMesosSchedulerDriver(driver.DriverConfig{
						Scheduler: c, Master: strings.Join(masters, ","), Framework: &mesospb.FrameworkInfo{Name: proto.String("classic"), User: proto.String("root")},
						FailoverTimeout: 7 * 24 * time.Hour, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Transport: transport.Config{Codec: media, DialContext: w.line.dial},
					})
					if err != nil {
						w.Fatal(err)
					}
					for _, r := range rules {
						w.fault(r)
					}
					if _, err := d.Start(); err != nil {
						w.Fatal(err)
					}
					defer func() {
						_, _ = d.Stop(true)
						if status, err := d.Join(); status != mesospb.Status_DRIVER_STOPPED || err != nil {
							w.Errorf("Join: %v, %v", status, err)
						}
					}()
					began := time.Now()
					for i := 0; d.Status() == mesospb.Status_DRIVER_RUNNING; i++ {
						if i == 20 {
							w.line.cut()
						}
						if i%60 == 59 {
							c.reconcile(d)
						}
						if time.Since(began) > time.Hour {
							w.Errorf("%d of %d tasks have finished in an hour", len(c.finished), c.want)
							return
						}
						time.Sleep(time.Second)
					}
				})
			})
		}
	}
}
