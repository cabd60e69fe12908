package master

//lint:file-ignore SA1019 deprecated fields and calls are part of what a master serves

import (
	"encoding/json"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// The endpoints that are older than the v1 API and that dashboards read (docs/behaviour.md#operator-api, Legacy): /state, /state-summary, /slaves,
// /frameworks, /tasks and /roles.

// respondWith builds a value on the loop and answers with it.
func (m *Master) respondWith(w http.ResponseWriter, r *http.Request, build func() any) {
	var value any
	if err := m.doFor(r, func() { value = build() }); err != nil {
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
		return
	}
	writeJSON(w, r, value)
}

func (m *Master) serveState(w http.ResponseWriter, r *http.Request) {
	m.respondWith(w, r, func() any { return m.legacyState() })
}

// serveRegistry is /registrar(1)/registry: what the registry has of agents, in the JSON of Mesos' registry/registry.proto.
func (m *Master) serveRegistry(w http.ResponseWriter, r *http.Request) {
	m.respondWith(w, r, func() any {
		admitted, unreachable, gone := []object{}, []object{}, []object{}
		for _, id := range sortedKeys(m.agents) {
			admitted = append(admitted, object{{"info", protoJSON(m.agents[id].info)}})
		}
		at := func(id string, t time.Time) object {
			return object{{"id", object{{"value", id}}}, {"timestamp", object{{"nanoseconds", t.UnixNano()}}}}
		}
		for _, id := range sortedKeys(m.unreachable) {
			unreachable = append(unreachable, at(id, m.unreachable[id].since))
		}
		for _, id := range sortedKeys(m.gone) {
			gone = append(gone, at(id, m.gone[id]))
		}
		return object{
			{"master", object{{"info", protoJSON(m.Info())}}}, {"slaves", object{{"slaves", admitted}}},
			{"unreachable", object{{"slaves", unreachable}}}, {"gone", object{{"slaves", gone}}},
		}
	})
}

func (m *Master) legacyState() object {
	self := m.Info()
	active := 0
	agents, frameworks, completed := []object{}, []object{}, []object{}
	for _, id := range sortedKeys(m.agents) {
		if m.agents[id].active() {
			active++
		}
		agents = append(agents, m.legacyAgent(m.agents[id]))
	}
	used := m.used()
	for _, f := range m.visible() {
		frameworks = append(frameworks, m.legacyFramework(f, resourcesOfPool(used[f.id])))
	}
	for _, f := range m.visibleCompleted() {
		completed = append(completed, m.legacyFramework(f, nil))
	}
	capabilities := []string{}
	for _, c := range masterCapabilities {
		capabilities = append(capabilities, c.String())
	}
	flags := object{}
	all := m.flags()
	if !m.may(auth.ViewFlags) {
		clear(all)
	}
	for _, name := range sortedKeys(all) {
		flags.add(name, all[name])
	}
	o := object{
		{"version", Version},
		{"start_time", number(seconds(m.started))},
		{"elected_time", number(seconds(m.elected))},
		{"id", self.GetId()},
		{"pid", self.GetPid()},
		{"hostname", self.GetHostname()},
		{"capabilities", capabilities},
		{"activated_slaves", number(active)},
		{"deactivated_slaves", number(len(m.agents) - active)},
		{"unreachable_slaves", number(len(m.unreachable))},
		{"leader", self.GetPid()},
		{"leader_info", object{
			{"id", self.GetId()}, {"pid", self.GetPid()}, {"port", self.GetPort()}, {"hostname", self.GetHostname()},
		}},
		{"flags", flags},
		{"slaves", agents},
		{"recovered_slaves", m.legacyRecovered()},
		{"frameworks", frameworks},
		{"completed_frameworks", completed},
		{"orphan_tasks", []object{}},
		{"unregistered_frameworks", []object{}},
	}
	if m.cfg.Domain != nil {
		o.add("domain", protoJSON(m.cfg.Domain))
	}
	if m.cfg.LogFile != "" {
		o.add("external_log_file", m.cfg.LogFile)
	}
	return o
}

// legacyRecovered are the agents that are not back after a failover of the master.
func (m *Master) legacyRecovered() []object {
	out := []object{}
	for _, id := range sortedKeys(m.recovered) {
		out = append(out, legacyAgentInfo(id, m.recovered[id].info))
	}
	return out
}

// legacyAgentInfo is how an agent describes itself.
func legacyAgentInfo(id string, info *mesospb.AgentInfo) object {
	o := object{
		{"id", id},
		{"hostname", info.GetHostname()},
		{"port", info.GetPort()},
		{"attributes", legacyAttributes(info.GetAttributes())},
	}
	if d := info.GetDomain(); d != nil {
		o.add("domain", protoJSON(d))
	}
	return o
}

// legacyAgent is an agent in /state, /state-summary and /slaves.
func (m *Master) legacyAgent(a *agent) object {
	used, offered := a.usedAndOffered()
	capabilities := []string{}
	for _, c := range a.desc.Capabilities {
		capabilities = append(capabilities, c.String())
	}
	reserved, unreserved := splitReserved(a.desc.Total)
	byRole := object{}
	for _, role := range sortedKeys(reserved) {
		byRole.add(role, legacyResources(reserved[role]))
	}
	o := append(legacyAgentInfo(a.id, a.info), object{
		{"pid", a.desc.PID},
		{"registered_time", number(seconds(a.registered))},
	}...)
	if !a.reregistered.IsZero() {
		o.add("reregistered_time", number(seconds(a.reregistered)))
	}
	o = append(o, object{
		{"resources", legacyResources(a.desc.Total)},
		{"used_resources", legacyResources(used)},
		{"offered_resources", legacyResources(offered)},
		{"reserved_resources", byRole},
		{"unreserved_resources", legacyResources(unreserved)},
		{"active", a.active()},
		{"deactivated", a.deactivated},
		{"version", a.desc.Version},
		{"capabilities", capabilities},
	}...)
	if a.drain != nil {
		o.add("drain_info", protoJSON(a.drain))
		o.add("estimated_drain_start_time_seconds", number(a.drainStart.Unix()))
	}
	return o
}

// legacyFramework is a framework in /state and /frameworks.
func (m *Master) legacyFramework(f *framework, used []*mesospb.Resource) object {
	o := m.legacyFrameworkSummary(f, used)
	i := f.info
	o = append(o, object{
		{"user", i.GetUser()},
		{"failover_timeout", number(i.GetFailoverTimeout())},
		{"checkpoint", i.GetCheckpoint()},
		{"registered_time", number(seconds(f.registered))},
		{"unregistered_time", number(unixOrZero(f))},
	}...)
	if i.Principal != nil {
		o.add("principal", i.GetPrincipal())
	}
	if f.reregistered != f.registered {
		o.add("reregistered_time", number(seconds(f.reregistered)))
	}
	o.add("resources", legacyResources(append(append([]*mesospb.Resource{}, used...), offeredTo(f)...)))
	if f.caps.multiRole {
		o.add("roles", append([]string{}, f.roles...))
	} else {
		o.add("role", i.GetRole())
	}
	tasks, unreachable, completed, offers := []object{}, []object{}, []object{}, []object{}
	for _, t := range m.tasksOf(f) {
		tasks = append(tasks, legacyTask(t))
	}
	for _, t := range m.visibleTasks(f.unreachable.list) {
		unreachable = append(unreachable, legacyTask(t))
	}
	for _, t := range m.visibleTasks(f.completedTasks.list) {
		completed = append(completed, legacyTask(t))
	}
	for _, id := range sortedKeys(f.offers) {
		of := f.offers[id]
		offers = append(offers, object{
			{"id", of.id}, {"framework_id", f.id}, {"allocation_info", object{{"role", of.role}}}, {"slave_id", of.agent.id},
			{"resources", legacyResources(of.resources)},
		})
	}
	o = append(o, object{
		{"tasks", tasks},
		{"unreachable_tasks", unreachable},
		{"completed_tasks", completed},
		{"offers", offers},
		{"executors", m.legacyExecutors(f)},
	}...)
	if f.constraints != nil {
		o.add("offer_constraints", protoJSON(f.constraints))
	} else {
		o.add("offer_constraints", object{})
	}
	if i.Labels != nil {
		o.add("labels", legacyLabels(i.Labels))
	}
	return o
}

func unixOrZero(f *framework) float64 {
	if f.unregistered.IsZero() {
		return 0
	}
	return seconds(f.unregistered)
}

// legacyFrameworkSummary is what /state-summary and the others have in common.
func (m *Master) legacyFrameworkSummary(f *framework, used []*mesospb.Resource) object {
	capabilities := []string{}
	for _, c := range f.info.GetCapabilities() {
		capabilities = append(capabilities, c.GetType().String())
	}
	return object{
		{"id", f.id},
		{"name", f.info.GetName()},
		{"used_resources", legacyResources(used)},
		{"offered_resources", legacyResources(offeredTo(f))},
		{"capabilities", capabilities},
		{"hostname", f.info.GetHostname()},
		{"webui_url", f.info.GetWebuiUrl()},
		{"active", f.active},
		{"connected", f.connected},
		{"recovered", f.recovered},
	}
}

func (m *Master) legacyExecutors(f *framework) []object {
	out := []object{}
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		for _, e := range sortedKeys(a.executors[f.id]) {
			info := a.executors[f.id][e]
			if !m.seesExecutor(f.id, info) {
				continue
			}
			o := object{
				{"executor_id", e}, {"name", info.GetName()}, {"framework_id", f.id},
				{"command", protoJSON(info.GetCommand())}, {"resources", legacyResources(info.GetResources())},
			}
			if l := info.GetLabels(); l != nil {
				o.add("labels", legacyLabels(l))
			}
			out = append(out, append(o, field{"type", info.GetType().String()}, field{"slave_id", a.id}))
		}
	}
	return out
}

