package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// What a Mesos of somebody else may have that the recorded one had not, and the other way round.

// operatorFlags are flags without a default: a master lists them if its operator gave them.
var operatorFlags = set("acls", "advertise_ip", "advertise_port", "agent_removal_rate_limit", "slave_removal_rate_limit", "cluster",
	"credentials", "domain", "external_log_file", "fair_sharing_excluded_resource_names", "filter_gpu_resources", "firewall_rules", "hooks",
	"hostname", "hostname_lookup", "ip", "ip_discovery_command", "log_dir", "master_contender", "master_detector", "modules",
	"modules_dir", "offer_timeout", "quorum", "rate_limits", "registry_gc_interval", "roles", "secret_key", "weights", "whitelist", "work_dir", "zk")

// sourceKeys say which commit a Mesos was built from, if it was built from a repository.
var sourceKeys = set("git_branch", "git_sha", "git_tag")

// lazyMetrics are metrics that a master has only after what they count has happened, or where there is something to
// count: reasons of updates, roles, frameworks, the distribution of times.
var lazyMetrics = regexp.MustCompile(`^master/task_[a-z]+/|/roles/|^master/frameworks/|/(count|min|max|p\d+)$|^registrar/state_(fetch|store)_ms$`)

// expectable says whether a key that only one of both has is nothing that an operator, chance or another build decides.
func (c *comparer) expectable(parent, k string, value any) bool {
	switch {
	case !c.shared:
		return true
	case sourceKeys[k], parent == "flags" && operatorFlags[k], parent == "metrics" && lazyMetrics.MatchString(k):
		return false
	}
	return !c.nothing(value)
}

// nothing says whether a value holds only lists of what is not ours.
func (c *comparer) nothing(value any) bool {
	switch value := value.(type) {
	case []any:
		return len(c.ours(value)) == 0
	case map[string]any:
		for _, v := range value {
			if !c.nothing(v) {
				return false
			}
		}
		return true
	}
	return false
}

// ours leaves out what a list of the target says about frameworks that the replay has not met, and about roles that the
// recording does not name or that have been given back what every role has.
func (c *comparer) ours(got []any) []any {
	if !c.shared {
		return got
	}
	return slices.DeleteFunc(slices.Clone(got), func(v any) bool { return c.foreign(v) || c.foreignRole(v) })
}

// recordedOurs leaves the same out of a recorded list, in which no framework is foreign.
func (c *comparer) recordedOurs(want []any) []any {
	if !c.shared {
		return want
	}
	return slices.DeleteFunc(slices.Clone(want), c.foreignRole)
}

// foreignRole says whether an element of a snapshot is about a role that is none of the recording's, or has nothing of
// its own.
func (c *comparer) foreignRole(v any) bool {
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	role, weight := text(v, "role"), get(v, "weight")
	if role == "" && weight != nil {
		role = text(v, "name")
	}
	switch {
	case role == "" || len(object) > 1 && weight == nil && get(v, "guarantee") == nil && get(v, "limit") == nil &&
		get(v, "guarantees") == nil && get(v, "limits") == nil:
		return false // not about a role
	case len(object) == 1, len(object) == 2 && weight == json.Number("1.0"):
		return true
	}
	return c.roles != nil && !c.roles[role]
}

// rolesIn collects the roles that a recording names.
func rolesIn(timeline []*Exchange) map[string]bool {
	roles := make(map[string]bool)
	for _, e := range timeline {
		if e.Request == nil {
			continue
		}
		walk(e.Request.Body, "", func(key string, v any) {
			if s, ok := v.(string); ok && (key == "role" || key == "roles") {
				roles[strings.TrimSpace(s)] = true
			}
		})
	}
	return roles
}

// A rest is what a case may leave behind on a cluster: what is the same for all frameworks and operators.
type rest struct {
	weights, quotas map[string]any  // by role
	schedule        any             // of maintenance
	reserved        map[string]bool // agent, and a resource that is reserved there
}

