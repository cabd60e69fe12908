package faults

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
)

// get fetches a page of the cluster and returns its status and body.
func (w *world) get(url string) (int, []byte) {
	w.Helper()
	tr := &http.Transport{DialContext: w.network.DialContext}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, body
}

func TestAnAgentIsWhatItIsToldWhenItIsAdded(t *testing.T) {
	inWorld(t, config{tasks: 1}, func(w *world) {
		a, err := w.AddAgent(w.Context(), cluster.AgentConfig{
			Simulated: true, Hostname: "new", Attributes: "rack:r9", Domain: "eu/b", Role: "eng", Resources: "cpus:2;cpus(ops):1;mem:64;ports:[1-2]",
			Disks: []cluster.Disk{{Root: "/mnt/a", MB: 100}, {Root: "/mnt/b", Mount: true, MB: 200, Role: "ops"}},
		})
		if err != nil {
			w.Fatal(err)
		}
		_, body := w.get("http://" + w.Master() + "/slaves")
		var all struct {
			Slaves []struct {
				ID         string
				Hostname   string
				Attributes map[string]any
				Domain     any
				Reserved   map[string]map[string]any `json:"reserved_resources"`
				Unreserved map[string]any            `json:"unreserved_resources"`
			}
		}
		if err := json.Unmarshal(body, &all); err != nil {
			w.Fatal(err)
		}
		for _, s := range all.Slaves {
			if s.ID != a.ID {
				continue
			}
			got := map[string]any{
				"hostname": s.Hostname, "rack": s.Attributes["rack"], "domain": s.Domain, "eng cpus": s.Reserved["eng"]["cpus"], "eng disk": s.Reserved["eng"]["disk"],
				"ops cpus": s.Reserved["ops"]["cpus"], "ops disk": s.Reserved["ops"]["disk"], "free cpus": s.Unreserved["cpus"],
			}
			want := map[string]any{
				"hostname": "new", "rack": "r9", "eng cpus": 2.0, "eng disk": 100.0, "ops cpus": 1.0, "ops disk": 200.0, "free cpus": 0.0,
				"domain": map[string]any{"fault_domain": map[string]any{"region": map[string]any{"name": "eu"}, "zone": map[string]any{"name": "b"}}},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				w.Errorf("the agent (-want +got):\n%s", diff)
			}
			return
		}
		w.Errorf("the master does not know %s: %s", a.ID, body)
	})
}

func TestTheEndpointsOfASingleAgentFail(t *testing.T) {
	inWorld(t, config{tasks: 1}, func(w *world) {
		w.fault("call answer status=500 body=broken agent=a1 path=/state")
		for _, a := range w.Agents() {
			_, info := w.get("http://" + w.Master() + "/slaves")
			var all struct {
				Slaves []struct{ ID, PID string }
			}
			if err := json.Unmarshal(info, &all); err != nil {
				w.Fatal(err)
			}
			name := "" // of simulated agents, which share an address
			for _, s := range all.Slaves {
				if s.ID == a.ID {
					name, _, _ = cutLast(s.PID, "@")
				}
			}
			want := 200
			if a.Hostname == "a1" {
				want = 500
			}
			if status, body := w.get("http://" + a.Address + "/" + name + "/state"); status != want {
				w.Errorf("%s answers %d, want %d: %.80s", a.Hostname, status, want, body)
			}
		}
	})
}

func TestOperatorStreamsMeetFaultsOfTheirOwn(t *testing.T) {
	inWorld(t, config{tasks: 2}, func(w *world) {
		tr, err := transport.New(transport.Config{DialContext: w.network.DialContext})
		if err != nil {
			w.Fatal(err)
		}
		defer tr.Close()
		m, err := operator.NewMaster(operator.MasterConfig{Masters: w.Master(), Transport: tr})
		if err != nil {
			w.Fatal(err)
		}
		defer m.Close()
		// follow tells which events came until the stream ended, or within ten seconds.
		follow := func() (kinds []string, ended bool) {
			ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
			defer cancel()
			sub, err := m.Subscribe(ctx)
			if err != nil {
				w.Fatal(err)
			}
			defer sub.Close()
			for e, err := range sub.Events() {
				if err != nil {
					break
				}
				kinds = append(kinds, e.GetType().String())
			}
			return kinds, ctx.Err() == nil
		}
		w.batch.await(time.Minute)
		for _, tc := range []struct {
			rule  string
			want  []string
			ended bool
		}{
			{"event drop api=operator type=HEARTBEAT count=1", []string{"SUBSCRIBED"}, false},
			{"event sever api=operator type=HEARTBEAT", []string{"SUBSCRIBED"}, true},
			{"event reset api=operator type=HEARTBEAT", []string{"SUBSCRIBED"}, true},
			{"event stall api=operator type=SUBSCRIBED for=20s", nil, false},
			{"event sever api=scheduler", []string{"SUBSCRIBED", "HEARTBEAT", "FRAMEWORK_UPDATED"}, false},
		} {
			id := w.fault(tc.rule)
			kinds, ended := follow()
			if diff := cmp.Diff(tc.want, kinds); diff != "" || ended != tc.ended {
				w.Errorf("%s: ended %v, events (-want +got):\n%s", tc.rule, ended, diff)
			}
			_ = w.Faults().Remove(id)
			synctest.Wait()
		}
	})
}
