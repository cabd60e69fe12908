package framework_test

import (
	"testing"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store/memory"
)

func TestApplicationsWithGPUsRunWhenTheyAreSubmittedAndAfterARestart(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:4;mem:1024;gpus:2"})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	db := memory.New()
	defer db.Close()
	r := run(t, framework.Config{Master: c.Master(), Store: db})
	r.until("it is registered", connected) // without the capability
	learning := service("learning", 1)
	learning.Resources.GPUs = 1
	more := service("more", 1)
	more.Resources.GPUs = 1
	r.do(core.Submit{App: learning})
	r.until(up("learning", 1))
	r.end()

	r = run(t, framework.Config{Master: c.Master(), Store: db, Apps: []*app.App{more}})
	r.until(up("more", 1))
}
