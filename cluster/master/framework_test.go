package master

import (
	"net/http"
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

// identified returns info with the id of a framework, as schedulers resubscribe.
func (f *scheduler) identified(timeout float64) *mesospb.FrameworkInfo {
	i := proto.CloneOf(f.info)
	i.Id = &mesospb.FrameworkID{Value: &f.id}
	i.FailoverTimeout = &timeout
	return i
}

func TestDeclineFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("h")
		f := w.subscribe(frameworkInfo())
		for _, tc := range []struct {
			filters *mesospb.Filters
			low     time.Duration
		}{
			{&mesospb.Filters{RefuseSeconds: proto.Float64(10)}, 10 * time.Second},
			{nil, 5 * time.Second},
			{&mesospb.Filters{}, 5 * time.Second},
			{&mesospb.Filters{RefuseSeconds: proto.Float64(-3)}, 5 * time.Second},
			{&mesospb.Filters{RefuseSeconds: proto.Float64(0.1)}, time.Second}, // at least a round
			{&mesospb.Filters{RefuseSeconds: proto.Float64(0)}, 0},
		} {
			o := f.offer()
			at := time.Now()
			f.call(&schedulerpb.Call{Type: schedulerpb.Call_DECLINE.Enum(), Decline: &schedulerpb.Call_Decline{OfferIds: []*mesospb.OfferID{o.Id}, Filters: tc.filters}})
			o = f.offer()
			if d := time.Since(at); d < tc.low || d > tc.low+time.Second {
				t.Errorf("filter %v: offered again after %v, want %v and at most a round more", tc.filters, d, tc.low)
			}
			f.decline(o, 0)
		}
	})
}

func TestReviveAndSuppress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("h")
		f := w.subscribe(frameworkInfo("a", "b"))
		revive := func(roles ...string) {
			f.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum(), Revive: &schedulerpb.Call_Revive{Roles: roles}})
		}
		suppress := func(roles ...string) {
			f.call(&schedulerpb.Call{Type: schedulerpb.Call_SUPPRESS.Enum(), Suppress: &schedulerpb.Call_Suppress{Roles: roles}})
		}
		role := func() string {
			o := f.offer()
			f.decline(o, 3600)
			return o.GetAllocationInfo().GetRole()
		}
		if got := role() + role(); got != "ab" {
			t.Errorf("offered to %s, want a, then b", got)
		}
		time.Sleep(time.Minute)
		f.quiet()
		at := time.Now()
		revive("b")
		if got := role(); got != "b" || time.Since(at) > 0 {
			t.Errorf("offered to %s after %v, want b at once", got, time.Since(at))
		}
		revive("nobody's")
		suppress("b")
		revive("a", "nobody's")
		time.Sleep(time.Minute)
		f.quiet()
		suppress()
		revive("a")
		role()
		o := f
		_ = o
		suppress()
		time.Sleep(2 * time.Hour)
		f.quiet()
		revive()
		role()
	})
}

func TestSuppressLeavesOffersThatAreOut(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	o := f.offer()
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_SUPPRESS.Enum()})
	f.run(a, o, "t")
	if !isSuppressed(w, f.id, "*") {
		t.Error("not suppressed")
	}
}

func isSuppressed(w *world, id, role string) (s bool) {
	w.on(func() { s = w.frameworks[id].suppressed[role] })
	return s
}

func TestFailoverTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		info := frameworkInfo()
		info.FailoverTimeout = proto.Float64(60)
		f := w.subscribe(info)
		f.run(a, f.offer(), "t")
		f.offer0()
		f.cancel()
		f.drainEvents()
		synctest.Wait()
		w.on(func() {
			if fw := w.frameworks[f.id]; fw == nil || fw.connected || fw.active || len(fw.offers) > 0 {
				t.Errorf("after the stream broke: %+v", fw)
			}
		})
		if status, text := f.try(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()}); status != http.StatusForbidden || text != "Framework is not subscribed" {
			t.Errorf("call of a disconnected framework: %d %q", status, text)
		}
		a.update(f.id, "t", mesospb.TaskState_TASK_FINISHED) // not forwarded, only noted
		time.Sleep(59 * time.Second)
		again := w.subscribe(f.identified(60))
		if again.id != f.id {
			t.Errorf("got id %s, want %s", again.id, f.id)
		}
		if u := expectMsg[link.UpdateFramework](a); u.Framework.GetId().GetValue() != f.id {
			t.Errorf("agent got %v", u)
		}
		if o := again.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:4; mem:2048; disk:4096" {
			t.Errorf("got %s", show(o.Resources))
		}
		time.Sleep(time.Hour)
		w.on(func() {
			if w.frameworks[f.id] == nil {
				t.Error("the failover timer still ran")
			}
		})
		again.cancel()
		again.drainEvents()
		time.Sleep(61 * time.Second)
		expectMsg[link.ShutdownFramework](a)
		refused := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: f.identified(60)}, codec.JSON)
		if e := refused.next(); e.GetError().GetMessage() != "Framework has been removed" {
			t.Errorf("got %v", e)
		}
		refused.ended()
	})
}

