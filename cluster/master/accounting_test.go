package master

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// checkAccounts compares what the master and its allocator think of who has what. It runs on the loop.
func (m *Master) checkAccounts() error {
	for id, a := range m.agents {
		held := a.held()
		sum := resources.Sum(resources.Unallocate(held), m.alloc.Free(id))
		if total := m.alloc.Total(id); !resources.Equivalent(sum, total) {
			return fmt.Errorf("agent %s: used, offered and free are\n%s\nwant\n%s", id, resources.Describe(sum), resources.Describe(total))
		}
		if !resources.Equivalent(a.desc.Total, m.alloc.Total(id)) {
			return fmt.Errorf("agent %s: total is %s, in the allocator %s", id, resources.Describe(a.desc.Total), resources.Describe(m.alloc.Total(id)))
		}
		for fid, pool := range a.used {
			var sum resources.Pool
			for _, t := range a.tasks[fid] {
				if t.holds != !isTerminal(t.state) {
					return fmt.Errorf("task %s is %v, and holds resources: %v", t.id, t.state, t.holds)
				}
				if t.holds {
					sum.Add(t.resources)
				}
				if m.frameworks[fid].tasks[t.id] != t {
					return fmt.Errorf("task %s is on its agent, but not of its framework", t.id)
				}
			}
			for _, e := range a.executors[fid] {
				sum.Add(e.GetResources())
			}
			if !resources.Equivalent(sum.Resources(), pool.Resources()) {
				return fmt.Errorf("framework %s on %s: tasks and executors have %s, counted is %s", fid, id, resources.Describe(sum.Resources()), resources.Describe(pool.Resources()))
			}
		}
		for _, o := range a.offers {
			if m.offers[o.id] != o || o.framework.offers[o.id] != o || m.frameworks[o.framework.id] != o.framework {
				return fmt.Errorf("offer %s is not on all lists", o.id)
			}
		}
	}
	n := 0
	for _, f := range m.frameworks {
		n += len(f.offers)
		for _, t := range f.tasks {
			if t.agent == nil || t.agent.tasks[f.id][t.id] != t || m.agents[t.agentID] != t.agent {
				return fmt.Errorf("task %s is not on its agent", t.id)
			}
		}
	}
	if n != len(m.offers) {
		return fmt.Errorf("%d offers, but frameworks have %d", len(m.offers), n)
	}
	return nil
}

// chaos does random things to a master, on its loop. It draws from a source of its own, as rapid's can't be used from there.
type chaos struct {
	rng     *rand.Rand
	m       *Master
	names   int
	streams []*httpapi.Stream
}

// quietAgent is an agent that takes everything.
type quietAgent struct{ end *link.End }

func (*quietAgent) Receive(*link.End, link.Message) {}
func (*quietAgent) Closed(*link.End)                {}

func (c *chaos) upTo(low, high int) int { return low + c.rng.IntN(high-low+1) }
func (c *chaos) bool() bool             { return c.rng.IntN(2) == 0 }

func among[V any](c *chaos, list []V) V { return list[c.rng.IntN(len(list))] }

func (c *chaos) roles() []string {
	return among(c, [][]string{{"*"}, {"a"}, {"a/b"}, {"*", "a"}, {"a", "a/b"}})
}

func (c *chaos) name(prefix string) string {
	c.names++
	return fmt.Sprint(prefix, c.names)
}

func pick[V any](c *chaos, m map[string]V) (v V, ok bool) {
	if len(m) == 0 {
		return v, false
	}
	return m[among(c, sortedKeys(m))], true
}

func (c *chaos) task(a *agent, role string) *mesospb.TaskInfo {
	id := c.name("t")
	t := &mesospb.TaskInfo{
		Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: a.info.Id, Command: &mesospb.CommandInfo{},
		Resources: []*mesospb.Resource{resources.NewCPUs(float64(c.upTo(0, 3))), resources.NewMem(32)},
	}
	if c.bool() {
		e := among(c, []string{"e1", "e2"})
		t.Command, t.Executor = nil, &mesospb.ExecutorInfo{ExecutorId: &mesospb.ExecutorID{Value: &e}, Command: &mesospb.CommandInfo{}, Resources: []*mesospb.Resource{resources.NewMem(16)}}
	}
	return t
}