// legacyTask is a task in /state and /tasks.
func legacyTask(t *task) object {
	p := t.pb()
	o := object{
		{"id", t.id}, {"name", p.GetName()}, {"framework_id", t.framework.id}, {"executor_id", t.executor}, {"slave_id", t.agentID},
		{"state", t.state.String()}, {"resources", legacyResources(t.resources)},
	}
	if len(t.resources) > 0 {
		o.add("role", t.resources[0].GetAllocationInfo().GetRole())
	}
	if t.user != "" {
		o.add("user", t.user)
	}
	statuses := []object{}
	for _, s := range t.statuses {
		e := object{{"state", s.GetState().String()}, {"timestamp", number(s.GetTimestamp())}}
		if s.Labels != nil {
			e.add("labels", legacyLabels(s.Labels))
		}
		if c := s.ContainerStatus; c != nil {
			c = proto.CloneOf(c)
			c.ExecutorPid = nil
			e.add("container_status", protoJSON(c))
		}
		if s.Healthy != nil {
			e.add("healthy", s.GetHealthy())
		}
		if s.CheckStatus != nil {
			e.add("check_status", protoJSON(s.CheckStatus))
		}
		statuses = append(statuses, e)
	}
	o.add("statuses", statuses)
	if p.Labels != nil {
		o.add("labels", legacyLabels(p.Labels))
	}
	if p.Discovery != nil {
		o.add("discovery", protoJSON(p.Discovery))
	}
	if p.Container != nil {
		o.add("container", protoJSON(p.Container))
	}
	return o
}

