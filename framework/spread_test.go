package framework_test

import (
	"testing"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
)

func TestEachInstanceGetsAnAgentOfItsOwnWhereThatIsAskedForAndByDefaultWhereThereIsRoom(t *testing.T) {
	c := start(t) // two agents of one host
	unique := service("unique", 2)
	unique.Strategy = app.StrategyUnique
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{unique}})
	r.until(up("unique", 2))
	r.do(core.Submit{App: service("web", 2)})
	r.until(up("web", 2))
	for _, name := range []string{"unique", "web"} {
		on := map[string]bool{}
		for i := range r.Snapshot().App(name).All() {
			on[i.Task.Agent] = true
		}
		if len(on) != 2 {
			t.Errorf("both instances of %s are on %v", name, on)
		}
	}
}
