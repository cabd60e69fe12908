package conformance

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// replayable lists the captures that can be played back as they are.
func replayable(t *testing.T) []*Capture {
	t.Helper()
	files, err := filepath.Glob("../captures/f*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("captures: %d files, %v", len(files), err)
	}
	var captures []*Capture
	for _, file := range files {
		switch filepath.Base(file) {
		case "f14_executor_side.json", "f18_zookeeper_nodes.json": // not conversations with a master
			continue
		}
		captures = append(captures, load(t, file))
	}
	return captures
}

func load(t *testing.T, file string) *Capture {
	t.Helper()
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(c.Name, "f15") { // the scripted server writes JSON
		for _, e := range c.Exchanges {
			if e.Response.Headers["Content-Type"] == "application/x-protobuf" {
				e.Response.Headers["Content-Type"] = "application/json"
			}
		}
	}
	return c
}

// plain is a target known by its address alone.
type plain string

func (p plain) Master() string { return string(p) }
func (plain) Control() Control { return nil }
func (plain) Close() error     { return nil }

// obedient is a target that does as told, which in a recording changes nothing.
type obedient struct {
	plain
	Uncontrolled
}

func (o obedient) Control() Control                                { return o }
func (obedient) Can() Need                                         { return RestartAgent | RenewAgent }
func (obedient) KillAgent(context.Context, string) error           { return nil }
func (obedient) StartAgent(context.Context, string) error          { return nil }
func (obedient) RetireAgent(context.Context, string) error         { return nil }
func (obedient) StartAgentWithNewID(context.Context, string) error { return nil }
func (obedient) AddAgent(context.Context) error                    { return nil }

// against replays a capture to a server that plays another one.
func against(t *testing.T, recording, played *Capture, pace time.Duration) ([]Row, *scripted) {
	t.Helper()
	return replayTo(t, recording, played, Options{Pace: pace, Retries: true})
}

func replayTo(t *testing.T, recording, played *Capture, opts Options) ([]Row, *scripted) {
	t.Helper()
	opts.Slack = 2 * time.Second
	server := play(t, played)
	rows, err := NewSession(obedient{plain: plain(strings.TrimPrefix(server.URL, "http://"))}).
		Run(t.Context(), recording, opts)
	if err != nil {
		t.Fatal(err)
	}
	return rows, server
}

func TestACaptureIsTheSameAsItself(t *testing.T) {
	for _, c := range replayable(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			rows, server := against(t, c, c, 0)
			for _, row := range rows {
				if !row.Same() {
					t.Errorf("%+v", row)
				}
			}
			requests := 0
			for _, e := range c.Exchanges {
				if e.Request != nil {
					requests++
				}
			}
			if len(rows) != requests {
				t.Errorf("%d rows for %d requests", len(rows), requests)
			}
			for _, p := range server.problems {
				t.Error(p)
			}
		})
	}
}

