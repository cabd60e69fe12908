package master

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestMinimumOfOffersByRole(t *testing.T) {
	w := start(t, Config{})
	w.agent("small", resources.NewCPUs(1), resources.NewMem(64))
	w.agent("large", resources.NewCPUs(8), resources.NewMem(64))
	info := frameworkInfo()
	info.OfferFilters = map[string]*mesospb.OfferFilters{"*": {MinAllocatableResources: &mesospb.OfferFilters_MinAllocatableResources{
		Quantities: []*mesospb.OfferFilters_ResourceQuantities{{Quantities: map[string]*mesospb.Value_Scalar{"cpus": {Value: proto.Float64(4)}}}},
	}}}
	f := w.subscribe(info)
	if o := f.offer(); o.GetHostname() != "large" {
		t.Errorf("got %v", o)
	}
}

func TestOfferConstraints(t *testing.T) {
	w := start(t, Config{})
	for _, host := range []string{"one", "two"} {
		w.agent(host)
	}
	subscribe := func(regex, role string) *scheduler {
		c := &schedulerpb.AttributeConstraint{
			Selector: &schedulerpb.AttributeConstraint_Selector{Selector: &schedulerpb.AttributeConstraint_Selector_PseudoattributeType_{
				PseudoattributeType: schedulerpb.AttributeConstraint_Selector_HOSTNAME}},
			Predicate: &schedulerpb.AttributeConstraint_Predicate{Predicate: &schedulerpb.AttributeConstraint_Predicate_TextMatches_{
				TextMatches: &schedulerpb.AttributeConstraint_Predicate_TextMatches{Regex: &regex}}},
		}
		return w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: frameworkInfo(), OfferConstraints: &schedulerpb.OfferConstraints{
			RoleConstraints: map[string]*schedulerpb.OfferConstraints_RoleConstraints{role: {
				Groups: []*schedulerpb.OfferConstraints_RoleConstraints_Group{{AttributeConstraints: []*schedulerpb.AttributeConstraint{c}}}}},
		}}, codec.JSON)
	}
	f := subscribe("t.*", "*")
	f.subscribed()
	if o := f.offer(); o.GetHostname() != "two" {
		t.Errorf("got %v", o)
	}
	for _, bad := range []*scheduler{subscribe("(", "*"), subscribe("x", "other role")} {
		if e := bad.next(); e.GetType() != schedulerpb.Event_ERROR {
			t.Errorf("got %v", e)
		}
	}
}

func TestMarkingAnUnreachableAgentGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(checkpointing())
		f.run(a, f.offer(), "t")
		if err := w.MarkUnreachable(t.Context(), a.id); err != nil {
			t.Fatal(err)
		}
		f.status()
		f.expect(schedulerpb.Event_FAILURE)
		if ts := w.operatorTasks(); len(ts.GetUnreachableTasks()) != 1 {
			t.Errorf("tasks are %v", ts)
		}
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: &mesospb.AgentID{Value: &a.id}}})
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_GONE_BY_OPERATOR {
			t.Errorf("got %v", s)
		}
		if ts := w.operatorTasks(); len(ts.GetUnreachableTasks()) != 0 || len(ts.GetCompletedTasks()) != 1 {
			t.Errorf("tasks are %v", ts)
		}
	})
}

// Drain and deactivation survive that an agent is unreachable for a while.
func TestADrainedAgentThatComesBackIsStillDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(checkpointing())
		f.run(a, f.offer(), "t")
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_DRAIN_AGENT.Enum(), DrainAgent: &masterpb.Call_DrainAgent{AgentId: &mesospb.AgentID{Value: &a.id}}})
		expectMsg[link.Drain](a)
		if err := w.MarkUnreachable(t.Context(), a.id); err != nil {
			t.Fatal(err)
		}
		f.status()
		f.expect(schedulerpb.Event_FAILURE)
		b, _ := a.back([]*mesospb.Task{taskOf(f, a, "t", mesospb.TaskState_TASK_RUNNING)}, nil, f.identified(600))
		f.status()
		expectMsg[link.UpdateFramework](b)
		expectMsg[link.Drain](b)
		time.Sleep(time.Minute)
		f.quiet()
		f.step(b, "t", mesospb.TaskState_TASK_KILLED)
		if g := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents().GetAgents()[0]; g.GetDrainInfo().GetState() != mesospb.DrainState_DRAINED {
			t.Errorf("agent is %v", g)
		}
	})
}

