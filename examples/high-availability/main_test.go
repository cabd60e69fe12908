package main

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/internal/exampletest"
	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnotherSchedulerTakesOverAndTheTasksStay(t *testing.T) {
	c := exampletest.Cluster(t, cluster.AgentConfig{Resources: "cpus:2;mem:512"})
	db := memory.New() // stands for etcd, as the election does
	t.Cleanup(func() { _ = db.Close() })
	elector := new(election.Local)
	start := func() (url string, interrupt func()) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		interrupt = exampletest.Run(t, func(ctx context.Context) error { return schedule(ctx, c.Master(), l, db, elector) })
		return "http://" + l.Addr().String(), interrupt
	}
	first, interrupt := start()
	before := exampletest.IDs(exampletest.Until(t, c.Master(), "all run", exampletest.Number(3)))
	second, _ := start()

	// Users may ask any of them.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ask := func(url string) (*apiclient.Client, *apiclient.AppDetails) {
		api, err := apiclient.New(apiclient.Config{Addresses: []string{url}, Patience: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(api.Close)
		a, err := api.App(ctx, "web")
		if err != nil {
			t.Fatal(err)
		}
		return api, a
	}
	api, web := ask(second)
	if web.Up != 3 || api.Address() != first {
		t.Errorf("%d instances are up according to %s; want 3 and %s", web.Up, api.Address(), first)
	}
	interrupt()
	api, _ = ask(second)
	if _, err := api.Scale(ctx, "web", 4); err != nil {
		t.Fatal(err)
	}
	if api.Address() != second {
		t.Errorf("%s leads, want %s", api.Address(), second)
	}
	after := exampletest.IDs(exampletest.Until(t, c.Master(), "a fourth runs", exampletest.Number(4)))
	maps.DeleteFunc(after, func(id string, _ bool) bool { return before[id] })
	if len(after) != 1 {
		t.Errorf("of %v tasks were replaced: %v", before, after)
	}
	var frameworks struct{ Frameworks []json.RawMessage }
	resp, err := http.Get("http://" + c.Master() + "/frameworks")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&frameworks); err != nil || len(frameworks.Frameworks) != 1 {
		t.Errorf("%d frameworks, want one (%v)", len(frameworks.Frameworks), err)
	}
	http.DefaultClient.CloseIdleConnections()
}