// operation draws an offer operation that may or may not make sense.
func (c *chaos) operation(o *offer) *mesospb.Offer_Operation {
	reserved := []resources.Option{}
	if o.role != "*" {
		reserved = append(reserved, resources.WithReservation(o.role, ""))
	}
	vol := append(append([]resources.Option{}, reserved...), resources.WithVolume(among(c, []string{"v1", "v2"}), "", "d"))
	switch c.upTo(0, 8) {
	case 7:
		return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_GROW_VOLUME.Enum(), GrowVolume: &mesospb.Offer_Operation_GrowVolume{
			Volume: resources.NewDisk(8, vol...), Addition: resources.NewDisk(2, reserved...)}}
	case 8:
		return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_SHRINK_VOLUME.Enum(), ShrinkVolume: &mesospb.Offer_Operation_ShrinkVolume{
			Volume: resources.NewDisk(float64(c.upTo(8, 10)), vol...), Subtract: &mesospb.Value_Scalar{Value: proto.Float64(2)}}}
	case 6: // a group
		e := &mesospb.ExecutorInfo{
			Type: mesospb.ExecutorInfo_DEFAULT.Enum(), ExecutorId: &mesospb.ExecutorID{Value: proto.String(among(c, []string{"g1", "g2"}))},
			FrameworkId: &mesospb.FrameworkID{Value: &o.framework.id}, Resources: []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32), resources.NewDisk(1)},
		}
		t := c.task(o.agent, o.role)
		t.Executor, t.Command = nil, &mesospb.CommandInfo{Value: proto.String("x")}
		return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_LAUNCH_GROUP.Enum(), LaunchGroup: &mesospb.Offer_Operation_LaunchGroup{
			Executor: e, TaskGroup: &mesospb.TaskGroupInfo{Tasks: []*mesospb.TaskInfo{t}},
		}}
	case 0:
		return reserve(among(c, []string{"", "op1", "op2"}), resources.NewDisk(8, reserved...), resources.NewCPUs(1, reserved...))
	case 1:
		return unreserve("", resources.NewDisk(8, reserved...))
	case 2:
		return create("", resources.NewDisk(8, vol...))
	case 3:
		return destroy("", resources.NewDisk(8, vol...))
	default:
		return launch(c.task(o.agent, o.role), c.task(o.agent, o.role))
	}
}

