package master

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// fuzzEndpoint sends one request, whatever its parts, and fails as request does.
func (m *Master) fuzzEndpoint(t *testing.T, method, path, query, contentType string, body []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, "/", bytes.NewReader(body))
	r.URL = &url.URL{Path: path, RawQuery: query}
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	m.counted(http.HandlerFunc(m.serveHTTP)).ServeHTTP(w, r)
	if w.Code == http.StatusInternalServerError {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var err error
	if e := m.loop.Do(ctx, func() { err = m.checkAccounts() }); e != nil || err != nil {
		t.Errorf("%v %v", e, err)
	}
}

// FuzzLegacyEndpoints tries all endpoints but the two APIs, with queries, forms and JSON.
func FuzzLegacyEndpoints(f *testing.F) {
	for i := range routes {
		f.Add("GET", routes[i].path, "limit=1&offset=18446744073709551615&order=desc&task_id=t&framework_id=M-0000&agent_id=M-S0&timeout=1ms", "", []byte(nil))
	}
	for _, s := range []struct{ method, path, query, body string }{
		{"GET", "/files/read", "path=/&offset=-1&length=9223372036854775807", ""},
		{"GET", "/files/browse", "path=%2f..%2f..&jsonp=x", ""},
		{"GET", "/files/download", "path=\x00", ""},
		{"GET", "/metrics/snapshot", "timeout=99999999999weeks", ""},
		{"GET", "/slaves", "slave_id=M-S0", ""},
		{"GET", "/tasks", "limit=NaN&order=up", ""},
		{"POST", "/logging/toggle", "level=3&duration=1secs", ""},
		{"GET", "/quota/a", "", ""}, {"DELETE", "/quota/a", "", ""}, {"PUT", "/quota", "", `{"quota_configs":[{"role":"a","limits":{"cpus":{"value":-1}}}]}`},
		{"POST", "/quota", "", `{"role":"a","force":true,"guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":1e308}}]}`},
		{"PUT", "/weights", "", `[{"role":"a","weight":0.5},{"role":"*","weight":-1}]`},
		{"POST", "/maintenance/schedule", "", `{"windows":[{"machine_ids":[{"hostname":"h"}],"unavailability":{"start":{"nanoseconds":-9223372036854775808},"duration":{"nanoseconds":9223372036854775807}}}]}`},
		{"POST", "/machine/down", "", `[{"hostname":"h","ip":"127.0.0.1"}]`}, {"POST", "/machine/up", "", `[{}]`},
		{"POST", "/reserve", "", `slaveId=M-S0&resources=[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"role":"a"}]`},
		{"POST", "/create-volumes", "", `slaveId=M-S0&volumes=[{"name":"disk","type":"SCALAR","scalar":{"value":1},"role":"a","disk":{"persistence":{"id":"v"},"volume":{"container_path":"p","mode":"RW"}}}]`},
		{"POST", "/teardown", "", "frameworkId=M-0000"},
	} {
		for _, media := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			f.Add(s.method, s.path, s.query, media, []byte(s.body))
		}
	}
	f.Fuzz(func(t *testing.T, method, path, query, contentType string, body []byte) {
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}, method) || strings.Contains(path, "/api/v1") {
			return
		}
		fuzzed(t).fuzzEndpoint(t, method, path, query, contentType, body)
	})
}
