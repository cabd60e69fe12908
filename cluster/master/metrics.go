package master

import (
	"net/http"
	"runtime"
	"strings"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Metrics under the names that Mesos gives them (contract, section 7). What the master counts is counted; names whose subject it does
// not have (registrar, libprocess queues) are left out rather than made up.

// metrics are what the master counts.
type metrics struct {
	ticks, allocations, subscribed                              int
	validStatusUpdates, invalidStatusUpdates                    int
	validAcknowledgements, invalidAcknowledgements              int
	registrations, reregistrations, removals, unreachableAgents int
	removalsRegistered, removalsUnhealthy, removalsUnregistered int
	tasks                                                       map[mesospb.TaskState]int // that ended so
	operations                                                  map[mesospb.Offer_Operation_Type]int
	calls                                                       map[schedulerpb.Call_Type]int
}

func newMetrics() metrics {
	return metrics{
		tasks:      map[mesospb.TaskState]int{},
		operations: map[mesospb.Offer_Operation_Type]int{},
		calls:      map[schedulerpb.Call_Type]int{},
	}
}

// transition counts tasks by the terminal state that they reached.
func (mt *metrics) transition(state mesospb.TaskState, f *framework, _ *mesospb.TaskStatus) {
	if !isTerminal(state) {
		return
	}
	mt.tasks[state]++
	if f.counts.tasks == nil {
		f.counts.tasks = map[mesospb.TaskState]int{}
	}
	f.counts.tasks[state]++
}

// frameworkCounts is what is counted for a framework.
type frameworkCounts struct {
	calls                                                       map[schedulerpb.Call_Type]int
	events                                                      map[schedulerpb.Event_Type]int
	operations                                                  map[mesospb.Offer_Operation_Type]int
	tasks                                                       map[mesospb.TaskState]int
	offersSent, offersAccepted, offersDeclined, offersRescinded int
}

func (c *frameworkCounts) call(t schedulerpb.Call_Type) {
	if c.calls == nil {
		c.calls = map[schedulerpb.Call_Type]int{}
	}
	c.calls[t]++
}

func (c *frameworkCounts) event(t schedulerpb.Event_Type) {
	if c.events == nil {
		c.events = map[schedulerpb.Event_Type]int{}
	}
	c.events[t]++
}

func (c *frameworkCounts) operation(t mesospb.Offer_Operation_Type) {
	if c.operations == nil {
		c.operations = map[mesospb.Offer_Operation_Type]int{}
	}
	c.operations[t]++
}

// callMetrics are the names of the message counters of calls.
var callMetrics = map[schedulerpb.Call_Type]string{
	schedulerpb.Call_ACCEPT:      "messages_launch_tasks",
	schedulerpb.Call_DECLINE:     "messages_decline_offers",
	schedulerpb.Call_KILL:        "messages_kill_task",
	schedulerpb.Call_RECONCILE:   "messages_reconcile_tasks",
	schedulerpb.Call_REVIVE:      "messages_revive_offers",
	schedulerpb.Call_SUPPRESS:    "messages_suppress_offers",
	schedulerpb.Call_ACKNOWLEDGE: "messages_status_update_acknowledgement",
	schedulerpb.Call_MESSAGE:     "messages_framework_to_executor",
	schedulerpb.Call_REQUEST:     "messages_resource_request",
	schedulerpb.Call_TEARDOWN:    "messages_unregister_framework",
}

// metricValues returns all metrics by name.
func (m *Master) metricValues() map[string]float64 {
	v := map[string]float64{}
	set := func(name string, n int) { v["master/"+name] = float64(n) }
	set("elected", 1)
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
	set("messages_register_slave", m.metrics.registrations)
	set("messages_reregister_slave", m.metrics.reregistrations)
	set("messages_status_update", m.metrics.validStatusUpdates+m.metrics.invalidStatusUpdates)
	set("valid_status_updates", m.metrics.validStatusUpdates)
	set("invalid_status_updates", m.metrics.invalidStatusUpdates)
	set("valid_status_update_acknowledgements", m.metrics.validAcknowledgements)
	set("invalid_status_update_acknowledgements", m.metrics.invalidAcknowledgements)
	v["allocator/mesos/allocation_runs"] = float64(m.metrics.allocations)
	for role, n := range m.alloc.Filters() {
		v["allocator/mesos/offer_filters/roles/"+role+"/active"] = float64(n)
	}
	v["system/cpus_total"] = float64(runtime.NumCPU())
	return v
}

func (m *Master) agentMetrics(v map[string]float64, set func(string, int)) {
	var active, connected int
	var total, held, revocableTotal, revocableHeld resources.Pool
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
	for t := range schedulerCalls {
		v[base+"calls/"+lower(t.String())] = float64(f.counts.calls[t])
		sum += f.counts.calls[t]
	}
	v[base+"calls"] = float64(sum)
	sum = 0
	for t, n := range f.counts.events {
		v[base+"events/"+lower(t.String())] = float64(n)
		sum += n
	}
	v[base+"events"] = float64(sum)
	for t := range operations {
		v[base+"operations/"+lower(t.String())] = float64(f.counts.operations[t])
	}
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

// serveMetrics is /metrics/snapshot: one flat object. Mesos delays those who ask more than twice a second; this master does not.
func (m *Master) serveMetrics(w http.ResponseWriter, r *http.Request) {
	var values map[string]float64
	if err := m.loop.Do(r.Context(), func() { values = m.metricValues() }); err != nil {
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
		return
	}
	o := object{}
	for _, name := range sortedKeys(values) {
		o.add(name, number(values[name]))
	}
	writeJSON(w, r, o)
}

// flags returns what the master would have been started with.
func (m *Master) flags() map[string]string {
	flag := func(b bool) string {
		if b {
			return "true"
		}
		return "false"
	}
	text := durationText
	f := map[string]string{
		"agent_ping_timeout":                    text(m.cfg.AgentPingInterval),
		"agent_reregister_timeout":              text(m.cfg.AgentReregisterTimeout),
		"allocation_interval":                   text(m.cfg.AllocationInterval),
		"allocator":                             "hierarchical",
		"authenticate_agents":                   "false",
		"authenticate_frameworks":               "false",
		"authenticate_http_frameworks":          "false",
		"authenticate_http_readonly":            "false",
		"authenticate_http_readwrite":           "false",
		"filter_gpu_resources":                  flag(!m.cfg.OfferGPUsToAll),
		"framework_sorter":                      "drf",
		"hostname":                              m.cfg.Hostname,
		"ip":                                    m.info.GetAddress().GetIp(),
		"max_agent_ping_timeouts":               itoa(m.cfg.AgentPingMisses),
		"max_completed_frameworks":              itoa(m.cfg.MaxCompletedFrameworks),
		"max_completed_tasks_per_framework":     itoa(m.cfg.MaxCompletedTasks),
		"max_operator_event_stream_subscribers": itoa(maxSubscribers),
		"max_unreachable_tasks_per_framework":   itoa(m.cfg.MaxUnreachableTasks),
		"port":                                  itoa(int(m.info.GetPort())),
		"registry":                              "in_memory",
		"role_sorter":                           "drf",
		"root_submissions":                      flag(!m.cfg.RefuseRoot),
	}
	if m.cfg.MinAllocatable == nil {
		f["min_allocatable_resources"] = "cpus:0.01|mem:32"
	}
	if m.cfg.OfferTimeout > 0 {
		f["offer_timeout"] = text(m.cfg.OfferTimeout)
	}
	if m.cfg.Roles != nil {
		f["roles"] = strings.Join(m.cfg.Roles, ",")
	}
	return f
}

func (m *Master) serveVersion(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, object{}.with("version", Version))
}

func (m *Master) serveFlags(w http.ResponseWriter, r *http.Request) {
	o, flags := object{}, m.flags()
	for _, name := range sortedKeys(flags) {
		o.add(name, flags[name])
	}
	writeJSON(w, r, object{}.with("flags", o))
}
