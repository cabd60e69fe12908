package placement_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// one places a single task and returns its assignment, nil if it has to wait.
func one(t testing.TB, d *placement.Demand, list ...offerOf) (*placement.Assignment, *placement.Explanation) {
	t.Helper()
	r := place(t, &placement.Cycle{Offers: offers(t, list...), Pending: tasks(d, 1)})
	if len(r.Assignments) == 0 {
		return nil, r.Unplaced[0].Why
	}
	return &r.Assignments[0], nil
}

func TestOffersOfOneAgentAreCombined(t *testing.T) {
	d := &placement.Demand{Group: "g", Role: "eng", Resources: parse(t, "cpus:3;mem:100")}
	list := []offerOf{
		{id: "1", agent: "a", role: "eng", resources: "cpus:2;mem:50"},
		{id: "2", agent: "b", role: "eng", resources: "cpus:2;mem:500"},
		{id: "3", agent: "a", role: "eng", resources: "cpus:1.5;mem:50"},
		{id: "4", agent: "b", role: "ops", resources: "cpus:2;mem:500"},
	}
	a, why := one(t, d, list...)
	if a == nil || a.Agent.ID != "a" || len(a.OfferIDs) != 2 || a.OfferIDs[0].GetValue() != "1" || a.OfferIDs[1].GetValue() != "3" {
		t.Fatalf("got %+v, %v: want both offers of agent a", a, why)
	}
	if got := resources.Describe(a.Resources); got != "cpus(allocated: eng):3; mem(allocated: eng):100" {
		t.Errorf("took %s", got)
	}
	// Offers for two roles can't be accepted together.
	if a, why := one(t, d, list[1], list[3]); a != nil || why.String() != "2 offers: 1 other role, 1 not enough cpus; nearest is host-b with cpus 2 of 3" {
		t.Errorf("got %+v, %s", a, why)
	}
}

func TestReservedResourcesComeFirst(t *testing.T) {
	labels := resources.WithReservation("eng/web", "me")
	list := []*mesospb.Resource{
		resources.NewCPUs(1), resources.NewCPUs(1, resources.WithRole("eng")), resources.NewCPUs(1, resources.WithRole("eng"), labels),
		resources.NewCPUs(4, resources.WithRevocable()), resources.NewMem(64, resources.WithRole("eng")),
	}
	offer := offerOf{role: "eng/web", list: list}
	for _, tc := range []struct {
		name string
		d    placement.Demand
		want string
	}{
		{"the refined ones, then those of the parent, then the unreserved", placement.Demand{Resources: parse(t, "cpus:2.5")},
			"cpus(allocated: eng/web)(reservations: [(STATIC,eng),(DYNAMIC,eng/web,me)]):1; cpus(allocated: eng/web)(reservations: [(STATIC,eng)]):1; cpus(allocated: eng/web):0.5"},
		{"only reserved", placement.Demand{From: resources.ReservedOnly, Resources: parse(t, "cpus:2.5")}, "2.5"},
		{"only unreserved", placement.Demand{From: resources.UnreservedOnly, Resources: parse(t, "cpus:1")}, "cpus(allocated: eng/web):1"},
		{"a reservation asked for", placement.Demand{Resources: []*mesospb.Resource{resources.NewCPUs(1, resources.WithRole("eng"))}},
			"cpus(allocated: eng/web)(reservations: [(STATIC,eng)]):1"},
		{"revocable only on request", placement.Demand{Resources: parse(t, "cpus:4")}, "4"},
		{"revocable on request", placement.Demand{Resources: []*mesospb.Resource{resources.NewCPUs(3.5, resources.WithRevocable())}}, "cpus(allocated: eng/web){REV}:3.5"},
		{"three decimals", placement.Demand{Resources: []*mesospb.Resource{resources.NewCPUs(0.1 + 0.2)}},
			"cpus(allocated: eng/web)(reservations: [(STATIC,eng),(DYNAMIC,eng/web,me)]):0.3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.d.Group, tc.d.Role = "g", "eng/web"
			a, why := one(t, &tc.d, offer)
			switch {
			case a == nil && len(tc.want) > 4:
				t.Errorf("does not fit: %s", why)
			case a != nil && resources.Describe(a.Resources) != tc.want:
				t.Errorf("took %s\nwant %s", resources.Describe(a.Resources), tc.want)
			}
		})
	}
}