// lookAround remembers what is there before a case.
func lookAround(ctx context.Context, master string) (rest, error) {
	r := rest{weights: make(map[string]any), quotas: make(map[string]any), reserved: make(map[string]bool)}
	weights, errWeights := call(ctx, master, "GET_WEIGHTS", nil)
	for _, w := range list(weights, "get_weights", "weight_infos") {
		r.weights[text(w, "role")] = w
	}
	quota, errQuota := call(ctx, master, "GET_QUOTA", nil)
	for _, q := range list(quota, "get_quota", "status", "configs") {
		r.quotas[text(q, "role")] = q
	}
	schedule, errSchedule := call(ctx, master, "GET_MAINTENANCE_SCHEDULE", nil)
	r.schedule = get(schedule, "get_maintenance_schedule", "schedule")
	agents, errAgents := agentsOf(ctx, master)
	for _, a := range agents {
		for _, resource := range reservedAt(a) {
			r.reserved[text(a, "agent_info", "id", "value")+encode(resource)] = true
		}
	}
	return r, errors.Join(errWeights, errQuota, errSchedule, errAgents)
}

// reservedAt lists what is reserved dynamically on an agent.
func reservedAt(agent any) []any {
	return slices.DeleteFunc(slices.Clone(list(agent, "total_resources")), func(resource any) bool {
		reservations := list(resource, "reservations")
		return len(reservations) == 0 || text(reservations[len(reservations)-1], "type") != "DYNAMIC"
	})
}

// restore gives back what a case has changed since.
func (r rest) restore(ctx context.Context, master string) error {
	now, err := lookAround(ctx, master)
	if err != nil {
		return err
	}
	var weights, quotas []any
	for role, w := range now.weights {
		before := r.weights[role]
		if before == nil {
			before = map[string]any{"role": role, "weight": json.Number("1.0")} // a weight cannot be taken back
		}
		if encode(w) != encode(before) {
			weights = append(weights, before)
		}
	}
	for role, q := range now.quotas {
		before := r.quotas[role]
		if before == nil {
			before = map[string]any{"role": role}
		}
		if encode(q) != encode(before) {
			quotas = append(quotas, before)
		}
	}
	var errs []error
	if len(weights) > 0 {
		_, err := call(ctx, master, "UPDATE_WEIGHTS", map[string]any{"weight_infos": weights})
		errs = append(errs, err)
	}
	if len(quotas) > 0 {
		_, err := call(ctx, master, "UPDATE_QUOTA", map[string]any{"force": true, "quota_configs": quotas})
		errs = append(errs, err)
	}
	if encode(now.schedule) != encode(r.schedule) {
		schedule := r.schedule
		if schedule == nil {
			schedule = map[string]any{"windows": []any{}}
		}
		_, err := call(ctx, master, "UPDATE_MAINTENANCE_SCHEDULE", map[string]any{"schedule": schedule})
		errs = append(errs, err)
	}
	return errors.Join(append(errs, r.unreserve(ctx, master))...)
}

// unreserve destroys the volumes and drops the reservations that were not there before.
func (r rest) unreserve(ctx context.Context, master string) error {
	for _, volumes := range []bool{true, false} { // what a volume was on is reserved still when it is gone
		agents, err := agentsOf(ctx, master)
		if err != nil {
			return err
		}
		for _, a := range agents {
			id := get(a, "agent_info", "id")
			var left []any
			for _, resource := range reservedAt(a) {
				if (get(resource, "disk", "persistence") != nil) == volumes && !r.reserved[text(id, "value")+encode(resource)] {
					left = append(left, withoutOldForm(resource))
				}
			}
			typ, body := "UNRESERVE_RESOURCES", map[string]any{"agent_id": id, "resources": left}
			if volumes {
				typ, body = "DESTROY_VOLUMES", map[string]any{"agent_id": id, "volumes": left}
			}
			if len(left) == 0 {
				continue
			}
			if _, err := call(ctx, master, typ, body); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutOldForm leaves out the fields that say again, in the form of before 1.4, what reservations says.
func withoutOldForm(resource any) any {
	object := transform(resource, "", func(string, any) (any, bool) { return nil, false }).(map[string]any)
	delete(object, "role")
	delete(object, "reservation")
	return object
}

// call makes an operator's call.
func call(ctx context.Context, master, typ string, body map[string]any) (any, error) {
	request := map[string]any{"type": typ}
	if body != nil {
		request[strings.ToLower(typ)] = body
	}
	return ask(ctx, http.MethodPost, "http://"+master+"/api/v1", request)
}