// offer0 takes the offers that a framework may have got by now off its stream.
func (f *scheduler) offer0() {
	select {
	case <-f.events:
	default:
	}
}

func (f *scheduler) drainEvents() {
	for range f.events {
	}
}

func TestWithoutFailoverTimeoutTheFrameworkIsGoneAtOnce(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.run(a, f.offer(), "t")
	f.cancel()
	expectMsg[link.ShutdownFramework](a)
	other := w.subscribe(frameworkInfo())
	if o := other.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:4; mem:2048; disk:4096" {
		t.Errorf("got %s", show(o.Resources))
	}
	if ts := w.operatorTasks(); len(ts.GetTasks()) != 0 || len(ts.GetCompletedTasks()) != 1 || ts.GetCompletedTasks()[0].GetState() != mesospb.TaskState_TASK_KILLED {
		t.Errorf("tasks are %v", ts)
	}
	// In protobuf they are missing, as those of a Mesos master are.
	if ts := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_TASKS.Enum()}).GetGetTasks(); len(ts.GetCompletedTasks()) != 0 {
		t.Errorf("in protobuf tasks are %v", ts)
	}
	if s := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_STATE.Enum()}).GetGetState(); len(s.GetGetTasks().GetCompletedTasks()) != 0 || len(s.GetGetFrameworks().GetCompletedFrameworks()) != 1 {
		t.Errorf("in protobuf the state is %v", s)
	}
}

func TestTeardown(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.run(a, f.offer(), "t")
	f.teardown()
	expectMsg[link.ShutdownFramework](a)
	if status, text := f.try(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()}); status != 400 || text != "Framework cannot be found" {
		t.Errorf("call after TEARDOWN: %d %q", status, text)
	}
	g := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_FRAMEWORKS.Enum()}).GetGetFrameworks()
	if len(g.GetFrameworks()) != 0 || len(g.GetCompletedFrameworks()) != 1 {
		t.Errorf("frameworks are %v", g)
	}
}

func TestANewSubscriptionSupersedesTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("h")
		info := frameworkInfo("a", "b")
		f := w.subscribe(info, "b")
		f.offer()
		again := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: f.identified(0), SuppressedRoles: []string{"a"}}, codec.Protobuf)
		again.subscribed()
		if e := f.next(); e.GetError().GetMessage() != "Framework failed over" {
			t.Errorf("the old stream got %v", e)
		}
		f.ended()
		if o := again.offer(); o.GetAllocationInfo().GetRole() != "b" {
			t.Errorf("got %v, want an offer for the role that is no longer suppressed", o)
		}
		if status, _ := f.try(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()}); status != 400 {
			t.Errorf("the old stream id is answered %d, want 400", status)
		}
		f.cancel() // must not disconnect the framework
		time.Sleep(time.Second)
		again.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
	})
}

func TestResubscriptionKeepsUserAndCheckpoint(t *testing.T) {
	w := start(t, Config{})
	f := w.subscribe(frameworkInfo())
	i := f.identified(1)
	i.User, i.Checkpoint, i.Name = proto.String("other"), proto.Bool(true), proto.String("renamed")
	w.subscribe(i)
	w.on(func() {
		got := w.frameworks[f.id].info
		if got.GetUser() != "root" || got.GetCheckpoint() || got.GetName() != "renamed" || got.GetFailoverTimeout() != 1 {
			t.Errorf("got %v", got)
		}
	})
	i = f.identified(1)
	i.Principal = proto.String("other")
	bad := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: i}, codec.Protobuf)
	if e := bad.next(); e.GetType() != schedulerpb.Event_ERROR {
		t.Errorf("got %v", e)
	}
}

func TestAnUnknownIDIsTakenAsItIs(t *testing.T) {
	w := start(t, Config{})
	i := frameworkInfo()
	i.Id = &mesospb.FrameworkID{Value: proto.String("from-another-master")}
	if f := w.subscribe(i); f.id != "from-another-master" {
		t.Errorf("got %s", f.id)
	}
}