func TestPortsAreGivenByNumber(t *testing.T) {
	offer := offerOf{role: "eng", list: []*mesospb.Resource{
		resources.NewPorts(8000, 8002), resources.NewPorts(31000, 31001), resources.NewPorts(9000, 9001, resources.WithRole("eng")),
	}}
	for _, tc := range []struct {
		name  string
		ports []placement.Port
		want  []uint64
		why   string
	}{
		{"any: reserved ones first", placement.AnyPorts(3), []uint64{9000, 9001, 8000}, ""},
		{"fixed", []placement.Port{placement.FixedPort(31001), {}}, []uint64{31001, 9000}, ""},
		{"ranges", []placement.Port{{From: 8000, To: 8999}, {From: 8001, To: 31000}, placement.FixedPort(8000)}, []uint64{8001, 8002, 8000}, ""},
		{"the widest range gets what is left", []placement.Port{{From: 31000, To: 31001}, {From: 1, To: 31000}, {From: 8000, To: 8000}, {From: 31000, To: 31000}}, []uint64{31001, 8001, 8000, 31000}, ""},
		{"the same number twice", []placement.Port{placement.FixedPort(8000), placement.FixedPort(8000)}, nil, "1 offer: 1 not enough ports; nearest is host-1 with ports 2 of 2"},
		{"a number that isn't there", []placement.Port{placement.FixedPort(80)}, nil, "1 offer: 1 not enough port 80; nearest is host-1 with port 80 0 of 1"},
		{"too many", placement.AnyPorts(8), nil, "1 offer: 1 not enough ports; nearest is host-1 with ports 7 of 8"},
		{"a range the wrong way round", []placement.Port{{From: 9000, To: 8000}}, nil, "1 offer: 1 not enough port 9000-8000; nearest is host-1 with port 9000-8000 0 of 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, why := one(t, &placement.Demand{Group: "g", Role: "eng", Ports: tc.ports}, offer)
			if a == nil {
				if tc.want != nil || why.String() != tc.why {
					t.Errorf("does not fit: %q, want %q", why, tc.why)
				}
				return
			}
			if diff := cmp.Diff(tc.want, a.Ports); diff != "" {
				t.Errorf("ports (-want +got):\n%s", diff)
			}
			if got := resources.Ports(a.Resources); got.Size() != uint64(len(tc.want)) {
				t.Errorf("took %v", got)
			}
		})
	}
}

