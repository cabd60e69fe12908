package allocator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

var t0 = time.Unix(1_700_000_000, 0)

func list(rs ...*mesospb.Resource) []*mesospb.Resource { return rs }

func machine(cpus, mem float64) Agent {
	return Agent{Total: list(resources.NewCPUs(cpus), resources.NewMem(mem))}
}

func wants(roles ...string) Framework { return Framework{Roles: roles, Active: true} }

// show writes offers as "framework@agent(role) resources", sorted.
func show(offers []Offer) []string {
	out := []string{}
	for _, o := range offers {
		out = append(out, fmt.Sprintf("%s@%s(%s) %s", o.Framework, o.Agent, o.Role, resources.Describe(resources.Unallocate(o.Resources))))
	}
	slices.Sort(out)
	return out
}

func expect(t *testing.T, offers []Offer, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if d := cmp.Diff(want, show(offers)); d != "" {
		t.Errorf("offers (-want +got):\n%s", d)
	}
}

func TestAFrameworkIsOfferedWholeAgents(t *testing.T) {
	a := New(Config{})
	a.AddAgent("S0", Agent{Total: list(resources.NewCPUs(4), resources.NewPorts(1, 9), resources.NewMem(100))}, nil)
	expect(t, a.Allocate(t0)) // nobody wants it
	a.AddFramework("F0", wants("*"))
	offers := a.Allocate(t0)
	expect(t, offers, "F0@S0(*) ports:[1-9]; cpus:4; mem:100")
	for _, r := range offers[0].Resources {
		if resources.AllocationRole(r) != "*" {
			t.Errorf("%v is not allocated to the role", r)
		}
	}
	expect(t, a.Allocate(t0))
	a.Recover("F0", "S0", offers[0].Resources, nil)
	expect(t, a.Allocate(t0), "F0@S0(*) ports:[1-9]; cpus:4; mem:100")
}

func TestTheRestIsOfferedAgain(t *testing.T) {
	a := New(Config{})
	a.AddAgent("S0", machine(4, 1024), nil)
	a.AddFramework("F0", wants("*"))
	o := a.Allocate(t0)[0]
	a.Recover("F0", "S0", resources.Subtract(o.Resources, resources.Allocate(list(resources.NewCPUs(1), resources.NewMem(256)), "*")), nil)
	expect(t, a.Allocate(t0), "F0@S0(*) cpus:3; mem:768")
}

func TestFilters(t *testing.T) {
	t.Run("hold until they expire", func(t *testing.T) {
		a := New(Config{})
		a.AddAgent("S0", machine(1, 100), nil)
		a.AddFramework("F0", wants("*"))
		o := a.Allocate(t0)[0]
		a.Recover("F0", "S0", o.Resources, &Filter{Expires: t0.Add(5 * time.Second)})
		expect(t, a.Allocate(t0.Add(4*time.Second)))
		if n := a.Filters()["*"]; n != 1 {
			t.Errorf("%d filters, want 1", n)
		}
		expect(t, a.Allocate(t0.Add(5*time.Second)), "F0@S0(*) cpus:1; mem:100")
	})
	t.Run("do not match more than was declined", func(t *testing.T) {
		a := New(Config{})
		a.AddAgent("S0", machine(2, 100), nil)
		a.AddFramework("F0", wants("*"))
		o := a.Allocate(t0)[0]
		used := resources.Allocate(list(resources.NewCPUs(0.5)), "*")
		a.Recover("F0", "S0", resources.Subtract(o.Resources, used), &Filter{Expires: t0.Add(time.Hour)})
		expect(t, a.Allocate(t0))
		a.Recover("F0", "S0", used, nil)
		expect(t, a.Allocate(t0), "F0@S0(*) cpus:2; mem:100")
	})
	t.Run("bind one framework only", func(t *testing.T) {
		a := New(Config{})
		a.AddAgent("S0", machine(1, 100), nil)
		a.AddFramework("F0", wants("*"))
		a.Recover("F0", "S0", a.Allocate(t0)[0].Resources, &Filter{Expires: t0.Add(time.Hour)})
		a.AddFramework("F1", wants("*"))
		expect(t, a.Allocate(t0), "F1@S0(*) cpus:1; mem:100")
	})
	for name, clear := range map[string]func(*Allocator){
		"revive":        func(a *Allocator) { a.Revive("F0") },
		"deactivation":  func(a *Allocator) { a.SetFrameworkActive("F0", false); a.SetFrameworkActive("F0", true) },
		"changed agent": func(a *Allocator) { a.DescribeAgent("S0", Agent{Hostname: "other"}) },
		"role left":     func(a *Allocator) { a.UpdateFramework("F0", wants()); a.UpdateFramework("F0", wants("*")) },
		"unsuppressed role": func(a *Allocator) {
			f := wants("*")
			f.Suppressed = f.Roles
			a.UpdateFramework("F0", f)
			a.UpdateFramework("F0", wants("*"))
		},
	} {
		t.Run("go with "+name, func(t *testing.T) {
			a := New(Config{})
			a.AddAgent("S0", machine(1, 100), nil)
			a.AddFramework("F0", wants("*"))
			a.Recover("F0", "S0", a.Allocate(t0)[0].Resources, &Filter{Expires: t0.Add(time.Hour)})
			expect(t, a.Allocate(t0))
			clear(a)
			expect(t, a.Allocate(t0), "F0@S0(*) cpus:1; mem:100")
			if n := len(a.Filters()); n != 0 {
				t.Errorf("%v filters are left", a.Filters())
			}
		})
	}
}

