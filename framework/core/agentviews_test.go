package core

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mesokit/mesokit/framework/placement"
)

func TestSnapshotsKeepShowingTheAgentsOfTheirTime(t *testing.T) {
	var v agentViews
	epoch := uint32(1)
	now := map[string]*Agent{}
	rng := rand.New(rand.NewPCG(1, 2))
	type shown struct {
		views agentViews
		want  map[string]*Agent
	}
	var snapshots []shown
	for step := range 20000 {
		id := fmt.Sprintf("S%d", rng.IntN(600))
		var a *Agent
		if rng.IntN(3) > 0 || step < 2000 {
			a = &Agent{Agent: &placement.Agent{ID: id}, Uses: step}
			now[id] = a
		} else {
			delete(now, id)
		}
		if v.put(id, a, epoch); step%500 == 0 {
			snapshots = append(snapshots, shown{v, maps.Clone(now)})
			epoch++
		}
		if step == 15000 {
			for id := range now {
				v.put(id, nil, epoch)
			}
			clear(now)
		}
	}
	for k, s := range snapshots {
		var got []string
		for a := range s.views.all() {
			if got = append(got, a.ID); s.want[a.ID] != a || s.views.get(a.ID) != a {
				t.Errorf("snapshot %d shows %+v, want %+v", k, a, s.want[a.ID])
			}
		}
		if want := slices.Sorted(maps.Keys(s.want)); !slices.Equal(got, want) {
			t.Errorf("snapshot %d lists\n%v, want\n%v", k, got, want)
		}
		if s.views.get("nobody") != nil {
			t.Error("an agent that is not there")
		}
	}
}