func TestVolumes(t *testing.T) {
	source := func(typ mesospb.Resource_DiskInfo_Source_Type, id, profile string) resources.Option {
		return resources.WithDiskSource(&mesospb.Resource_DiskInfo_Source{Type: &typ, Id: &id, Profile: &profile})
	}
	offer := offerOf{role: "eng", list: []*mesospb.Resource{
		resources.NewCPUs(1), resources.NewDisk(100), resources.NewDisk(50, resources.WithRole("eng")),
		resources.NewDisk(64, resources.WithRole("eng"), resources.WithVolume("mine", "me", "data")),
		resources.NewDisk(64, resources.WithRole("ops"), resources.WithVolume("theirs", "me", "data")),
		resources.NewDisk(8, resources.WithRole("eng"), resources.WithVolume("both", "me", "data"), resources.WithShared()),
		resources.NewDisk(8, resources.WithRole("eng"), resources.WithVolume("both", "me", "data"), resources.WithShared()),
		resources.NewDisk(2000, resources.WithMountDisk("/ssd1")), resources.NewDisk(1000, resources.WithMountDisk("/ssd2")),
		resources.NewDisk(3000, resources.WithPathDisk("/hdd")),
		resources.NewDisk(500, resources.WithProvider("csi"), source(mesospb.Resource_DiskInfo_Source_RAW, "lun1", "fast")),
	}}
	const mount, path, raw = mesospb.Resource_DiskInfo_Source_MOUNT, mesospb.Resource_DiskInfo_Source_PATH, mesospb.Resource_DiskInfo_Source_RAW
	for _, tc := range []struct {
		name    string
		volumes []placement.Volume
		want    []string
		why     string
	}{
		{"an existing one by id", []placement.Volume{{ID: "mine", MB: 64}}, []string{"disk(allocated: eng)(reservations: [(STATIC,eng)])[mine:data]:64"}, ""},
		{"an existing one that is too small", []placement.Volume{{ID: "mine", MB: 65}}, nil, "1 offer: 1 no volume mine; nearest is host-1 with volume mine 64 of 65"},
		{"one of another role", []placement.Volume{{ID: "theirs"}}, nil, "1 offer: 1 no volume theirs; nearest is host-1 with volume theirs 0 of 0"},
		{"one that isn't there", []placement.Volume{{ID: "gone"}}, nil, "1 offer: 1 no volume gone; nearest is host-1 with volume gone 0 of 0"},
		{"shared", []placement.Volume{{ID: "both"}, {ID: "both"}}, []string{
			"disk(allocated: eng)(reservations: [(STATIC,eng)])[both:data]<SHARED>:8", "disk(allocated: eng)(reservations: [(STATIC,eng)])[both:data]<SHARED>:8"}, ""},
		{"room on the root disk, reserved first", []placement.Volume{{MB: 50}}, []string{"disk(allocated: eng)(reservations: [(STATIC,eng)]):50"}, ""},
		{"room in one piece", []placement.Volume{{MB: 60}}, []string{"disk(allocated: eng):60"}, ""},
		{"more room than any piece has", []placement.Volume{{MB: 120}}, nil, "1 offer: 1 no disk; nearest is host-1 with disk 100 of 120"},
		{"two pieces", []placement.Volume{{MB: 60}, {MB: 40}, {MB: 50}}, []string{"disk(allocated: eng):60", "disk(allocated: eng):40", "disk(allocated: eng)(reservations: [(STATIC,eng)]):50"}, ""},
		{"the smallest mount disk that will do, as a whole", []placement.Volume{{MB: 10, Type: mount}}, []string{"disk(allocated: eng)[MOUNT:/ssd2]:1000"}, ""},
		{"two mount disks", []placement.Volume{{MB: 10, Type: mount}, {MB: 10, Type: mount}}, []string{"disk(allocated: eng)[MOUNT:/ssd2]:1000", "disk(allocated: eng)[MOUNT:/ssd1]:2000"}, ""},
		{"a certain mount disk", []placement.Volume{{MB: 10, Type: mount, Root: "/ssd1"}}, []string{"disk(allocated: eng)[MOUNT:/ssd1]:2000"}, ""},
		{"part of a path disk", []placement.Volume{{MB: 10, Type: path}}, []string{"disk(allocated: eng)[PATH:/hdd]:10"}, ""},
		{"a storage provider's by profile", []placement.Volume{{MB: 10, Type: raw, Profile: "fast"}}, []string{"disk(allocated: eng)[RAW(,lun1,fast)]:500"}, ""},
		{"no such profile", []placement.Volume{{MB: 10, Type: raw, Profile: "slow"}}, nil, "1 offer: 1 no RAW disk; nearest is host-1 with RAW disk 0 of 10"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, why := one(t, &placement.Demand{Group: "g", Role: "eng", Resources: parse(t, "cpus:1"), Volumes: tc.volumes}, offer)
			if a == nil {
				if tc.want != nil || why.String() != tc.why {
					t.Errorf("does not fit: %q, want %q", why, tc.why)
				}
				return
			}
			var got []string
			for _, v := range a.Volumes {
				v = proto.CloneOf(v)
				v.ProviderId = nil
				got = append(got, resources.Describe([]*mesospb.Resource{v}))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
			if !resources.Contains(offers(t, offer)[0].Proto.GetResources(), a.Resources) || len(a.Resources) != 1+len(tc.want) {
				t.Errorf("took %s, which is not all in the offer", resources.Describe(a.Resources))
			}
		})
	}
}

func TestATaskGoesWhereItsVolumeIs(t *testing.T) {
	d := &placement.Demand{Group: "db", Role: "eng", Resources: parse(t, "cpus:1"), Volumes: []placement.Volume{{MB: 10}}}
	volume := func(id string) []*mesospb.Resource {
		return []*mesospb.Resource{resources.NewCPUs(2), resources.NewDisk(10), resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume(id, "", "data"))}
	}
	r := place(t, &placement.Cycle{
		Offers: offers(t, offerOf{agent: "a", role: "eng", list: volume("v1")}, offerOf{agent: "b", role: "eng", list: volume("v2")}),
		Pending: []*placement.Task{
			{ID: "again", Demand: d, Agent: "b", Volumes: []placement.Volume{{ID: "v2"}}},
			{ID: "wherever it is", Demand: d, Volumes: []placement.Volume{{ID: "v1"}}},
			{ID: "gone", Demand: d, Agent: "c", Volumes: []placement.Volume{{ID: "v3"}}},
			{ID: "new", Demand: d},
		},
	})
	if diff := cmp.Diff([]string{"again b", "wherever it is a", "new a"}, where(r)); diff != "" {
		t.Errorf("placed (-want +got):\n%s", diff)
	}
	if got := r.Unplaced[0].Why.String(); got != "2 offers: 2 other agent than the task's" {
		t.Errorf("explained by %q", got)
	}
}