func TestSuppressAndReviveByRole(t *testing.T) {
	a := New(Config{})
	f := wants("a", "b")
	f.Suppressed = []string{"b"}
	a.AddFramework("F0", f)
	a.AddAgent("S0", machine(1, 100), nil)
	o := a.Allocate(t0)
	expect(t, o, "F0@S0(a) cpus:1; mem:100")
	a.Suppress("F0", "a")
	a.Recover("F0", "S0", o[0].Resources, nil)
	expect(t, a.Allocate(t0))
	a.Revive("F0", "b")
	o = a.Allocate(t0)
	expect(t, o, "F0@S0(b) cpus:1; mem:100")
	a.Suppress("F0")
	a.Recover("F0", "S0", o[0].Resources, nil)
	a.Revive("F0", "nobody's")
	expect(t, a.Allocate(t0))
}

func TestReservations(t *testing.T) {
	total := list(
		resources.NewCPUs(1), resources.NewMem(32),
		resources.NewCPUs(2, resources.WithRole("eng")), resources.NewMem(64, resources.WithRole("eng")),
		resources.NewCPUs(3, resources.WithRole("eng/web")), resources.NewMem(96, resources.WithRole("eng/web")),
	)
	for role, want := range map[string]string{
		"eng":     "F0@S0(eng) cpus(reservations: [(STATIC,eng)]):2; mem(reservations: [(STATIC,eng)]):64; cpus:1; mem:32",
		"eng/web": "F0@S0(eng/web) cpus(reservations: [(STATIC,eng)]):2; cpus(reservations: [(STATIC,eng/web)]):3; mem(reservations: [(STATIC,eng)]):64; mem(reservations: [(STATIC,eng/web)]):96; cpus:1; mem:32",
		"*":       "F0@S0(*) cpus:1; mem:32",
		"eng2":    "F0@S0(eng2) cpus:1; mem:32",
	} {
		a := New(Config{})
		a.AddAgent("S0", Agent{Total: total}, nil)
		a.AddFramework("F0", wants(role))
		expect(t, a.Allocate(t0), want)
	}
}

