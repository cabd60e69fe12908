package core_test

import (
	"testing"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
)

// What was commanded since stays when a scheduler starts again with the same configuration, or another one takes over with it.
func TestAStandingDefinitionThatHasNotChangedChangesNothing(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	standing := func(version, instances int) {
		t.Helper()
		def, err := app.Parse([]byte(webVersion(version, instances, "")))
		if err != nil {
			t.Fatal(err)
		}
		s.Do(core.Submit{App: def, Standing: true, Force: true})
	}
	is := func(instances int, version uint32) {
		t.Helper()
		a := s.Core.Snapshot().App("web")
		if a == nil || a.Instances != instances || a.Version != version {
			t.Fatalf("%+v, want %d instances of version %d", a, instances, version)
		}
	}
	standing(1, 3)
	is(3, 1)
	s.Do(core.Scale{App: "web", Instances: 5})
	s.Crash()
	standing(1, 3)
	is(5, 1)
	standing(1, 4) // somebody has edited the file
	is(4, 1)
	standing(2, 4)
	is(4, 2)
	s.Submit(webVersion(3, 7, ""))
	standing(2, 4)
	is(7, 3)
	s.Submit(webVersion(4, 6, "")) // from elsewhere
	s.Crash()
	standing(3, 6)
	is(6, 5)
}
