package conformance

import (
	"encoding/json"
	"strings"
)

// event is what the replay has to know about an event of a stream.
type event struct {
	value any
	typ   string
	// lane is what the event is about. Events in one lane have an order.
	lane string
	// ident tells an event from others in its lane; weak does so with less.
	ident, weak string
	// loose events come from agents, in no order with loose events of other lanes or with
	// those that the master makes by itself.
	loose bool
	// uuid of an update that wants an acknowledgement.
	uuid string
	// again marks an update that was sent before.
	again bool
}

// newEvent looks at an event; seen collects the uuids of a stream.
func newEvent(v any, seen map[string]bool) *event {
	e := &event{value: v, typ: text(v, "type")}
	body := get(v, strings.ToLower(e.typ))
	e.lane = strings.ToLower(e.typ)
	switch e.typ {
	case "UPDATE", "TASK_UPDATED":
		status := get(body, "status")
		e.lane = "task " + text(status, "task_id", "value")
		e.uuid = text(status, "uuid")
		e.weak = text(status, "state")
		e.ident = strings.Join([]string{e.weak, text(status, "source"), text(status, "reason"), encode(get(status, "healthy")),
			encode(get(status, "check_status"))}, "|")
		e.loose = e.uuid != "" || e.typ == "TASK_UPDATED"
	case "TASK_ADDED":
		e.lane = "task " + text(body, "task", "task_id", "value")
		e.loose = true
	case "LAUNCH":
		e.lane = "task " + text(body, "task", "task_id", "value")
	case "KILL":
		e.lane = "task " + text(body, "task_id", "value")
	case "ACKNOWLEDGED":
		e.lane = "acknowledged " + text(body, "task_id", "value")
		e.uuid = text(body, "uuid")
		e.loose = true
	case "UPDATE_OPERATION_STATUS":
		e.lane = "operation " + text(body, "status", "operation_id", "value")
		e.uuid = text(body, "status", "uuid", "value")
		e.weak = text(body, "status", "state")
		e.ident = e.weak
		if e.uuid != "" {
			e.ident += "|uuid"
		}
		e.loose = true
	case "DATA":
		e.lane = "data " + text(body, "type")
		e.weak = text(body, "data")
		e.ident = e.weak
		e.loose = true // what comes through two pipes has no order
	case "FAILURE":
		executor := text(body, "executor_id", "value")
		e.lane = "failure " + executor
		e.loose = executor != ""
	case "MESSAGE":
		e.lane = "message " + text(body, "executor_id", "value")
		e.loose = get(body, "executor_id") != nil
	}
	e.weak = e.typ + "|" + e.weak
	e.ident = e.typ + "|" + e.ident
	if e.uuid != "" && e.typ != "ACKNOWLEDGED" {
		e.again = seen[e.uuid]
		seen[e.uuid] = true
	}
	return e
}

// Label names the event for people: its type, and what it is about.
func (e *event) Label() string {
	parts := []string{e.typ}
	if _, about, ok := strings.Cut(e.lane, " "); ok && about != "" {
		parts = append(parts, about)
	}
	if _, state, _ := strings.Cut(e.weak, "|"); state != "" {
		parts = append(parts, state)
	}
	body := get(e.value, strings.ToLower(e.typ))
	if reason := text(body, "status", "reason"); reason != "" {
		parts = append(parts, reason)
	}
	if healthy, ok := get(body, "status", "healthy").(bool); ok {
		parts = append(parts, map[bool]string{true: "healthy", false: "unhealthy"}[healthy])
	}
	if code, ok := get(body, "status", "check_status", "command", "exit_code").(json.Number); ok {
		parts = append(parts, "check "+string(code))
	}
	if e.again {
		parts = append(parts, "again")
	}
	return strings.Join(parts, " ")
}