func TestUpdateFramework(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("h")
		f := w.subscribe(frameworkInfo("a"))
		o := f.offer()
		update := func(i *mesospb.FrameworkInfo, suppressed ...string) (int, string) {
			return f.try(&schedulerpb.Call{Type: schedulerpb.Call_UPDATE_FRAMEWORK.Enum(), UpdateFramework: &schedulerpb.Call_UpdateFramework{FrameworkInfo: i, SuppressedRoles: suppressed}})
		}
		i := f.identified(0)
		i.Roles = []string{"b"}
		if status, text := update(i); status != 200 || text != "" {
			t.Errorf("got %d %q", status, text)
		}
		if r := f.expect(schedulerpb.Event_RESCIND).GetRescind(); r.GetOfferId().GetValue() != o.GetId().GetValue() {
			t.Errorf("got %v", r)
		}
		if o := f.offer(); o.GetAllocationInfo().GetRole() != "b" {
			t.Errorf("got %v", o)
		}
		for what, edit := range map[string]func(*mesospb.FrameworkInfo){
			"user":       func(i *mesospb.FrameworkInfo) { i.User = proto.String("other") },
			"principal":  func(i *mesospb.FrameworkInfo) { i.Principal = proto.String("other") },
			"checkpoint": func(i *mesospb.FrameworkInfo) { i.Checkpoint = proto.Bool(true) },
			"roles":      func(i *mesospb.FrameworkInfo) { i.Roles = []string{"-x"} },
		} {
			i := f.identified(0)
			edit(i)
			if status, text := update(i); status != 400 || !strings.Contains(text, what) {
				t.Errorf("changing %s: %d %q", what, status, text)
			}
		}
		if status, _ := update(frameworkInfo()); status != 400 {
			t.Errorf("other id: %d", status)
		}
		// What must not change is looked at before what is wanted.
		i = f.identified(0)
		i.User = proto.String("other")
		if _, text := update(i, "zzz"); text != "FrameworkInfo update is not valid: Updating 'FrameworkInfo.user' is unsupported; attempted to update from 'root' to 'other'" {
			t.Errorf("another user and a foreign role: %q", text)
		}
		if _, text := update(f.identified(0), "zzz"); text != "Suppressed roles { zzz } are not contained in the set of roles" {
			t.Errorf("a foreign role: %q", text)
		}
		i = f.identified(0)
		i.FailoverTimeout = proto.Float64(1e12)
		if _, text := update(i); text != "'UpdateFramework.framework_info' is not valid: The framework failover_timeout (1e+12) is invalid" {
			t.Errorf("an endless failover timeout: %q", text)
		}
	})
}

func TestOfferTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{OfferTimeout: 30 * time.Second})
		w.agent("h")
		f := w.subscribe(frameworkInfo())
		at := time.Now()
		o := f.offer()
		if r := f.expect(schedulerpb.Event_RESCIND).GetRescind(); r.GetOfferId().GetValue() != o.GetId().GetValue() || time.Since(at) != 30*time.Second {
			t.Errorf("after %v: %v", time.Since(at), r)
		}
		f.offer() // no filter
	})
}

func TestOneEventPerRound(t *testing.T) {
	w := start(t, Config{})
	for range 20 {
		w.agent("h")
	}
	f := w.subscribe(frameworkInfo())
	if n := len(f.offers()); n != 20 {
		t.Errorf("the event has %d offers, want 20", n)
	}
}

func TestOffersComeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		time.Sleep(500 * time.Millisecond)
		f := w.subscribe(frameworkInfo())
		at := time.Now()
		w.agent("h")
		f.offer()
		if d := time.Since(at); d != 0 {
			t.Errorf("after an agent: %v", d)
		}
	})
}

func TestWeightsDecideBetweenRoles(t *testing.T) {
	w := start(t, Config{Weights: map[string]float64{"heavy": 3}})
	heavy, light := w.subscribe(frameworkInfo("heavy")), w.subscribe(frameworkInfo("light"))
	for range 40 {
		w.agent("h", resources.NewCPUs(1), resources.NewMem(100))
	}
	w.on(func() {
		h, l := len(w.frameworks[heavy.id].offers), len(w.frameworks[light.id].offers)
		if h < 29 || h > 31 || h+l != 40 {
			t.Errorf("offers are shared %d:%d, want 30:10", h, l)
		}
	})
}