// protoJSON encodes a message as the v1 API does.
func protoJSON(m proto.Message) json.RawMessage {
	if !m.ProtoReflect().IsValid() {
		return json.RawMessage("null")
	}
	b, err := codec.ServerJSON.Append(nil, m)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

func legacyLabels(l *mesospb.Labels) json.RawMessage {
	out := []json.RawMessage{}
	for _, e := range l.GetLabels() {
		out = append(out, protoJSON(e))
	}
	b, err := json.Marshal(out)
	if err != nil {
		return json.RawMessage("[]")
	}
	return b
}

func (m *Master) serveAgents(w http.ResponseWriter, r *http.Request) {
	only := r.URL.Query().Get("slave_id")
	m.respondWith(w, r, func() any {
		agents := []object{}
		for _, id := range sortedKeys(m.agents) {
			if only == "" || only == id {
				agents = append(agents, m.legacyAgentFull(m.agents[id]))
			}
		}
		return object{{"slaves", agents}, {"recovered_slaves", m.legacyRecovered()}}
	})
}

func (m *Master) serveFrameworks(w http.ResponseWriter, r *http.Request) {
	only := r.URL.Query().Get("framework_id")
	m.respondWith(w, r, func() any {
		frameworks, completed := []object{}, []object{}
		used := m.used()
		for _, f := range m.visible() {
			if only == "" || only == f.id {
				frameworks = append(frameworks, m.legacyFramework(f, resourcesOfPool(used[f.id])))
			}
		}
		for _, f := range m.visibleCompleted() {
			if only == "" || only == f.id {
				completed = append(completed, m.legacyFramework(f, nil))
			}
		}
		return object{{"frameworks", frameworks}, {"completed_frameworks", completed}, {"unregistered_frameworks", []object{}}}
	})
}

// summaryStates are the states that /state-summary counts.
var summaryStates = []mesospb.TaskState{
	mesospb.TaskState_TASK_STAGING, mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_KILLING,
	mesospb.TaskState_TASK_FINISHED, mesospb.TaskState_TASK_KILLED, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_LOST,
	mesospb.TaskState_TASK_ERROR, mesospb.TaskState_TASK_UNREACHABLE,
}

func (m *Master) serveStateSummary(w http.ResponseWriter, r *http.Request) {
	m.respondWith(w, r, func() any {
		type tally struct {
			states map[mesospb.TaskState]int
			peers  map[string]bool
		}
		byAgent, byFramework := map[string]*tally{}, map[string]*tally{}
		count := func(in map[string]*tally, key, peer string, s mesospb.TaskState) {
			if in[key] == nil {
				in[key] = &tally{map[mesospb.TaskState]int{}, map[string]bool{}}
			}
			in[key].states[s]++
			in[key].peers[peer] = true
		}
		for _, f := range m.visible() {
			each := func(t *task) {
				count(byAgent, t.agentID, f.id, t.state)
				count(byFramework, f.id, t.agentID, t.state)
			}
			for _, t := range f.tasks {
				each(t)
			}
			for _, t := range append(append([]*task{}, f.unreachable.list...), f.completedTasks.list...) {
				each(t)
			}
		}
		finish := func(o object, t *tally, peers string) object {
			if t == nil {
				t = &tally{}
			}
			for _, s := range summaryStates {
				o.add(s.String(), t.states[s])
			}
			return o.with(peers, append([]string{}, sortedKeys(t.peers)...))
		}
		agents, frameworks := []object{}, []object{}
		for _, id := range sortedKeys(m.agents) {
			agents = append(agents, finish(m.legacyAgent(m.agents[id]), byAgent[id], "framework_ids"))
		}
		used := m.used()
		for _, f := range m.visible() {
			frameworks = append(frameworks, finish(m.legacyFrameworkSummary(f, resourcesOfPool(used[f.id])), byFramework[f.id], "slave_ids"))
		}
		return object{{"hostname", m.Info().GetHostname()}, {"slaves", agents}, {"frameworks", frameworks}}
	})
}

// serveTasks is /tasks: the newest first, 100 of them, unless limit, offset and order=asc say otherwise.
func (m *Master) serveTasks(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, offset := 100, 0
	for name, v := range map[string]*int{"limit": &limit, "offset": &offset} {
		if s := q.Get(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 {
				httpapi.Error(w, http.StatusBadRequest, "Failed to parse query parameter '"+name+"': not a number: "+s)
				return
			}
			*v = n
		}
	}
	ascending := strings.EqualFold(q.Get("order"), "asc")
	m.respondWith(w, r, func() any {
		var tasks []*task
		for f := range m.allFrameworks {
			if want := q.Get("framework_id"); want != "" && want != f.id {
				continue
			}
			each := func(t *task) {
				if want := q.Get("task_id"); (want == "" || want == t.id) && m.seesTask(t) {
					tasks = append(tasks, t)
				}
			}
			for _, id := range sortedKeys(f.tasks) {
				each(f.tasks[id])
			}
			for _, t := range append(append([]*task{}, f.unreachable.list...), f.completedTasks.list...) {
				each(t)
			}
		}
		first := func(t *task) float64 {
			if len(t.statuses) == 0 {
				return 0
			}
			return t.statuses[0].GetTimestamp()
		}
		sort.SliceStable(tasks, func(i, j int) bool {
			if ascending {
				return first(tasks[i]) < first(tasks[j])
			}
			return first(tasks[i]) > first(tasks[j])
		})
		tasks = tasks[min(offset, len(tasks)):]
		out := []object{}
		for _, t := range tasks[:min(limit, len(tasks))] {
			out = append(out, legacyTask(t))
		}
		return object{{"tasks", out}}
	})
}

func (m *Master) serveRoles(w http.ResponseWriter, r *http.Request) {
	m.respondWith(w, r, func() any {
		roles := []object{}
		for _, s := range m.roleSummaries() {
			quota := object{{"role", s.name}, {"guarantee", object{}}, {"limit", object{}}}
			if q := m.quotas[s.name]; q != nil {
				quota[1].value, quota[2].value = legacyQuantities(q.guarantees), legacyQuantities(q.limits)
			}
			quota.add("consumed", legacyQuantities(m.consumed(s.name)))
			all := append(s.allocated.Resources(), s.offered.Resources()...)
			roles = append(roles, object{
				{"name", s.name}, {"weight", number(s.weight)}, {"quota", quota},
				{"resources", plainQuantities(all)}, {"allocated", plainQuantities(s.allocated.Resources())},
				{"offered", plainQuantities(s.offered.Resources())}, {"reserved", plainQuantities(s.reserved.Resources())},
				{"frameworks", append([]string{}, s.frameworks...)},
			})
		}
		return object{{"roles", roles}}
	})
}