func (c *chaos) step() {
	m := c.m
	switch c.upTo(0, 19) {
	case 19:
		if c.upTo(0, 3) == 0 {
			c.failOver()
		}
	case 16, 17, 18:
		c.operate()
	case 0:
		info := frameworkInfo(c.roles()...)
		timeout, checkpoint := float64(c.upTo(0, 3)), c.bool()
		info.FailoverTimeout, info.Checkpoint = &timeout, &checkpoint
		if f, ok := pick(c, m.frameworks); ok && c.bool() {
			info.Id = &mesospb.FrameworkID{Value: &f.id}
		}
		s := httpapi.NewStream(codec.Protobuf)
		c.streams = append(c.streams, s)
		m.subscribe(&schedulerpb.Call_Subscribe{FrameworkInfo: info}, s, "s")
	case 1:
		if len(m.agents) > 4 {
			return
		}
		a := &quietAgent{}
		host := c.name("h")
		l := &agentLink{m: m}
		l.end, a.end = link.Pipe(l, a)
		m.links[l] = struct{}{}
		m.receive(l, link.Register{Agent: link.Description{
			Info: &mesospb.AgentInfo{Hostname: &host}, PID: host,
			Total: []*mesospb.Resource{resources.NewCPUs(4), resources.NewMem(256), resources.NewDisk(64), resources.NewCPUs(1, resources.WithRole("a")), resources.NewPorts(1, 9)},
		}})
	case 2, 3, 4:
		m.allocate()
	case 5, 6, 7:
		o, ok := pick(c, m.offers)
		if !ok {
			return
		}
		offers := []*mesospb.OfferID{{Value: &o.id}}
		for _, other := range o.agent.offersWith(func(x *offer) bool { return x != o && x.framework == o.framework }) {
			offers = append(offers, &mesospb.OfferID{Value: &other.id})
		}
		refuse := float64(c.upTo(0, 2))
		accept := &schedulerpb.Call_Accept{OfferIds: offers, Filters: &mesospb.Filters{RefuseSeconds: &refuse}}
		for range c.upTo(0, 3) {
			accept.Operations = append(accept.Operations, c.operation(o))
		}
		m.callAccept(o.framework, &schedulerpb.Call{Accept: accept})
	case 8:
		if o, ok := pick(c, m.offers); ok {
			m.callDecline(o.framework, &schedulerpb.Call{Decline: &schedulerpb.Call_Decline{OfferIds: []*mesospb.OfferID{{Value: &o.id}}}})
		}
	case 9, 10:
		f, ok := pick(c, m.frameworks)
		if !ok {
			return
		}
		t, ok := pick(c, f.tasks)
		if !ok {
			return
		}
		state := among(c, []mesospb.TaskState{mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_FINISHED, mesospb.TaskState_TASK_FAILED})
		uuid := []byte("0123456789abcdef")
		m.statusUpdate(t.agent, link.StatusUpdate{FrameworkID: f.id, Latest: state, Status: &mesospb.TaskStatus{TaskId: &mesospb.TaskID{Value: &t.id}, State: &state, Uuid: uuid}})
		if c.bool() {
			m.callAcknowledge(f, &schedulerpb.Call{Acknowledge: &schedulerpb.Call_Acknowledge{AgentId: &mesospb.AgentID{Value: &t.agentID}, TaskId: &mesospb.TaskID{Value: &t.id}, Uuid: uuid}})
		}
	case 11:
		if f, ok := pick(c, m.frameworks); ok {
			switch c.upTo(0, 3) {
			case 0:
				m.disconnect(f, f.stream)
			case 1:
				m.removeFramework(f)
			case 2:
				m.callRevive(f, &schedulerpb.Call{})
			case 3:
				m.callSuppress(f, &schedulerpb.Call{})
			}
		}
	case 12:
		if a, ok := pick(c, m.agents); ok {
			switch c.upTo(0, 4) {
			case 0:
				if a.link != nil {
					delete(m.links, a.link)
					m.agentDisconnected(a)
				}
			case 1:
				m.markUnreachable(a, "test")
			case 2:
				m.agentUnregistered(a)
			case 3:
				m.markGone(a)
			case 4:
				m.opDeactivateAgent(&masterpb.Call_DeactivateAgent{AgentId: a.info.Id})
			}
		}
	case 13:
		if a, ok := pick(c, m.agents); ok {
			if f, ok := pick(c, a.executors); ok {
				if e, ok := pick(c, f); ok {
					m.executorExited(a, link.ExecutorExited{FrameworkID: e.GetFrameworkId().GetValue(), ExecutorID: e.GetExecutorId().GetValue()})
				}
			}
		}
	case 14: // an agent comes back, with some of what it had
		a, ok := pick(c, m.agents)
		if !ok {
			return
		}
		msg := c.rememberedBy(a)
		if c.bool() {
			m.markUnreachable(a, "test")
		}
		c.comeBack(msg)
	case 15:
		if a, ok := pick(c, m.agents); ok {
			m.operate(a.info.Id, reserve("", resources.NewCPUs(1, resources.WithReservation("a", ""))))
			m.opMarkAgentGone(&masterpb.Call_MarkAgentGone{AgentId: &mesospb.AgentID{Value: new(string)}})
		}
	}
}

// Whatever frameworks, agents and operators do, used, offered and free resources add up to what there is.
func TestAccountsBalance(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		seed, steps := rapid.Uint64Min(1).Draw(r, "seed"), rapid.IntRange(1, 80).Draw(r, "steps")
		var err error
		synctest.Test(t, func(t *testing.T) {
			w := start(t, Config{Seed: seed})
			c := &chaos{rng: rand.New(rand.NewPCG(seed, 0)), m: w.Master}
			for range steps {
				w.on(func() {
					c.step()
					if err = w.checkAccounts(); err == nil {
						err = w.checkState()
					}
				})
				if err != nil {
					return
				}
				if c.upTo(0, 4) == 0 {
					time.Sleep(1500 * time.Millisecond)
				}
			}
		})
		if err != nil {
			r.Fatal(err)
		}
	})
}
