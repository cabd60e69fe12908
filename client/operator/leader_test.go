package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

// A master that leads no more is not asked again, even if the one that it names does not answer.
func TestDemotedMasterIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		h := healthy(t)
		c.add("a:5050", func(w http.ResponseWriter, r *http.Request) { h(w, r) })
		m := c.master("a:5050")
		if _, err := m.GetHealth(t.Context()); err != nil {
			t.Fatal(err)
		}
		h = redirectTo("down:5050")
		if _, err := m.GetHealth(t.Context()); !notConnected(err) || !strings.Contains(err.Error(), "down:5050") {
			t.Errorf("error %v", err)
		}
		if m.Leader() != "" {
			t.Errorf("leader %s", m.Leader())
		}
	})
}

// cluster is a set of masters that answer GET_HEALTH, or send elsewhere, and note who was asked.
type cluster struct {
	*network
	asked []string
}

func newCluster(t *testing.T) *cluster { return &cluster{network: newNetwork(t, codec.Protobuf)} }

func (c *cluster) add(addr string, h http.HandlerFunc) (stop func()) {
	return c.serve(addr, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c.asked = append(c.asked, addr)
		h(w, r)
	})
}

func healthy(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		respond(t, w, codec.Protobuf, parse(t, new(masterpb.Response), `{"type":"GET_HEALTH","get_health":{"healthy":true}}`))
	}
}

func redirectTo(addr string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "//"+addr+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func answer(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestCallsFindTheLeader(t *testing.T) {
	tests := map[string]struct {
		masters string
		serve   map[string]func(*testing.T) http.HandlerFunc // others refuse connections
		want    error                                        // nil: healthy
		asked   []string
	}{
		"by a redirect": {
			"follower:5050", map[string]func(*testing.T) http.HandlerFunc{"follower:5050": to("leader:5050"), "leader:5050": healthy},
			nil, []string{"follower:5050", "leader:5050"},
		},
		"among several, some down": {
			"down:5050,unready:5050,leader:5050", map[string]func(*testing.T) http.HandlerFunc{"unready:5050": code(503), "leader:5050": healthy},
			nil, []string{"unready:5050", "leader:5050"},
		},
		"unless there is none": {
			"a:5050,b:5050", map[string]func(*testing.T) http.HandlerFunc{"a:5050": code(503), "b:5050": code(503)},
			transport.ErrUnavailable, []string{"a:5050", "b:5050"},
		},
		"unless all are down": {"a:5050,b:5050", nil, nil, nil},
		"unless redirects go round": {
			"a:5050", map[string]func(*testing.T) http.HandlerFunc{"a:5050": to("b:5050"), "b:5050": to("a:5050")},
			transport.ErrNotLeader, []string{"a:5050", "b:5050"},
		},
		"and its reason not to answer": {
			"a:5050,b:5050", map[string]func(*testing.T) http.HandlerFunc{"a:5050": code(503), "b:5050": to("a:5050")},
			transport.ErrUnavailable, []string{"a:5050", "b:5050"},
		},
		"but do not ask another after a refusal": {
			"a:5050,b:5050", map[string]func(*testing.T) http.HandlerFunc{"a:5050": code(400), "b:5050": healthy},
			transport.ErrBadRequest, []string{"a:5050"},
		},
		"nor where the call may have been handled": {
			"a:5050,b:5050", map[string]func(*testing.T) http.HandlerFunc{"a:5050": func(*testing.T) http.HandlerFunc { return abort }, "b:5050": healthy},
			io.EOF, []string{"a:5050"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				for addr, h := range tt.serve {
					c.add(addr, h(t))
				}
				ok, err := c.master(tt.masters).GetHealth(t.Context())
				if len(tt.serve) == 0 { // whatever the dialer says
					var ce *CallError
					if !errors.As(err, &ce) || ce.Call != "GET_HEALTH" || !notConnected(err) {
						t.Errorf("error %v", err)
					}
				} else if !errors.Is(err, tt.want) || ok != (tt.want == nil) {
					t.Errorf("healthy %v, error %v; want error %v", ok, err, tt.want)
				}
				if diff := cmp.Diff(tt.asked, c.asked); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func to(addr string) func(*testing.T) http.HandlerFunc {
	return func(*testing.T) http.HandlerFunc { return redirectTo(addr) }
}

func code(status int) func(*testing.T) http.HandlerFunc {
	return func(*testing.T) http.HandlerFunc { return answer(status) }
}

func TestLaterCallsGoStraightToTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.add("follower:5050", redirectTo("leader:5050"))
		stopLeader := c.add("leader:5050", healthy(t))
		m := c.master("follower:5050")
		if m.Leader() != "" {
			t.Errorf("leader %q before any call", m.Leader())
		}
		for range 3 {
			if _, err := m.GetHealth(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"follower:5050", "leader:5050", "leader:5050", "leader:5050"}, c.asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if m.Leader() != "http://leader:5050" {
			t.Errorf("leader %q", m.Leader())
		}

		// A bad call is no reason to look for another leader, neither is a caller that gives up.
		c.asked = nil
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.GetHealth(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if m.Leader() == "" {
			t.Error("a cancelled call makes the leader forgotten")
		}

		// The leader dies and another one takes over.
		stopLeader()
		c.Listen("leader:5050").Close()
		c.add("follower:5050", healthy(t))
		if _, err := m.GetHealth(t.Context()); err != nil {
			t.Errorf("after the failover: %v", err)
		}
		if diff := cmp.Diff([]string{"follower:5050"}, c.asked); diff != "" {
			t.Errorf("asked after the failover (-want +got):\n%s", diff)
		}
	})
}

func TestAnAnswerToSomethingElseIsAnError(t *testing.T) {
	for _, text := range []string{`{"type":"GET_FLAGS"}`, `{}`} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, codec.JSON)
			n.serve("m:5050", func(w http.ResponseWriter, r *http.Request) {
				respond(t, w, codec.JSON, parse(t, new(masterpb.Response), text))
			})
			_, err := n.master("m:5050").GetHealth(t.Context())
			var wrong *ResponseError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "GET_HEALTH") {
				t.Errorf("answer %s: error %v", text, err)
			}
			_, err = n.agent("m:5050").GetHealth(t.Context())
			if !errors.As(err, &wrong) {
				t.Errorf("answer %s of an agent: error %v", text, err)
			}
		})
	}
}

