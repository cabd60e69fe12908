// Package browser lets pages in a real browser try what they could do to the servers of mesokit.
package browser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/control"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/server"
)

const patience = 90 * time.Second

// evil is a name that leads to loopback in the browser, as an attacker makes his own name do.
const evil = "evil.example"

// open starts a browser.
func open(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if path == "" {
		t.Fatal("no Chromium on the PATH: scripts/browser-tests.sh installs it where it can")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("host-resolver-rules", "MAP "+evil+" 127.0.0.1"))
	ctx, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...) // it is closed after the test
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); closeTab() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	return ctx
}

// evaluate opens a page and evaluates a promise there.
func evaluate[T any](t *testing.T, tab context.Context, page, script string) (v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate(page))
	if err == nil {
		v, err = chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	}
	if err != nil {
		t.Fatalf("on the page %s: %v", page, err)
	}
	return v
}

// world is one of each server, without credentials.
type world struct {
	cluster                       *cluster.Cluster
	framework                     *framework.Framework
	api, master, agent, ctl, page string // URLs
}

func start(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Config{Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:4;mem:1024"})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	f, err := framework.New(framework.Config{Name: "victim", Master: c.Master(), Log: slog.New(slog.DiscardHandler), Apps: []*app.App{{
		Name: "victim", Instances: 1, Task: app.Task{Command: &app.Command{Cmd: "sleep 1000"}, Resources: app.Resources{CPUs: 0.1, Mem: 32}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- f.Run(running) }()
	s, err := server.New(f, server.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(running, l) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, <-served); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	cl, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctl := control.Serve(c, cl, "")
	t.Cleanup(func() { _ = ctl.Close() })
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>kittens</title><body>"))
	}))
	t.Cleanup(page.Close)
	w := &world{cluster: c, framework: f, api: "http://" + l.Addr().String(), master: "http://" + c.Master(),
		agent: "http://" + c.Agents()[0].Address, ctl: "http://" + ctl.Addr(), page: page.URL}
	for s := range f.Watch(ctx) {
		if a := s.App("victim"); a != nil && a.Counts.Up == 1 {
			return w
		}
	}
	t.Fatalf("the victim does not come up: %+v", f.Status())
	return nil
}

// withHost returns a URL with another host.
func withHost(t *testing.T, base, host string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = net.JoinHostPort(host, u.Port())
	return u.String()
}

// state is what no page may change, as text.
func (w *world) state(t *testing.T) string {
	t.Helper()
	status, err := w.cluster.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := w.framework.Snapshot()
	text := fmt.Sprintf("led by %s, %d agents, %d frameworks, apps", status.Masters[0].ID, len(status.Agents), len(status.Frameworks))
	for _, a := range s.Apps {
		text += fmt.Sprintf(" %s version %v, %d instances,", a.Name, a.Versions, a.Counts.Instances)
	}
	return text
}