// TestDifferencesAreFound changes one thing each in what a server answers.
func TestDifferencesAreFound(t *testing.T) {
	frames := func(c *Capture, i int) *[]Frame { return &c.Exchanges[i].Response.Frames }
	status := func(f Frame) map[string]any { return get(f.Event, "update", "status").(map[string]any) }
	for _, test := range []struct {
		name    string
		capture string
		change  func(c *Capture)
		want    Row // Exchange and Event as prefixes; Path and Kind in full
		pace    time.Duration
	}{
		{
			"another status", "f10_http_errors", func(c *Capture) { c.Exchanges[2].Response.Status = 415 },
			Row{Exchange: "#2 ", Difference: Difference{Path: "status", Kind: KindStatus}}, 0,
		}, {
			"another text", "f10_http_errors", func(c *Capture) { c.Exchanges[4].Response.Body = "Failed to parse" },
			Row{Exchange: "#4 ", Difference: Difference{Path: "$", Kind: KindValue}}, 0,
		}, {
			"a header too few", "f10_http_errors", func(c *Capture) {
				c.Exchanges[0].Response.Headers = map[string]string{"Content-Type": "text/plain; charset=utf-8"}
			},
			Row{Exchange: "#0 ", Difference: Difference{Path: "header Allow", Kind: KindMissing}}, 0,
		}, {
			"a field missing", "f01_command_task", func(c *Capture) { delete(status((*frames(c, 0))[3]), "executor_id") },
			Row{Exchange: "#0 ", Event: "UPDATE cmd-ok TASK_STARTING", Difference: Difference{Path: "$.update.status.executor_id", Kind: KindMissing}}, 0,
		}, {
			"a field too many", "f01_command_task", func(c *Capture) { status((*frames(c, 0))[3])["healthy"] = true },
			Row{Exchange: "#0 ", Event: "UPDATE cmd-ok TASK_STARTING", Difference: Difference{Path: "$.update.status.healthy", Kind: KindExtra}}, 0,
		}, {
			"another reason", "f01_command_task", func(c *Capture) { status((*frames(c, 0))[23])["reason"] = "REASON_EXECUTOR_TERMINATED" },
			Row{Exchange: "#0 ", Event: "UPDATE cmd-baduri", Difference: Difference{Path: "$.update.status.reason", Kind: KindValue}}, 0,
		}, {
			"an integer for a double", "f01_command_task", func(c *Capture) {
				get((*frames(c, 0))[0].Event, "subscribed").(map[string]any)["heartbeat_interval_seconds"] = json.Number("15")
			},
			Row{Exchange: "#0 ", Event: "SUBSCRIBED", Difference: Difference{Path: "$.subscribed.heartbeat_interval_seconds", Kind: KindType}}, 0,
		}, {
			"an id that changes", "f01_command_task", func(c *Capture) {
				get(status((*frames(c, 0))[5]), "container_status", "container_id").(map[string]any)["value"] = "6884e53e-5cc0-4293-acde-f3168514aae0"
			},
			Row{Exchange: "#0 ", Event: "UPDATE cmd-ok TASK_FINISHED", Difference: Difference{Path: "$.update.status.container_status.container_id.value", Kind: KindID}}, 0,
		}, {
			"an event missing", "f03_kill", func(c *Capture) { *frames(c, 0) = slices.Delete(*frames(c, 0), 7, 8) },
			Row{Exchange: "#0 ", Event: "UPDATE never-was TASK_UNKNOWN", Difference: Difference{Kind: KindMissing}}, 0,
		}, {
			"an event too many", "f03_kill", func(c *Capture) {
				extra := Frame{At: 0.3205, Event: deepCopy((*frames(c, 0))[7].Event)}
				status(extra)["task_id"].(map[string]any)["value"] = "who"
				*frames(c, 0) = slices.Insert(*frames(c, 0), 8, extra)
			},
			Row{Exchange: "#0 ", Event: "UPDATE who TASK_UNKNOWN", Difference: Difference{Kind: KindExtra}}, 0,
		}, {
			"events of one task in another order", "f12_checks", func(c *Capture) {
				f := *frames(c, 0)
				f[5].Event, f[6].Event = f[6].Event, f[5].Event
			},
			Row{Exchange: "#0 ", Event: "UPDATE hc TASK_RUNNING REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", Difference: Difference{Kind: KindOrder}}, 0,
		}, {
			"events of the master in another order", "f03_kill", func(c *Capture) {
				f := *frames(c, 0)
				f[7].At, f[8].At = f[8].At, f[8].At+0.001
				f[7].Event, f[8].Event = f[8].Event, f[7].Event
			},
			Row{Exchange: "#0 ", Event: "UPDATE never-was", Difference: Difference{Kind: KindOrder}}, 0,
		}, {
			"an event after the request that it should precede", "f07_reserve_volume", func(c *Capture) {
				f := *frames(c, 0)
				late := f[3]
				late.At = 3.1
				*frames(c, 0) = slices.Insert(slices.Delete(slices.Clone(f), 3, 4), 4, late)
			},
			Row{Exchange: "#0 ", Event: "UPDATE_OPERATION_STATUS op-reserve", Difference: Difference{Kind: KindLate}}, 0,
		}, {
			"a stream that stays open", "f06_reconcile", func(c *Capture) { c.Exchanges[0].Response.ServerClosed = false },
			Row{Exchange: "#0 ", Event: "end", Difference: Difference{Kind: KindStream}}, 0,
		}, {
			"no heartbeat", "f06_reconcile", func(c *Capture) { *frames(c, 0) = slices.Delete(*frames(c, 0), 1, 2) },
			Row{Exchange: "#0 ", Event: "HEARTBEAT", Difference: Difference{Kind: KindMissing}}, 0,
		}, {
			"an offer in spite of a filter", "f09_calls", func(c *Capture) {
				extra := Frame{At: 3, Event: deepCopy((*frames(c, 0))[2].Event)}
				id := list(extra.Event, "offers", "offers")[0].(map[string]any)["id"].(map[string]any)
				id["value"] = strings.TrimSuffix(id["value"].(string), "O36") + "O999"
				*frames(c, 0) = slices.Insert(*frames(c, 0), 4, extra)
			},
			Row{Exchange: "#0 ", Event: "on offer before #3 REVIVE", Difference: Difference{Path: "$.offers", Kind: KindOffers}},
			200 * time.Millisecond,
		}, {
			"less on offer", "f06_reconcile", func(c *Capture) {
				get(list((*frames(c, 0))[2].Event, "offers", "offers")[0], "resources").([]any)[1].(map[string]any)["scalar"] =
					map[string]any{"value": json.Number("2.0")}
			},
			Row{Exchange: "#1 ", Event: "offers used", Difference: Difference{Path: "$.offers", Kind: KindOffers}}, 0,
		}, {
			"an offer without its attributes", "f06_reconcile", func(c *Capture) {
				delete(list((*frames(c, 0))[2].Event, "offers", "offers")[0].(map[string]any), "attributes")
			},
			Row{Exchange: "#0 ", Event: "OFFERS", Difference: Difference{Path: "$.offers.offers[].attributes", Kind: KindMissing}}, 0,
		}, {
			"an offered resource without its reservation", "f07_reserve_volume", func(c *Capture) {
				for _, r := range list(list((*frames(c, 0))[4].Event, "offers", "offers")[0], "resources") {
					if list(r, "reservations") != nil {
						delete(list(r, "reservations")[0].(map[string]any), "principal")
					}
				}
			},
			Row{Exchange: "#0 ", Event: "OFFERS", Difference: Difference{Path: "$.offers.offers[].resources[cpus].reservations[0].principal", Kind: KindMissing}}, 0,
		}, {
			"a field of a snapshot missing", "f13_operator", func(c *Capture) {
				agent := list(c.Exchanges[6].Response.Body, "get_agents", "agents")[0].(map[string]any)
				delete(agent, "deactivated")
			},
			Row{Exchange: "#6 ", Difference: Difference{Path: "$.get_agents.agents[localhost].deactivated", Kind: KindMissing}}, 0,
		}, {
			"a flag with another value", "f13_operator", func(c *Capture) {
				list(c.Exchanges[2].Response.Body, "get_flags", "flags")[1].(map[string]any)["value"] = "15mins"
			},
			Row{Exchange: "#2 ", Difference: Difference{Path: "$.get_flags.flags[agent_ping_timeout]", Kind: KindValue}}, 0,
		}, {
			"a metric missing", "f13_operator", func(c *Capture) {
				delete(c.Exchanges[27].Response.Body.(map[string]any), "master/tasks_lost")
			},
			Row{Exchange: "#27 ", Difference: Difference{Path: "$.master/tasks_lost", Kind: KindMissing}}, 0,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			recording := load(t, "../captures/"+test.capture+".json")
			changed := recording.clone()
			test.change(changed)
			rows, _ := against(t, recording, changed, test.pace)
			found := slices.ContainsFunc(rows, func(r Row) bool {
				return strings.HasPrefix(r.Exchange, test.want.Exchange) && strings.HasPrefix(r.Event, test.want.Event) &&
					(test.want.Event == "") == (r.Event == "") && r.Path == test.want.Path && r.Kind == test.want.Kind
			})
			if !found {
				t.Errorf("not found: %+v", test.want)
			}
			for _, r := range rows {
				if !r.Same() {
					t.Logf("found: %+v", r)
				}
			}
		})
	}
}