func TestAgentURL(t *testing.T) {
	tests := map[string]string{
		"10.0.0.1":                       "http://10.0.0.1:5051",
		"10.0.0.1:6051":                  "http://10.0.0.1:6051",
		"[::1]":                          "http://[::1]:5051",
		"::1":                            "http://[::1]:5051",
		"slave(1)@127.0.0.1:5051":        "http://127.0.0.1:5051/slave(1)",
		"https://h:5051/slave(1)/":       "https://h:5051/slave(1)",
		"http://proxy/agent/S0":          "http://proxy/agent/S0",
		"":                               "",
		"h:port":                         "",
		"slave(1)@":                      "",
		"ftp://h":                        "",
		"http://user:password@h:5051":    "",
		"slave(1)@h:5051?x":              "",
		"slave(1)@user:secret@host:5051": "",
	}
	for spec, want := range tests {
		got, err := agentURL(spec, "")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("agentURL(%q) = %q, %v; want %q", spec, got, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("the error tells a password: %v", err)
		}
	}
	if got, _ := agentURL("h", "https"); got != "https://h:5051" {
		t.Errorf("with the scheme https: %q", got)
	}
	if _, err := NewAgent(AgentConfig{}); err == nil {
		t.Error("an agent without an address")
	}
	if _, err := NewMaster(MasterConfig{}); err == nil {
		t.Error("a master without an address")
	}
}

func FuzzAgentURL(f *testing.F) {
	for _, s := range []string{"h", "h:1", "slave(1)@[::1]:5051", "https://h/x", "@", "a@b@c:1", "h:1/../..", "%zz@h:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		got, err := agentURL(spec, "")
		if err != nil {
			return
		}
		again, err := agentURL(got, "")
		if err != nil || again != got || !strings.HasPrefix(got, "http") {
			t.Fatalf("agentURL(%q) = %q, of which agentURL makes %q, %v", spec, got, again, err)
		}
	})
}

func TestOwnTransportIsClosed(t *testing.T) {
	// goleak finds the connections that stay.
	n := newNetwork(t, codec.Protobuf)
	n.serve("m:5050", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	m, err := NewMaster(MasterConfig{Masters: "m:5050"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAgent(AgentConfig{Address: "a:1"})
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	a.Close()
	if a.URL() != "http://a:1" {
		t.Errorf("URL %s", a.URL())
	}
}

// nobody is a detector that knows of no leader.
type nobody struct{}

func (nobody) String() string { return "nobody" }
func (nobody) Watch(ctx context.Context) iter.Seq2[detector.Masters, error] {
	return func(yield func(detector.Masters, error) bool) {
		if yield(detector.Masters{}, nil) {
			<-ctx.Done()
		}
	}
}

func TestCallersContextBoundsTheSearchForALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		m, err := NewMaster(MasterConfig{Detector: nobody{}, Transport: n.transport})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err = m.GetHealth(ctx)
		if !errors.Is(err, ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

// The recorded master's answers to every call, success and failure, come out of the methods as they are.
func TestRecordedAnswers(t *testing.T) {
	for _, name := range []string{"f13_operator.json", "f17_drain_maintenance.json"} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, codec.JSON)
			var now recorded
			n.serve("m:5050", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(now.Response.Status)
				_, _ = w.Write(now.Response.raw())
			})
			m := n.master("m:5050")
			var done []string
			for _, now = range readCapture(t, name) {
				request := new(masterpb.Call)
				if now.Request.Path != "/api/v1" || codec.JSON.Unmarshal(now.Request.Body, request) != nil || request.Type == nil ||
					request.GetType() == masterpb.Call_SUBSCRIBE {
					continue
				}
				done = append(done, request.GetType().String())
				resp, err := m.Call(t.Context(), request)
				if now.Response.Status >= 300 {
					var status *transport.StatusError
					if !errors.As(err, &status) || status.Code != now.Response.Status {
						t.Errorf("%s answered with %d: %v", request.GetType(), now.Response.Status, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", request.GetType(), err)
					continue
				}
				if len(now.Response.Body) > 2 && resp.GetType().String() != request.GetType().String() {
					t.Errorf("%s is answered by %s", request.GetType(), resp.GetType())
				}
			}
			if len(done) < 10 {
				t.Errorf("replayed only %q", done)
			}
			if name == "f13_operator.json" && !slices.Contains(done, "GET_STATE") {
				t.Errorf("no GET_STATE among %q", done)
			}
		})
	}
}

func TestMasterConfigPrintsWithoutItsSecrets(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		got := fmt.Sprintf(verb, MasterConfig{Masters: "zk://boss:s3cret@h:2181/mesos"})
		if strings.Contains(got, "s3cret") || !strings.Contains(got, "@h:2181/mesos") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