func TestCapabilities(t *testing.T) {
	revocable := list(resources.NewCPUs(1), resources.NewMem(32), resources.NewCPUs(5, resources.WithRevocable()))
	refined := list(resources.NewCPUs(1), resources.NewCPUs(7, resources.WithRole("*"), resources.WithReservation("*", "")))
	refined[1].Reservations = []*mesospb.Resource_ReservationInfo{
		{Type: mesospb.Resource_ReservationInfo_STATIC.Enum(), Role: proto.String("a")},
		{Type: mesospb.Resource_ReservationInfo_DYNAMIC.Enum(), Role: proto.String("a/b")},
	}
	region := func(name string) *mesospb.DomainInfo {
		return &mesospb.DomainInfo{FaultDomain: &mesospb.DomainInfo_FaultDomain{
			Region: &mesospb.DomainInfo_FaultDomain_RegionInfo{Name: &name}, Zone: &mesospb.DomainInfo_FaultDomain_ZoneInfo{Name: &name}}}
	}
	gpus := list(resources.NewCPUs(1), resources.NewGPUs(1))
	plain := list(resources.NewCPUs(1))
	for _, tc := range []struct {
		name  string
		agent Agent
		caps  Capabilities
		role  string
		want  []string
	}{
		{"revocable without", Agent{Total: revocable}, Capabilities{}, "*", []string{"cpus:1; mem:32"}},
		{"revocable with", Agent{Total: revocable}, Capabilities{RevocableResources: true}, "*", []string{"cpus:1; cpus{REV}:5; mem:32"}},
		{"refined without", Agent{Total: refined}, Capabilities{}, "a/b", []string{"cpus:1"}},
		{"refined with", Agent{Total: refined}, Capabilities{ReservationRefinement: true}, "a/b", []string{"cpus(reservations: [(STATIC,a),(DYNAMIC,a/b)]):7; cpus:1"}},
		{"gpus without", Agent{Total: gpus}, Capabilities{}, "*", nil},
		{"gpus with", Agent{Total: gpus}, Capabilities{GPUResources: true}, "*", []string{"cpus:1; gpus:1"}},
		{"remote without", Agent{Total: plain, Domain: region("far")}, Capabilities{}, "*", nil},
		{"remote with", Agent{Total: plain, Domain: region("far")}, Capabilities{RegionAware: true}, "*", []string{"cpus:1"}},
		{"local region", Agent{Total: plain, Domain: region("here")}, Capabilities{}, "*", []string{"cpus:1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := New(Config{Region: "here"})
			a.AddAgent("S0", tc.agent, nil)
			a.AddFramework("F0", Framework{Roles: []string{tc.role}, Capabilities: tc.caps, Active: true})
			got := []string(nil)
			for _, o := range a.Allocate(t0) {
				got = append(got, resources.Describe(resources.Unallocate(o.Resources)))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestSharedVolumesGoToOneFrameworkAtATime(t *testing.T) {
	shared := resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("v", "", "data"), resources.WithShared())
	a := New(Config{})
	a.AddAgent("S0", Agent{Total: list(resources.NewCPUs(2), shared)}, nil)
	a.AddFramework("F0", Framework{Roles: []string{"eng"}, Active: true, Capabilities: Capabilities{SharedResources: true}})
	o := a.Allocate(t0)
	if len(o) != 1 || len(o[0].Resources) != 2 {
		t.Fatalf("got %v, want cpus and the volume", show(o))
	}
	// One cpu comes back: with it the volume, which the framework still holds, is offered again.
	a.Recover("F0", "S0", resources.Allocate(list(resources.NewCPUs(1)), "eng"), nil)
	if o := a.Allocate(t0); len(o) != 1 || len(o[0].Resources) != 2 {
		t.Fatalf("got %v, want a cpu and another copy of the volume", show(o))
	}
}

func TestMinimumOfAnOffer(t *testing.T) {
	tiny := Agent{Total: list(resources.NewCPUs(0.009), resources.NewMem(31), resources.NewDisk(9999))}
	a := New(Config{})
	a.AddAgent("S0", tiny, nil)
	a.AddFramework("F0", wants("*"))
	expect(t, a.Allocate(t0))
	f := wants("*")
	f.MinAllocatable = map[string][]Quantities{"*": {{"disk": 1000}}}
	a.UpdateFramework("F0", f)
	expect(t, a.Allocate(t0), "F0@S0(*) cpus:0.009; mem:31; disk:9999")

	a = New(Config{MinAllocatable: []Quantities{}})
	a.AddAgent("S0", Agent{Total: list(resources.NewCPUs(0.001))}, nil)
	a.AddFramework("F0", wants("*"))
	expect(t, a.Allocate(t0), "F0@S0(*) cpus:0.001")
}

// shareOut gives 1-cpu agents one after the other and counts who gets them.
func shareOut(a *Allocator, n int) map[string]int {
	got := map[string]int{}
	for i := range n {
		a.AddAgent(fmt.Sprintf("S%03d", i), machine(1, 100), nil)
	}
	for _, o := range a.Allocate(t0) {
		got[o.Framework]++
	}
	return got
}

func TestFairness(t *testing.T) {
	for _, tc := range []struct {
		name    string
		weights map[string]float64
		roles   map[string]string // framework -> role
		want    map[string]int    // of 60 agents
	}{
		{"frameworks of a role", nil, map[string]string{"F0": "r", "F1": "r", "F2": "r"}, map[string]int{"F0": 20, "F1": 20, "F2": 20}},
		{"roles first", nil, map[string]string{"F0": "r", "F1": "r", "F2": "q"}, map[string]int{"F0": 15, "F1": 15, "F2": 30}},
		{"weights", map[string]float64{"r": 2}, map[string]string{"F0": "r", "F1": "q"}, map[string]int{"F0": 40, "F1": 20}},
		{"tree", nil, map[string]string{"F0": "a/x", "F1": "a/y", "F2": "b"}, map[string]int{"F0": 15, "F1": 15, "F2": 30}},
		{"a role and its subrole", nil, map[string]string{"F0": "a", "F1": "a/x"}, map[string]int{"F0": 30, "F1": 30}},
		{"weights within the tree", map[string]float64{"a/x": 3}, map[string]string{"F0": "a/x", "F1": "a/y", "F2": "b"}, map[string]int{"F0": 22, "F1": 8, "F2": 30}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := New(Config{Weights: tc.weights, Seed: 7})
			for id, role := range tc.roles {
				a.AddFramework(id, wants(role))
			}
			got := shareOut(a, 60)
			for id, want := range tc.want {
				if got[id] < want-1 || got[id] > want+1 {
					t.Errorf("%s got %d agents, want %d: %v", id, got[id], want, got)
				}
			}
		})
	}
}

func TestTheNeediestIsServedFirst(t *testing.T) {
	a := New(Config{})
	a.AddFramework("F0", wants("r"))
	a.AddFramework("F1", wants("r"))
	a.AddAgent("S0", machine(10, 1000), nil)
	a.AddAgent("S1", machine(1, 100), []Usage{{"F0", resources.Allocate(list(resources.NewCPUs(1), resources.NewMem(100)), "r")}})
	expect(t, a.Allocate(t0), "F1@S0(r) cpus:10; mem:1000")
}

func TestSameSeedSameOffers(t *testing.T) {
	run := func(seed uint64) string {
		a := New(Config{Seed: seed})
		for i := range 5 {
			a.AddFramework(fmt.Sprint("F", i), wants(fmt.Sprint("r", i%2)))
		}
		for i := range 50 {
			a.AddAgent(fmt.Sprint("S", i), machine(float64(1+i%3), 100), nil)
		}
		var b strings.Builder
		for _, o := range a.Allocate(t0) {
			fmt.Fprintln(&b, o.Framework, o.Agent)
		}
		return b.String()
	}
	if first, again := run(1), run(1); first != again {
		t.Error("two runs with one seed differ")
	}
	if run(1) == run(2) {
		t.Error("the seed changes nothing")
	}
}

func TestQuota(t *testing.T) {
	cpus := func(n float64) Quantities { return Quantities{"cpus": resources.ToFixed(n)} }
	t.Run("a limit is not exceeded", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", nil, cpus(2))
		a.AddFramework("F0", wants("q"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "F0@S0(q) cpus:2; mem:100")
		if d := cmp.Diff(Quantities{"cpus": 2000, "mem": 100000}, a.Consumed("q")); d != "" {
			t.Errorf("consumed (-want +got):\n%s", d)
		}
	})
	t.Run("a guarantee is kept free", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", cpus(3), nil)
		a.AddFramework("F0", wants("other"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "F0@S0(other) cpus:1; mem:100")
		a.AddFramework("F1", wants("q"))
		expect(t, a.Allocate(t0), "F1@S0(q) cpus:3")
	})
	t.Run("guarantees are served first, with the whole agent unless there is a limit", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", cpus(1), nil)
		a.AddFramework("A", wants("a", "q"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "A@S0(q) cpus:4; mem:100")
	})
	t.Run("a guarantee with a limit gets no more than that at once", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", cpus(1), cpus(3))
		a.AddFramework("A", wants("a", "q"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "A@S0(a) cpus:1", "A@S0(q) cpus:3; mem:100")
	})
	t.Run("guarantees of others limit what a role gets beyond its own", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", cpus(1), nil)
		a.SetQuota("p", cpus(2), nil)
		a.AddFramework("A", wants("q"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "A@S0(q) cpus:2; mem:100")
	})
	t.Run("what is owed is given even if more is guaranteed than there is", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", cpus(100), nil)
		a.SetQuota("p", cpus(2), nil)
		a.AddFramework("A", wants("q"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "A@S0(q) cpus:4; mem:100")
	})
	t.Run("frameworks of one role share its limit on an agent", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", nil, cpus(2))
		a.AddFramework("A", wants("q"))
		a.AddFramework("B", wants("q"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "A@S0(q) cpus:2; mem:100")
	})
	t.Run("a quota says nothing about roles below, but what they have counts", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", nil, cpus(2))
		a.AddFramework("A", wants("q/x"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "A@S0(q/x) cpus:4; mem:100")
		a.AddFramework("B", wants("q"))
		a.AddAgent("S1", machine(4, 0), nil)
		a.Suppress("A")
		expect(t, a.Allocate(t0))
	})
	t.Run("removal frees everything", func(t *testing.T) {
		a := New(Config{})
		a.SetQuota("q", nil, cpus(1))
		a.AddFramework("F0", wants("q"))
		a.AddAgent("S0", machine(4, 100), nil)
		expect(t, a.Allocate(t0), "F0@S0(q) cpus:1; mem:100")
		a.SetQuota("q", nil, nil)
		expect(t, a.Allocate(t0), "F0@S0(q) cpus:3")
	})
}

func TestConstraints(t *testing.T) {
	text := func(name, v string) *mesospb.Attribute {
		return &mesospb.Attribute{Name: &name, Type: mesospb.Value_TEXT.Enum(), Text: &mesospb.Value_Text{Value: &v}}
	}
	number := &mesospb.Attribute{Name: proto.String("n"), Type: mesospb.Value_SCALAR.Enum(), Scalar: &mesospb.Value_Scalar{Value: proto.Float64(1)}}
	agent := &Agent{Hostname: "h1", Attributes: []*mesospb.Attribute{text("rack", "r1"), number}}
	type P = schedulerpb.AttributeConstraint_Predicate
	exists := &P{Predicate: &schedulerpb.AttributeConstraint_Predicate_Exists_{Exists: &schedulerpb.AttributeConstraint_Predicate_Exists{}}}
	missing := &P{Predicate: &schedulerpb.AttributeConstraint_Predicate_NotExists_{NotExists: &schedulerpb.AttributeConstraint_Predicate_NotExists{}}}
	equals := func(v string) *P {
		return &P{Predicate: &schedulerpb.AttributeConstraint_Predicate_TextEquals_{TextEquals: &schedulerpb.AttributeConstraint_Predicate_TextEquals{Value: &v}}}
	}
	differs := func(v string) *P {
		return &P{Predicate: &schedulerpb.AttributeConstraint_Predicate_TextNotEquals_{TextNotEquals: &schedulerpb.AttributeConstraint_Predicate_TextNotEquals{Value: &v}}}
	}
	matches := func(v string) *P {
		return &P{Predicate: &schedulerpb.AttributeConstraint_Predicate_TextMatches_{TextMatches: &schedulerpb.AttributeConstraint_Predicate_TextMatches{Regex: &v}}}
	}
	on := func(attribute string, p *P) *schedulerpb.AttributeConstraint {
		s := &schedulerpb.AttributeConstraint_Selector{Selector: &schedulerpb.AttributeConstraint_Selector_AttributeName{AttributeName: attribute}}
		if attribute == "HOSTNAME" {
			s.Selector = &schedulerpb.AttributeConstraint_Selector_PseudoattributeType_{PseudoattributeType: schedulerpb.AttributeConstraint_Selector_HOSTNAME}
		}
		return &schedulerpb.AttributeConstraint{Selector: s, Predicate: p}
	}
	for i, tc := range []struct {
		attribute string
		p         *P
		want      bool
	}{
		{"rack", exists, true}, {"none", exists, false}, {"none", missing, true}, {"rack", missing, false},
		{"rack", equals("r1"), true}, {"rack", equals("r2"), false}, {"none", equals("r1"), false}, {"n", equals("x"), true},
		{"rack", differs("r1"), false}, {"rack", differs("r2"), true}, {"none", differs("r1"), true},
		{"rack", matches("r[0-9]"), true}, {"rack", matches("r"), false},
		{"HOSTNAME", equals("h1"), true}, {"HOSTNAME", equals("h2"), false},
	} {
		c, err := CompileConstraints(&schedulerpb.OfferConstraints{RoleConstraints: map[string]*schedulerpb.OfferConstraints_RoleConstraints{
			"r": {Groups: []*schedulerpb.OfferConstraints_RoleConstraints_Group{{AttributeConstraints: []*schedulerpb.AttributeConstraint{on(tc.attribute, tc.p)}}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.admit("r", agent); got != tc.want {
			t.Errorf("%d: %s %v: got %v, want %v", i, tc.attribute, tc.p, got, tc.want)
		}
		if !c.admit("other role", agent) {
			t.Errorf("%d: constrains a role that it does not name", i)
		}
	}
	if _, err := CompileConstraints(&schedulerpb.OfferConstraints{RoleConstraints: map[string]*schedulerpb.OfferConstraints_RoleConstraints{
		"r": {Groups: []*schedulerpb.OfferConstraints_RoleConstraints_Group{{AttributeConstraints: []*schedulerpb.AttributeConstraint{on("a", matches("("))}}}},
	}}); err == nil {
		t.Error("a broken regular expression compiled")
	}
	for pattern, taken := range map[string]bool{"h-[0-9]{1,3}[.]example[.]com": true, "(a|b)*c?": true, "[a-z]{90}": true, "[a-z]{110}": false, "(x{20}){20}": false} {
		if _, err := fullMatch(pattern); (err == nil) != taken {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// Clients that come with ever new roles leave nothing that would have to be searched.
func TestRolesThatNobodyHasAreForgotten(t *testing.T) {
	a := New(Config{Weights: map[string]float64{"weighed": 2}})
	a.AddAgent("S0", machine(4, 100), nil)
	for i := range 100 {
		id := fmt.Sprint("F", i)
		a.AddFramework(id, wants(fmt.Sprint("r", i), fmt.Sprint("r", i, "/sub/deep"), "common/x", "weighed"))
		for _, o := range a.Allocate(t0) {
			a.Recover(o.Framework, o.Agent, o.Resources, nil)
		}
		if i%2 == 0 {
			a.UpdateFramework(id, wants("common"))
		}
		if i > 0 {
			a.RemoveFramework(fmt.Sprint("F", i-1))
		}
	}
	if n := len(a.sorter.nodes); n > 10 || len(a.sorter.root.children) > 5 {
		t.Errorf("%d roles are known still, %d at the top", n, len(a.sorter.root.children))
	}
	a.RemoveFramework("F99")
	if len(a.sorter.nodes) != 0 || len(a.sorter.root.children) != 0 || len(a.quotas) != 0 {
		t.Errorf("in the end: roles %v, quota of %v", a.sorter.nodes, a.quotas)
	}
	a.AddFramework("F", wants("weighed"))
	if got := a.Weights()["weighed"]; got != 2 || a.sorter.nodes["weighed"].weight != 2 {
		t.Errorf("the weight is %v", got)
	}
	expect(t, a.Allocate(t0), "F@S0(weighed) cpus:4; mem:100")
}
