package conformance

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestWhatDependsOnTimeIsNotADifference changes what a server may do otherwise than recorded.
func TestWhatDependsOnTimeIsNotADifference(t *testing.T) {
	for _, test := range []struct {
		name    string
		capture string
		change  func(t *testing.T, c *Capture)
	}{
		{"an offer in two pieces", "f01_command_task", func(t *testing.T, c *Capture) {
			f := c.Exchanges[0].Response.Frames
			offers := get(f[6].Event, "offers").(map[string]any)
			whole := offers["offers"].([]any)[0]
			piece := deepCopy(whole).(map[string]any)
			id := piece["id"].(map[string]any)
			id["value"] = strings.TrimSuffix(id["value"].(string), "O2") + "O999"
			for _, r := range list(whole, "resources") {
				if text(r, "name") == "cpus" {
					r.(map[string]any)["scalar"] = map[string]any{"value": json.Number("3.9")}
				}
			}
			for _, r := range list(piece, "resources") {
				if text(r, "name") == "cpus" {
					r.(map[string]any)["scalar"] = map[string]any{"value": json.Number("0.1")}
					piece["resources"] = []any{r}
				}
			}
			offers["offers"] = []any{piece, whole}
		}},
		{"resources in another order", "f06_reconcile", func(t *testing.T, c *Capture) {
			slices.Reverse(list(list(c.Exchanges[0].Response.Frames[2].Event, "offers", "offers")[0], "resources"))
		}},
		{"an offer before it was needed", "f02_no_ack_retry", func(t *testing.T, c *Capture) {
			f := c.Exchanges[0].Response.Frames
			f[4].Event, f[3].Event = f[3].Event, f[4].Event // 3.9 cpus come before TASK_STARTING
		}},
		{"updates of two tasks in another order", "f08_task_group", func(t *testing.T, c *Capture) {
			f := c.Exchanges[0].Response.Frames
			if f[3].Event, f[4].Event = f[4].Event, f[3].Event; text(f[3].Event, "update", "status", "task_id", "value") != "grp-b" {
				t.Fatal("not the update that was meant")
			}
			f[4].At = f[3].At // the server sends it without waiting for the acknowledgement
		}},
		{"the loss of an executor before the updates of its tasks", "f14_executor", func(t *testing.T, c *Capture) {
			f := c.Exchanges[0].Response.Frames
			f[11].Event, f[12].Event = f[12].Event, f[11].Event
		}},
		{"more heartbeats", "f06_reconcile", func(t *testing.T, c *Capture) {
			f := c.Exchanges[0].Response.Frames
			f = slices.Insert(f, 4, f[1])
			f[4].At = f[5].At
			c.Exchanges[0].Response.Frames = f
		}},
		{"no retry where the case is not about retries", "f04_invalid_tasks", func(t *testing.T, c *Capture) {
			f := c.Exchanges[0].Response.Frames
			c.Exchanges[0].Response.Frames = slices.Delete(f, 31, 32)
		}},
		{"an offer of an agent that is lost, where all took longer", "f16_agent_loss", func(t *testing.T, c *Capture) {
			f := c.Exchanges[0].Response.Frames
			offers := Frame{At: f[8].At, Event: deepCopy(f[13].Event)}
			id := list(offers.Event, "offers", "offers")[0].(map[string]any)["id"].(map[string]any)
			id["value"] = strings.TrimSuffix(id["value"].(string), "O3") + "O999"
			rescind := Frame{At: f[8].At, Event: map[string]any{"type": "RESCIND", "rescind": map[string]any{"offer_id": id}}}
			c.Exchanges[0].Response.Frames = slices.Insert(f, 8, offers, rescind)
		}},
		{"frameworks in another order", "f13_operator", func(t *testing.T, c *Capture) {
			slices.Reverse(list(c.Exchanges[2].Response.Body, "get_flags", "flags"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			recording := load(t, "../captures/"+test.capture+".json")
			changed := recording.clone()
			test.change(t, changed)
			rows, _ := replayTo(t, recording, changed, Options{})
			for _, row := range rows {
				if !row.Same() {
					t.Errorf("%+v", row)
				}
			}
		})
	}
}

// TestAgentsUnlikeTheRecordedOne replays to a server whose agent has twice the cpus.
func TestAgentsUnlikeTheRecordedOne(t *testing.T) {
	recording := load(t, "../captures/f06_reconcile.json")
	changed := recording.clone()
	for i, f := range changed.Exchanges[0].Response.Frames {
		changed.Exchanges[0].Response.Frames[i].Event = transform(f.Event, "", func(key string, v any) (any, bool) {
			if number, ok := v.(json.Number); ok && key == "scalar" {
				f, _ := number.Float64()
				return double(2 * f), true
			}
			return nil, false
		})
	}
	rows, _ := replayTo(t, recording, changed, Options{AnyAmounts: true})
	for _, row := range rows {
		if !row.Same() {
			t.Errorf("%+v", row)
		}
	}
	rows, _ = replayTo(t, recording, changed, Options{})
	if !slices.ContainsFunc(rows, func(r Row) bool { return r.Kind == KindOffers }) {
		t.Error("with amounts compared, nothing is different")
	}
}

func TestResourcesInAMessageHaveNoOrder(t *testing.T) {
	for _, test := range []struct {
		want, got string
		same      bool
	}{
		{"Invalid GROW_VOLUME operation: cpus:1; disk:2 does not contain disk:3; mem:1", "Invalid GROW_VOLUME operation: disk:2; cpus:1 does not contain mem:1; disk:3", true},
		{"Total resources a:1; b:2 required by task and its executor is more than available c:3; d:4", "Total resources b:2; a:1 required by task and its executor is more than available d:4; c:3", true},
		{"cpus:1; disk:2 does not contain disk:3", "cpus:1 does not contain disk:2; disk:3", false},
		{"first; second", "second; first", false},
	} {
		if same := sortResources(test.want) == sortResources(test.got); same != test.same {
			t.Errorf("%q and %q are the same: %v", test.want, test.got, same)
		}
	}
}
