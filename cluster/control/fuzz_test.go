package control

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/cluster"
)

// Whatever is asked, the answer is JSON, says why if it is no success, and the cluster lives on.
func FuzzHandler(f *testing.F) {
	for _, s := range [][3]string{
		{"GET", "/mesokit/v1/status", ""}, {"POST", "/mesokit/v1/faults", `{"rule":"call hang count=1"}`}, {"POST", "/mesokit/v1/faults", `{"on":"update","do":"drop"}`},
		{"DELETE", "/mesokit/v1/faults/f1", ""}, {"POST", "/mesokit/v1/agents/S0/heal", "{}"}, {"POST", "/mesokit/v1/masters/x/kill", "{}"},
		{"POST", "/mesokit/v1/agents", `{"domain":"x"}`}, {"POST", "/mesokit/v1/agents", `{"hostname":1}`},
	} {
		f.Add(s[0], s[1], s[2])
	}
	c, err := cluster.Start(f.Context(), cluster.Config{Network: new(cluster.Network), Agents: cluster.Agents(1, cluster.AgentConfig{Simulated: true, Resources: "cpus:1;mem:1;disk:1;ports:[1-2]"})})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := c.Close(); err != nil {
			f.Error(err)
		}
	})
	handler := Handler(c)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if strings.Contains(path, "failover") {
			return // takes its time
		}
		if method == http.MethodPost && strings.HasSuffix(path, "/agents") {
			var cfg cluster.AgentConfig
			if json.Unmarshal([]byte(body), &cfg) == nil && cfg.Domain == "" {
				return // would start agents without end
			}
		}
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", strings.NewReader(body))
		r.Method, r.URL.Path = method, path
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		c.Faults().Clear()
		if w.Header().Get("Content-Type") != "application/json" {
			return // of the multiplexer: not found, not allowed, moved
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		var e errorBody
		if w.Code != http.StatusOK && (json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Error == "") {
			t.Fatalf("%s %s: %d without a reason: %s", method, path, w.Code, w.Body)
		}
	})
}
