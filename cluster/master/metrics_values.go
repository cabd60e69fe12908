package master

import (
	"strings"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/system"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// callMetrics are the names of the message counters of calls.
var callMetrics = map[schedulerpb.Call_Type]string{
	schedulerpb.Call_ACCEPT:      "messages_launch_tasks",
	schedulerpb.Call_DECLINE:     "messages_decline_offers",
	schedulerpb.Call_KILL:        "messages_kill_task",
	schedulerpb.Call_RECONCILE:   "messages_reconcile_tasks",
	schedulerpb.Call_REVIVE:      "messages_revive_offers",
	schedulerpb.Call_SUPPRESS:    "messages_suppress_offers",
	schedulerpb.Call_ACKNOWLEDGE: "messages_status_update_acknowledgement",
	schedulerpb.Call_REQUEST:     "messages_resource_request",
	schedulerpb.Call_TEARDOWN:    "messages_unregister_framework",
	schedulerpb.Call_SUBSCRIBE:   "messages_register_framework",

	schedulerpb.Call_RECONCILE_OPERATIONS: "messages_reconcile_operations",
}

// metricValues returns all metrics by name.
func (m *Master) metricValues() map[string]float64 {
	v := map[string]float64{}
	set := func(name string, n int) { v["master/"+name] = float64(n) }
	elected := 0
	if m.leads() {
		elected = 1
	}
	set("elected", elected)
	v["master/uptime_secs"] = m.uptime().Seconds()
	m.agentMetrics(v, set)
	m.taskMetrics(v, set)
	set("outstanding_offers", len(m.offers))
	set("operator_event_stream_subscribers", len(m.subscribers))
	var active, connected int
	total := map[schedulerpb.Call_Type]int{}
	for _, f := range m.frameworks {
		if f.active {
			active++
		}
		if f.connected {
			connected++
		}
	}
	for f := range m.allFrameworks {
		for t, n := range f.counts.calls {
			total[t] += n
		}
		m.frameworkMetrics(v, f)
	}
	set("frameworks_active", active)
	set("frameworks_inactive", len(m.frameworks)-active)
	set("frameworks_connected", connected)
	set("frameworks_disconnected", len(m.frameworks)-connected)
	for t, name := range callMetrics {
		set(name, total[t])
	}
	set("messages_reregister_framework", 0) // the v1 API has one call for both
	set("messages_register_slave", m.metrics.registrations)
	set("messages_reregister_slave", m.metrics.reregistrations)
	set("messages_status_update", m.metrics.validStatusUpdates+m.metrics.invalidStatusUpdates)
	set("valid_status_updates", m.metrics.validStatusUpdates)
	set("invalid_status_updates", m.metrics.invalidStatusUpdates)
	set("valid_status_update_acknowledgements", m.metrics.validAcknowledgements)
	set("invalid_status_update_acknowledgements", m.metrics.invalidAcknowledgements)
	m.messageMetrics(set)
	m.operationMetrics(set)
	m.allocatorMetrics(v)
	m.queueMetrics(v)
	system.Metrics(v)
	return v
}

// queueMetrics are what waits. All of it, messages and requests included, waits in one queue: that of dispatches; the allocator has none.
func (m *Master) queueMetrics(v map[string]float64) {
	v["master/event_queue_dispatches"] = float64(m.loop.Waiting())
	for _, name := range []string{
		"master/event_queue_messages", "master/event_queue_http_requests", "allocator/event_queue_dispatches", "allocator/mesos/event_queue_dispatches",
		"master/http_cache_hits", // there is no cache
	} {
		v[name] = 0
	}
	v["master/dropped_messages"] = float64(m.metrics.dropped)
}

// messageMetrics are counters of messages. What the embedded cluster has no message for is 0.
func (m *Master) messageMetrics(set func(string, int)) {
	c := &m.metrics.messages
	for name, n := range map[string]int{
		"messages_framework_to_executor": c.toExecutor + c.toExecutorInvalid, "valid_framework_to_executor_messages": c.toExecutor,
		"invalid_framework_to_executor_messages": c.toExecutorInvalid,
		"messages_executor_to_framework":         c.toFramework + c.toFrameworkInvalid, "valid_executor_to_framework_messages": c.toFramework,
		"invalid_executor_to_framework_messages": c.toFrameworkInvalid,
		"messages_exited_executor":               c.executorExits, "messages_update_slave": c.updateAgent, "messages_unregister_slave": c.unregister,
		"messages_operation_status_update": c.operationUpdates + c.operationUpdatesInvalid, "valid_operation_status_updates": c.operationUpdates,
		"invalid_operation_status_updates":                 c.operationUpdatesInvalid,
		"messages_operation_status_update_acknowledgement": c.operationAcks + c.operationAcksInvalid,
		"valid_operation_status_update_acknowledgements":   c.operationAcks,
		"invalid_operation_status_update_acknowledgements": c.operationAcksInvalid,
		"messages_authenticate":                            0,
		"messages_deactivate_framework":                    0,
	} {
		set(name, n)
	}
}

// operationMetrics counts offer operations other than launches by their outcome. They are applied at once, so none is ever pending.
func (m *Master) operationMetrics(set func(string, int)) {
	states := []string{"total", "pending", "recovering", "unreachable", "finished", "failed", "error", "dropped", "gone_by_operator"}
	sums := map[string]int{}
	for t := range operations {
		if t == mesospb.Offer_Operation_LAUNCH || t == mesospb.Offer_Operation_LAUNCH_GROUP {
			continue
		}
		n := map[string]int{"finished": m.metrics.operations[t], "error": m.metrics.operationErrors[t], "dropped": m.metrics.operationDrops[t]}
		n["total"] = n["finished"] + n["error"] + n["dropped"]
		for _, s := range states {
			set("operations/"+lower(t.String())+"/"+s, n[s])
			sums[s] += n[s]
		}
	}
	for _, s := range states {
		set("operations/"+s, sums[s])
	}
}

// allocatorMetrics are what the allocator has to say: filters, shares, quota.
func (m *Master) allocatorMetrics(v map[string]float64) {
	v["allocator/mesos/allocation_runs"] = float64(m.metrics.allocations)
	m.metrics.allocationRun.metrics(v, "allocator/mesos/allocation_run_ms")
	m.metrics.allocationLatency.metrics(v, "allocator/mesos/allocation_run_latency_ms")
	for role, n := range m.alloc.Filters() {
		v["allocator/mesos/offer_filters/roles/"+role+"/active"] = float64(n)
	}
	for role, share := range m.alloc.Shares() {
		v["allocator/mesos/roles/"+role+"/shares/dominant"] = share
	}
	sum := allocator.Quantities{}
	for _, role := range m.alloc.QuotaRoles() {
		for name, n := range m.alloc.Consumed(role) {
			v["allocator/mesos/quota/roles/"+role+"/resources/"+name+"/consumed"] = resources.FromFixed(n)
			sum[name] += n
		}
		if q := m.quotas[role]; q != nil {
			for name, n := range q.guarantees {
				v["allocator/mesos/quota/roles/"+role+"/resources/"+name+"/guarantee"] = resources.FromFixed(n)
			}
			for name, n := range q.limits {
				v["allocator/mesos/quota/roles/"+role+"/resources/"+name+"/limit"] = resources.FromFixed(n)
			}
		}
	}
	for name, n := range sum {
		v["allocator/mesos/quota/roles//resources/"+name+"/consumed"] = resources.FromFixed(n)
	}
}

func (m *Master) agentMetrics(v map[string]float64, set func(string, int)) {
	var active, connected int
	var total, held, revocableTotal, revocableHeld, taken resources.Pool
	for _, a := range m.agents {
		if a.active() {
			active++
		}
		if a.connected() {
			connected++
		}
		for _, r := range a.desc.Total {
			add(&total, &revocableTotal, r)
		}
		taken.Add(a.held())
		for _, p := range a.used {
			for _, r := range p.Resources() {
				add(&held, &revocableHeld, r)
			}
		}
	}
	set("slaves_active", active)
	set("slaves_inactive", len(m.agents)-active)
	set("slaves_connected", connected)
	set("slaves_disconnected", len(m.agents)-connected)
	set("slaves_unreachable", len(m.unreachable))
	set("slave_registrations", m.metrics.registrations)
	set("slave_reregistrations", m.metrics.reregistrations)
	set("slave_removals", m.metrics.removals+m.metrics.unreachableAgents)
	set("slave_removals/reason_registered", m.metrics.removalsRegistered)
	set("slave_removals/reason_unhealthy", m.metrics.removalsUnhealthy)
	set("slave_removals/reason_unregistered", m.metrics.removalsUnregistered)
	set("slave_unreachable_scheduled", m.metrics.unreachableAgents)
	set("slave_unreachable_canceled", 0)
	set("slave_shutdowns_scheduled", 0)
	set("slave_shutdowns_completed", 0)
	set("slave_shutdowns_canceled", 0)
	set("recovery_slave_removals", m.metrics.recoveryRemovals)
	set("slave_unreachable_completed", m.metrics.unreachableAgents)
	for _, name := range []string{resources.NameCPUs, resources.NameMem, resources.NameDisk, resources.NameGPUs} {
		for suffix, p := range map[string][2]*resources.Pool{"": {&total, &held}, "_revocable": {&revocableTotal, &revocableHeld}} {
			all, used := p[0].Scalar(name), p[1].Scalar(name)
			v["master/"+name+suffix+"_total"], v["master/"+name+suffix+"_used"] = all, used
			v["master/"+name+suffix+"_percent"] = 0
			if all > 0 {
				v["master/"+name+suffix+"_percent"] = used / all
			}
		}
		if name != resources.NameGPUs || total.Scalar(name) > 0 {
			v["allocator/mesos/resources/"+name+"/total"] = total.Scalar(name)
			v["allocator/mesos/resources/"+name+"/offered_or_allocated"] = taken.Scalar(name)
		}
	}
}

func add(plain, revocable *resources.Pool, r *mesospb.Resource) {
	if resources.IsRevocable(r) {
		revocable.Add([]*mesospb.Resource{r})
	} else {
		plain.Add([]*mesospb.Resource{r})
	}
}

// liveStates are the states of tasks that are counted as they are now; others as they are reached.
var liveStates = []mesospb.TaskState{
	mesospb.TaskState_TASK_STAGING, mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_KILLING,
}

func (m *Master) taskMetrics(_ map[string]float64, set func(string, int)) {
	live := map[mesospb.TaskState]int{}
	unreachable := 0
	for _, f := range m.frameworks {
		for _, t := range f.tasks {
			live[t.state]++
		}
		unreachable += len(f.unreachable.list)
	}
	for _, s := range liveStates {
		set(metricName(s), live[s])
	}
	for s := range terminalTaskStates {
		set(metricName(s), m.metrics.tasks[s])
	}
	set("tasks_unreachable", unreachable)
}

// metricName makes tasks_running of TASK_RUNNING.
func metricName(s mesospb.TaskState) string {
	return "tasks" + lower(strings.TrimPrefix(s.String(), "TASK"))
}

func (m *Master) frameworkMetrics(v map[string]float64, f *framework) {
	base := "master/frameworks/" + f.info.GetName() + "/" + f.id + "/"
	sum := 0
	for n := range schedulerpb.Call_Type_name {
		t := schedulerpb.Call_Type(n)
		if t == schedulerpb.Call_UNKNOWN {
			continue
		}
		v[base+"calls/"+lower(t.String())] = float64(f.counts.calls[t])
		sum += f.counts.calls[t]
	}
	v[base+"calls"] = float64(sum)
	sum = 0
	for n := range schedulerpb.Event_Type_name {
		t := schedulerpb.Event_Type(n)
		if t == schedulerpb.Event_UNKNOWN {
			continue
		}
		v[base+"events/"+lower(t.String())] = float64(f.counts.events[t])
		sum += f.counts.events[t]
	}
	live := map[mesospb.TaskState]int{mesospb.TaskState_TASK_UNREACHABLE: len(f.unreachable.list)}
	for _, t := range f.tasks {
		live[t.state]++
	}
	for _, s := range append([]mesospb.TaskState{mesospb.TaskState_TASK_UNKNOWN, mesospb.TaskState_TASK_UNREACHABLE}, liveStates...) {
		v[base+"tasks/active/"+lower(s.String())] = float64(live[s])
	}
	v[base+"events"] = float64(sum)
	sum = 0
	for t := range operations {
		v[base+"operations/"+lower(t.String())] = float64(f.counts.operations[t])
		sum += f.counts.operations[t]
	}
	v[base+"operations"] = float64(sum)
	for s := range terminalTaskStates {
		v[base+"tasks/terminal/"+lower(s.String())] = float64(f.counts.tasks[s])
	}
	v[base+"offers/sent"], v[base+"offers/accepted"] = float64(f.counts.offersSent), float64(f.counts.offersAccepted)
	v[base+"offers/declined"], v[base+"offers/rescinded"] = float64(f.counts.offersDeclined), float64(f.counts.offersRescinded)
	v[base+"subscribed"] = 0
	if f.connected {
		v[base+"subscribed"] = 1
	}
	for _, r := range f.roles {
		v[base+"roles/"+r+"/suppressed"] = 0
		if f.suppressed[r] {
			v[base+"roles/"+r+"/suppressed"] = 1
		}
	}
}
