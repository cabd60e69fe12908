package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestDemandSumsUpTheInstance(t *testing.T) {
	a := mustParse(t, `{"name": "pod", "resources": {"role": "eng"}, "strategy": "unique",
		"constraints": [["rack", "MAX_PER", 2], {"field": "@zone", "operator": "LIKE", "value": "z.*", "soft": true, "weight": 3}],
		"affinities": [{"app": "cache", "anti": true}], "fault_domain": {"regions": ["r.1", "r2"], "zones": ["z1"], "required": true, "spread": "zone"},
		"group": [
			{"name": "a", "resources": {"cpus": 0.1, "mem": 32, "gpus": 1, "ports": ["x", 80]}, "command": {"cmd": "x"}},
			{"name": "b", "resources": {"cpus": 0.2, "mem": "1GB", "ports": 1, "disk": [5, {"size": 7, "persistence": {}, "volume": {"container_path": "d"}, "source": {"type": "mount", "profile": "fast"}}]}, "command": {"cmd": "x"}}]}`)
	want := &placement.Demand{
		Group: "pod", Role: "eng",
		Resources: []*mesospb.Resource{resources.NewCPUs(0.4), resources.NewMem(1024 + 64), resources.NewDisk(15), resources.NewGPUs(1)},
		Ports:     []placement.Port{{}, placement.FixedPort(80), {}},
		Volumes:   []placement.Volume{{MB: 7, Type: mesospb.Resource_DiskInfo_Source_MOUNT, Profile: "fast"}},
		Constraints: []placement.Constraint{
			{Field: placement.AgentID, Operator: placement.Unique},
			{Field: "rack", Operator: placement.MaxPer, Value: "2"},
			{Field: placement.Zone, Operator: placement.Like, Value: "z.*", Soft: true, Weight: 3},
			{Field: placement.Region, Operator: placement.Like, Value: `r\.1|r2`},
			{Field: placement.Zone, Operator: placement.Like, Value: "z1"},
			{Field: placement.Zone, Operator: placement.GroupBy, Soft: true, Weight: 1},
		},
		Affinities: []placement.Affinity{{Group: "cache", Field: placement.Hostname, Anti: true}},
		Domains:    placement.Domains{AnyRegion: true, Regions: []string{"r.1", "r2"}, Zones: []string{"z1"}},
	}
	if d := cmp.Diff(want, a.Demand(), protocmp.Transform()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]placement.Volume{{ID: "pod~b~data~4", Type: mesospb.Resource_DiskInfo_Source_MOUNT, Profile: "fast"}}, a.Volumes(a.VolumeIDs(4, ""))); d != "" {
		t.Error("existing volumes:", d)
	}
	if d := cmp.Diff([]string{"pod~b~data~4~7-x"}, a.VolumeIDs(4, "7-x")); d != "" {
		t.Error("ids:", d)
	}
}

func TestDemandOfSingleTasksHasNoExecutorUnlessCustom(t *testing.T) {
	if got := mustParse(t, minimal(`"daemon": true`)).Demand().Constraints; got != nil {
		t.Errorf("a daemon is constrained by %v, although several agents may share a host", got)
	}
	plain := mustParse(t, minimal())
	if got := resources.CPUs(plain.Demand().Resources); got != 0.1 {
		t.Errorf("%v cpus, want only the task's", got)
	}
	custom := mustParse(t, `{"name": "a", "resources": {"cpus": 0.1, "mem": 32}, "executor": {"command": {"cmd": "x"}}}`)
	if got := custom.Demand().Resources; resources.CPUs(got) != 0.2 || resources.Mem(got) != 64 {
		t.Errorf("%s, want the executor's too", resources.Describe(got))
	}
}

func TestFiltersLookAtAnyAttribute(t *testing.T) {
	attributes := []*mesospb.Attribute{
		resources.NewTextAttribute("rack", "R1"), resources.NewScalarAttribute("cores", 64), resources.NewRangesAttribute("ports", resources.Ranges{{Begin: 10, End: 20}}),
	}
	for filters, want := range map[string]bool{
		``:                                  true,
		`{"type": "TEXT", "value": ["r1"]}`: true, `{"value": "r2"}`: false, `{"value": ["r2", "R1"]}`: true,
		`{"type": "SCALAR", "value": ["64"]}`: true, `{"type": "SCALAR", "value": ["65"]}`: false,
		`{"value": "r2"}, {"value": "r1"}`: true, `{"type": "scalar", "value": ["15"]}`: true,
	} {
		a := mustParse(t, minimal(`"filters": [`+filters+`]`))
		if got := a.Matches(attributes); got != want {
			t.Errorf("[%s] matches: %v, want %v", filters, got, want)
		}
		filter := AttributeFilter(func(*placement.Demand) *App { return a })
		why := filter.Reject(a.Demand(), &placement.Candidate{Agent: &placement.Agent{Attributes: attributes}})
		if (why == "") != want {
			t.Errorf("[%s]: the placement hears %q", filters, why)
		}
	}
}