func TestOperatorsGrowAndShrinkVolumes(t *testing.T) {
	w := start(t, Config{})
	vol := func(mb float64) *mesospb.Resource {
		return resources.NewDisk(mb, resources.WithRole("eng"), resources.WithVolume("v", "", "d"))
	}
	a := w.agent("h", resources.NewCPUs(1), vol(10), resources.NewDisk(90, resources.WithRole("eng")))
	id := &mesospb.AgentID{Value: &a.id}
	w.mustOperate(&masterpb.Call{Type: masterpb.Call_GROW_VOLUME.Enum(), GrowVolume: &masterpb.Call_GrowVolume{AgentId: id, Volume: vol(10), Addition: resources.NewDisk(20, resources.WithRole("eng"))}})
	w.mustOperate(&masterpb.Call{Type: masterpb.Call_SHRINK_VOLUME.Enum(), ShrinkVolume: &masterpb.Call_ShrinkVolume{AgentId: id, Volume: vol(30), Subtract: &mesospb.Value_Scalar{Value: proto.Float64(5)}}})
	expectMsg[link.Checkpoint](a)
	if c := expectMsg[link.Checkpoint](a); !resources.Equivalent(c.Total, []*mesospb.Resource{resources.NewCPUs(1), vol(25), resources.NewDisk(75, resources.WithRole("eng"))}) {
		t.Errorf("agent keeps %s", resources.Describe(c.Total))
	}
}

func TestLegacyDetails(t *testing.T) {
	w := start(t, Config{})
	d := describe("h")
	d.Info.Attributes = []*mesospb.Attribute{
		{Name: proto.String("rack"), Type: mesospb.Value_TEXT.Enum(), Text: &mesospb.Value_Text{Value: proto.String("r1")}},
		{Name: proto.String("n"), Type: mesospb.Value_SCALAR.Enum(), Scalar: &mesospb.Value_Scalar{Value: proto.Float64(4)}},
		{Name: proto.String("p"), Type: mesospb.Value_RANGES.Enum(), Ranges: &mesospb.Value_Ranges{Range: []*mesospb.Value_Range{{Begin: proto.Uint64(1), End: proto.Uint64(2)}}}},
	}
	d.Total = append(d.Total, resources.NewCPUs(1, resources.WithRevocable()), resources.NewSet("s", []string{"b", "a"}), resources.NewMem(5, resources.WithRole("eng")))
	a := w.dial(d)
	a.end.Send(link.Register{Agent: d})
	a.id = expectMsg[link.Registered](a).AgentID
	info := frameworkInfo()
	info.Labels = &mesospb.Labels{Labels: []*mesospb.Label{{Key: proto.String("k"), Value: proto.String("v")}}}
	f := w.subscribe(info)
	o := f.offer()
	f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "t", 1, 32, func(t *mesospb.TaskInfo) {
		t.Command = nil
		t.Executor = &mesospb.ExecutorInfo{ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}, Command: &mesospb.CommandInfo{User: proto.String("me")}, Labels: info.Labels}
		t.Labels = info.Labels
	})))
	expectMsg[link.RunTask](a)
	_, _, body := w.get("/state")
	for _, want := range []string{
		`"attributes":{"rack":"r1","n":4.0,"p":"[1-2]"}`, `"cpus_revocable":1.0`, `"s":"{a, b}"`, `"reserved_resources":{"eng":{"disk":0.0,"mem":5.0`,
		`"labels":[{"key":"k","value":"v"}]`, `"executor_id":"e"`, `"user":"me"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for query, want := range map[string]int{"": 200, "?level=1&duration=1mins": 200, "?level=9&duration=1mins": 400, "?level=1": 400} {
		if status, _, text := w.get("/logging/toggle" + query); status != want {
			t.Errorf("/logging/toggle%s: %d %q", query, status, text)
		}
	}
	if l := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_LOGGING_LEVEL.Enum()}).GetGetLoggingLevel().GetLevel(); l != 1 {
		t.Errorf("level is %d", l)
	}
}
