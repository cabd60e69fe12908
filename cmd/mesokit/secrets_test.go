package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/auth"
)

// commandLines returns the command lines of all processes, where the system shows them.
func commandLines(t *testing.T) (all []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil { // or it has ended
			all = append(all, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return all
}

// Every secret has a mark of its own, so that a failure names the one that got out.
func TestNoSecretIsSeenWhereReadersAndOthersLook(t *testing.T) {
	made := map[string]string{}
	mark := func(what string) string {
		made[what] = fmt.Sprintf("hush-%d-%s-7qx", len(made), strings.ReplaceAll(what, " ", "-"))
		return made[what]
	}
	clusterLog := &syncBuffer{written: make(chan struct{}, 1)}
	secret := mark("the framework's secret")
	c, err := cluster.Start(t.Context(), cluster.Config{
		AllocationInterval: 50 * time.Millisecond, Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:2;mem:1024"}),
		Security: cluster.Security{Credentials: []auth.Credential{{Principal: "ops", Secret: secret}}, AuthenticateFrameworks: true, AuthenticateReadOnly: true, AuthenticateReadWrite: true},
		Logger:   slog.New(slog.NewTextHandler(clusterLog, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reader, writer := mark("token to read"), mark("password to write")
	who := file(t, "auth.json", `{"read":[{"token":"`+reader+`"}],"write":[{"user":"admin","password":"`+writer+`"}]}`)
	t.Setenv(envStorePassword, mark("password of the store"))
	record := filepath.Join(t.TempDir(), "record")
	master := file(t, "master", "http://"+c.Master()+"\n")
	p := startProcess(t, "--master", "@"+master, "--store", "memory", "--auth-file", who, "--principal", "ops", "--secret-file", file(t, "secret", secret),
		"--log-level", "debug", "--record", record)

	env, uri, query, command := mark("a variable"), mark("a password in a URI"), mark("a value in a query"), mark("a variable of a check")
	good := fmt.Sprintf(`{"name": "good", "command": {"cmd": "exec sleep 1000", "env": {"PASSWORD": %q}}, "resources": {"cpus": 0.1, "mem": 16},
		"health_check": {"command": {"cmd": "true", "env": {"TOKEN": %q}}, "delay": "1s", "interval": "1s"}}`, env, command)
	bad := fmt.Sprintf(`{"name": "bad", "command": {"cmd": "true", "uris": [{"uri": "http://ci:%s@127.0.0.1:1/a?sig=x%s"}], "env": {"PASSWORD": %q}},
		"resources": {"cpus": 0.1, "mem": 16}}`, uri, query, env)
	var outputs []string
	see := func(what, text string) { outputs = append(outputs, what+":\n"+text) }
	cli := func(args ...string) string {
		got := mesokit(t, t.Context(), args...)
		see(strings.Join(args[:2], " "), got.stdout+got.stderr)
		return got.stdout
	}
	asWriter := []string{"--api-user", "admin", "--token-file", file(t, "writer", writer)}
	changed := file(t, "good2.json", strings.Replace(good, env, env+"2", 1))
	cli(append([]string{"app", "submit", "--wait", file(t, "good.json", good)}, asWriter...)...)
	cli(append([]string{"app", "submit", file(t, "bad.json", bad)}, asWriter...)...)
	cli(append([]string{"app", "update", "--dry-run", changed}, asWriter...)...)
	cli("app", "submit", changed, "--token-file", file(t, "reader", reader))
	cli("app", "ls", "--token-file", file(t, "wrong", "wrong"))

	// The task that cannot fetch has to fail first: what is said about that is what may give the URI away.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	get := func(path string) string {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.API+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+reader)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if strings.HasPrefix(path, "/v1/events") { // which has no end
			text := make([]byte, 0, 1<<20)
			for buf := make([]byte, 4096); !strings.Contains(string(text), "fetch"); {
				n, err := resp.Body.Read(buf)
				if text = append(text, buf[:n]...); err != nil {
					t.Fatalf("%v; %s", err, text)
				}
			}
			return string(text)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	see("events", get("/v1/events?after=0"))
	var api struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal([]byte(get("/v1/openapi.json")), &api); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path, methods := range api.Paths {
		if methods["get"] == nil || path == "/v1/events" {
			continue
		}
		for _, name := range []string{"good", "bad"} {
			see(path, get(strings.NewReplacer("{app}", name, "{index}", "0", "{version}", "1").Replace(path)))
			seen++
		}
	}
	see("metrics", get("/metrics"))
	t.Setenv(envToken, reader)
	for _, args := range [][]string{
		{"app", "ls"}, {"app", "show", "good"}, {"app", "show", "bad", "-o", "json"}, {"app", "explain"}, {"app", "events", "--after", "1", "--count", "5"}, {"app", "orphans"},
		{"app", "guard"},
	} {
		cli(args...)
	}
	t.Setenv(envPrincipal, "ops")
	cli("master", "state", "--master", c.Master(), "--secret-file", file(t, "wrong", "wrong"))
	cli("master", "frameworks", "--master", c.Master(), "--secret-file", file(t, "right", secret))
	see("stderr of the scheduler", p.stderr.text())
	see("log of the cluster", clusterLog.text())
	see("command lines", strings.Join(commandLines(t), "\n"))

	if seen < 20 || len(outputs) < 30 {
		t.Errorf("only %d paths and %d outputs are looked at", seen, len(outputs))
	}
	for what, secret := range made {
		if i := slices.IndexFunc(outputs, func(text string) bool { return strings.Contains(text, secret) }); i >= 0 {
			at := strings.Index(outputs[i], secret)
			t.Errorf("%s is shown: %.100s … %s", what, outputs[i], outputs[i][max(0, at-300):min(len(outputs[i]), at+100)])
		}
	}
	// What has to hold secrets is for its owner only.
	if info, err := os.Stat(record); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the recording: %v %v", info, err)
	}
	for _, name := range []string{"token to read", "password to write", "the framework's secret", "password of the store"} {
		if text, err := os.ReadFile(record); err != nil || strings.Contains(string(text), made[name]) {
			t.Errorf("the recording has %s (%v)", name, err)
		}
	}
}