func TestEverySortOfResourceIsPlaced(t *testing.T) {
	offer := offerOf{role: "eng", list: []*mesospb.Resource{
		resources.NewCPUs(1), resources.NewGPUs(2), resources.NewScalar("bandwidth", 10), resources.NewSet("licence", []string{"a", "b"}),
		resources.NewRanges("vlan", resources.Ranges{{Begin: 1, End: 9}}), resources.NewCPUs(1, resources.WithProvider("p")),
	}}
	for want, fits := range map[string]bool{
		"gpus:2": true, "gpus:3": false, "bandwidth:10;cpus:1": true, "bandwidth:11": false, "licence:{b}": true, "licence:{c}": false,
		"vlan:[2-3, 9-9]": true, "vlan:[9-10]": false, "cpus:2": false, "cpus:0": true, "snow:1": false, "cpus:1.0004": true, "cpus:1.001": false,
	} {
		a, why := one(t, &placement.Demand{Group: "g", Role: "eng", Resources: parse(t, want)}, offer)
		if (a != nil) != fits {
			t.Errorf("%s fits: %v (%s), want %v", want, a != nil, why, fits)
		}
	}
}

func TestNonsenseIsNotPlaced(t *testing.T) {
	offer := offerOf{resources: "cpus:4;mem:64;ports:[1-9]"}
	nan := resources.NewCPUs(1)
	nan.Scalar.Value = new(0.0)
	*nan.Scalar.Value /= *nan.Scalar.Value
	for name, d := range map[string]*placement.Demand{
		"negative":        {Resources: []*mesospb.Resource{resources.NewCPUs(-1)}},
		"no number":       {Resources: []*mesospb.Resource{nan}},
		"absurd":          {Resources: []*mesospb.Resource{resources.NewCPUs(1e300), resources.NewCPUs(1e300)}},
		"bad expression":  {Constraints: []placement.Constraint{{Field: "hostname", Operator: placement.Like, Value: "("}}},
		"bad expression2": {Constraints: []placement.Constraint{{Field: "hostname", Operator: placement.Unlike, Value: "("}}},
		"bad number":      {Constraints: []placement.Constraint{{Field: "hostname", Operator: placement.MaxPer, Value: "x"}}},
		"ports":           {Ports: []placement.Port{{From: 1 << 63, To: 1<<64 - 1}}},
		"volume":          {Volumes: []placement.Volume{{MB: -1}}},
	} {
		if a, why := one(t, d, offer); a != nil {
			t.Errorf("%s: placed", name)
		} else if why.String() == "" || len(why.Rejected) != 1 {
			t.Errorf("%s: explained by %q", name, why)
		}
	}
	r := place(t, &placement.Cycle{Offers: append(offers(t, offer), nil), Pending: []*placement.Task{nil, {ID: "x"}}})
	if len(r.Unplaced) != 1 || r.Unplaced[0].Why.String() != "1 offer: 1 demand the task has no Demand" {
		t.Errorf("a task without demand: %+v", r.Unplaced)
	}
	if r := place(t, &placement.Cycle{Pending: tasks(&placement.Demand{}, 1)}); r.Unplaced[0].Why.String() != "no offers" {
		t.Errorf("without offers: %s", r.Unplaced[0].Why)
	}
}

func TestTheSeedChoosesAmongEquals(t *testing.T) {
	d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:1")}
	var list []offerOf
	for range 5 {
		list = append(list, offerOf{resources: "cpus:4"})
	}
	var seen []string
	for seed := range uint64(5) {
		r := place(t, &placement.Cycle{Offers: offers(t, list...), Pending: tasks(d, 1), Seed: seed})
		seen = append(seen, r.Assignments[0].Agent.ID)
	}
	if want := []string{"agent-1", "agent-2", "agent-3", "agent-4", "agent-5"}; !slices.Equal(seen, want) {
		t.Errorf("agents %v, want %v", seen, want)
	}
}
