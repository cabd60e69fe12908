package browser

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed attack.js
var attack string

// target is one request that a page may try.
type target struct {
	Base   string `json:"base"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Body   string `json:"body"`
}

// targets are the reads that tell most, and the writes that do most harm, of each server. Commands that run make a file.
func (w *world) targets(file string) []target {
	id := w.framework.Snapshot().FrameworkID
	launch := `{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"evil"},"command":{"value":"touch ` + file + `"},"resources":[]}}`
	return []target{
		{w.api, "GET", "/v1/apps/victim", ""},
		{w.api, "POST", "/v1/apps", `{"name":"evil","command":{"cmd":"touch ` + file + `"},"resources":{"cpus":0.1,"mem":32}}`},
		{w.api, "POST", "/v1/apps/victim/restart", "a=b"},
		{w.api, "DELETE", "/v1/apps/victim", ""},
		{w.api, "PUT", "/v1/apps/evil", `{"name":"evil","command":{"cmd":"true"},"resources":{"cpus":0.1,"mem":32}}`},
		{w.agent, "GET", "/state", ""},
		{w.agent, "GET", "/slave(1)/state", ""},
		{w.agent, "POST", "/api/v1", launch},
		{w.ctl, "GET", "/mesokit/v1/status", ""},
		{w.ctl, "POST", "/mesokit/v1/failover", "{}"},
		{w.ctl, "POST", "/mesokit/v1/agents", "{}"},
		{w.ctl, "POST", "/mesokit/v1/agents/S0/stop", "{}"},
		{w.master, "GET", "/master/state", ""},
		{w.master, "GET", "/files/debug", ""},
		{w.master, "POST", "/api/v1", `{"type":"TEARDOWN","teardown":{"framework_id":{"value":"` + id + `"}}}`},
		{w.master, "POST", "/master/teardown", "frameworkId=" + id},
	}
}

func TestAPageOfAnotherOriginChangesAndReadsNothing(t *testing.T) {
	w, tab := start(t), open(t)
	file := filepath.Join(t.TempDir(), "owned")
	list, err := json.Marshal(w.targets(file))
	if err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	for _, page := range []string{w.page, withHost(t, w.page, evil), withHost(t, w.page, "app.localhost")} {
		t.Run(page, func(t *testing.T) {
			for _, leak := range evaluate[[]string](t, tab, page, attack+"("+string(list)+")") {
				t.Errorf("read: %.300s", leak)
			}
			if after := w.state(t); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
			if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a command of the page has run")
			}
		})
	}
}

// A page of a name that is made to lead to loopback once it is loaded is of the server's own origin, for the browser.
func TestANameThatWasMadeToLeadHereOpensNothing(t *testing.T) {
	w, tab := start(t), open(t)
	before := w.state(t)
	for _, base := range []string{w.api, w.master, w.agent, w.ctl} {
		page := withHost(t, base, evil)
		const try = `(async () => {
			const post = {method: 'POST', body: '{"type":"GET_STATE"}', headers: {'Content-Type': 'application/json'}};
			const tries = [['/state', {}], ['/v1/apps', {}], ['/mesokit/v1/status', {}], ['/api/v1', post], ['/v1/apps/victim/restart', {method: 'POST'}],
				['/mesokit/v1/failover', post]];
			const got = [];
			for (const [path, options] of tries) {
				const r = await fetch(path, options);
				got.push(r.status + ' ' + await r.text());
			}
			return got;
		})()`
		for _, got := range evaluate[[]string](t, tab, page+"/", try) {
			if !strings.HasPrefix(got, "403 ") || !strings.Contains(got, evil) {
				t.Errorf("%s answers %.300s", page, got)
			}
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

func TestPagesOfTheServersOwnWork(t *testing.T) {
	w, tab := start(t), open(t)
	for _, tc := range []struct{ page, script, want string }{
		{w.api + "/v1/status", `(async () => {
			const r = await fetch('/v1/apps', {method: 'POST', headers: {'Content-Type': 'application/json'},
				body: '{"name":"own","command":{"cmd":"sleep 1000"},"resources":{"cpus":0.1,"mem":32}}'});
			const again = await fetch('/v1/apps/victim/restart', {method: 'POST'});
			return r.status + ' ' + again.status + ' ' + await (await fetch('/v1/apps/own')).text();
		})()`, `201 202 {"name":"own"`},
		{withHost(t, w.api, "localhost") + "/v1/status", `fetch('/v1/apps').then(r => r.text())`, `"name":"victim"`},
		{w.master + "/version", `(async () => {
			const r = await fetch('/api/v1', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{"type":"GET_FRAMEWORKS"}'});
			return await r.text();
		})()`, `"name":"victim"`},
		{w.master + "/version", `new Promise((done) => {
			window.leak = (v) => done(JSON.stringify(v));
			const s = document.createElement('script');
			s.onerror = () => done('refused');
			s.src = '/state?jsonp=leak';
			document.body.append(s);
		})`, `"name":"victim"`},
		{w.agent + "/version", `fetch('/state').then(r => r.text())`, `"name":"victim"`},
		{w.ctl + "/mesokit/v1/status", `fetch('/mesokit/v1/failover', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'}).then(r => r.text())`, `"leading":true`},
	} {
		if got := evaluate[string](t, tab, tc.page, tc.script); !strings.Contains(got, tc.want) {
			t.Errorf("on %s: %.500s\nwant %s", tc.page, got, tc.want)
		}
	}
}
