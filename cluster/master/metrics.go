package master

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Metrics under the names that Mesos gives them (docs/behaviour.md#operator-api). What the master counts is counted; names whose subject it does
// not have (registrar) are left out rather than made up.

// metrics are what the master counts.
type metrics struct {
	ticks, allocations, subscribed                              int
	validStatusUpdates, invalidStatusUpdates                    int
	validAcknowledgements, invalidAcknowledgements              int
	registrations, reregistrations, removals, unreachableAgents int
	recoveryRemovals                                            int
	removalsRegistered, removalsUnhealthy, removalsUnregistered int
	tasks                                                       map[mesospb.TaskState]int // that ended so
	operations                                                  map[mesospb.Offer_Operation_Type]int
	operationErrors, operationDrops                             map[mesospb.Offer_Operation_Type]int
	messages                                                    messageCounts
	dropped                                                     int // calls above the rate limit
	allocationRun, allocationLatency                            timing
}

// messageCounts are messages of frameworks, executors and agents, those that could be delivered and those that could not.
type messageCounts struct {
	toExecutor, toExecutorInvalid, toFramework, toFrameworkInvalid, executorExits, updateAgent, unregister int
	operationUpdates, operationUpdatesInvalid, operationAcks, operationAcksInvalid                         int
}

func newMetrics() metrics {
	return metrics{
		tasks:           map[mesospb.TaskState]int{},
		operations:      map[mesospb.Offer_Operation_Type]int{},
		operationErrors: map[mesospb.Offer_Operation_Type]int{},
		operationDrops:  map[mesospb.Offer_Operation_Type]int{},
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
		"agent_ping_timeout":                     text(m.cfg.AgentPingInterval),
		"agent_reregister_timeout":               text(m.cfg.AgentReregisterTimeout),
		"allocation_interval":                    text(m.cfg.AllocationInterval),
		"allocator":                              "hierarchical",
		"authenticate_agents":                    "false",
		"authenticate_frameworks":                "false",
		"filter_gpu_resources":                   flag(!m.cfg.OfferGPUsToAll),
		"framework_sorter":                       "drf",
		"hostname":                               m.cfg.Hostname,
		"ip":                                     m.Info().GetAddress().GetIp(),
		"max_agent_ping_timeouts":                itoa(m.cfg.AgentPingMisses),
		"max_completed_frameworks":               itoa(m.cfg.MaxCompletedFrameworks),
		"max_completed_tasks_per_framework":      itoa(m.cfg.MaxCompletedTasks),
		"max_operator_event_stream_subscribers":  itoa(maxSubscribers),
		"max_unreachable_tasks_per_framework":    itoa(m.cfg.MaxUnreachableTasks),
		"port":                                   itoa(int(m.Info().GetPort())),
		"offer_constraints_re2_max_program_size": itoa(allocator.MaxProgram),
		"publish_per_framework_metrics":          "true",
		"registry_gc_interval":                   text(registryInterval),
		"registry_max_agent_age":                 text(maxRegistryAge),
		"registry_max_agent_count":               itoa(maxRegistryAgents),
		"recovery_agent_removal_limit":           "100%",
		"require_agent_domain":                   "false",
		"registry":                               m.cfg.Registry.kind(),
		"role_sorter":                            "drf",
		"root_submissions":                       flag(!m.cfg.RefuseRoot),
	}
	f["min_allocatable_resources"] = "cpus:0.01|mem:32"
	if m.cfg.MinAllocatable != nil {
		var sets []string
		for _, set := range m.cfg.MinAllocatable {
			var amounts []string
			for _, name := range sortedKeys(set) {
				amounts = append(amounts, name+":"+strconv.FormatFloat(resources.FromFixed(set[name]), 'g', -1, 64))
			}
			sets = append(sets, strings.Join(amounts, ";"))
		}
		f["min_allocatable_resources"] = strings.Join(sets, "|")
	}
	if m.cfg.Domain != nil {
		f["domain"] = string(protoJSON(m.cfg.Domain))
	}
	if dir := m.cfg.Registry.dir(); dir != "" {
		f["work_dir"] = dir
	}
	if len(m.cfg.Weights) > 0 {
		var weights []string
		for _, role := range sortedKeys(m.cfg.Weights) {
			weights = append(weights, role+"="+strconv.FormatFloat(m.cfg.Weights[role], 'g', -1, 64))
		}
		f["weights"] = strings.Join(weights, ",")
	}
	if m.cfg.OfferTimeout > 0 {
		f["offer_timeout"] = text(m.cfg.OfferTimeout)
	}
	if m.cfg.RateLimits != nil {
		f["rate_limits"] = string(protoJSON(m.cfg.RateLimits))
	}
	if m.cfg.Roles != nil {
		f["roles"] = strings.Join(m.cfg.Roles, ",")
	}
	m.securityFlags(f)
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
