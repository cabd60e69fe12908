//lint:file-ignore SA1019 old fields are what legacy endpoints show.

package agent

// GET /state: what the agent is and runs, in the form that dashboards and the dcos and mesos command
// lines read. Tasks that have ended are completed here, acknowledged or not, as in Mesos.

import (
	"net/http"
	"slices"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func (a *Agent) legacyState(w http.ResponseWriter, r *http.Request) {
	var body []byte
	var err error
	if !a.do(w, r, func() { body, err = a.stateObject().MarshalJSON() }) {
		return
	}
	if err != nil {
		respondJSON(w, r, err.Error())
		return
	}
	respondJSON(w, r, rawJSON(body))
}

// rawJSON is JSON already.
type rawJSON []byte

// MarshalJSON returns it.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

func (a *Agent) stateObject() object {
	o := versionObject()
	o.add("start_time", number(float64(a.started.UnixNano())/1e9))
	o.add("id", a.id)
	o.add("pid", a.address.pid())
	o.add("hostname", a.cfg.Hostname)
	caps := []string{}
	for _, c := range capabilities {
		caps = append(caps, c.String())
	}
	o.add("capabilities", caps)
	o.add("resources", resourceObject(a.total))
	reserved := object{}
	full := object{}
	byRole := resources.ByReservation(a.total)
	for _, role := range sortedKeys(byRole) {
		reserved.add(role, resourceObject(byRole[role]))
		full.add(role, messages(resources.Endpoint(byRole[role])))
	}
	unreserved := resources.Filter(a.total, resources.IsUnreserved)
	used := a.usedResources()
	o.add("reserved_resources", reserved)
	o.add("unreserved_resources", resourceObject(unreserved))
	o.add("reserved_resources_full", full)
	o.add("unreserved_resources_full", messages(resources.Endpoint(unreserved)))
	allocated := object{}
	usedByRole := resources.ByReservation(used)
	for _, role := range sortedKeys(usedByRole) {
		allocated.add(role, resourceObject(usedByRole[role]))
	}
	o.add("reserved_resources_allocated", allocated)
	o.add("unreserved_resources_allocated", resourceObject(resources.Filter(used, resources.IsUnreserved)))
	o.add("attributes", attributesObject(a.attributes))
	if a.masterInfo != nil {
		o.add("master_hostname", a.masterInfo.GetHostname())
	}
	if a.may(auth.ViewFlags) {
		o.add("flags", a.flagsObject())
	}
	if a.cfg.Domain != nil {
		o.add("domain", message{a.cfg.Domain})
	}
	if a.drain != nil {
		o.add("drain_config", message{a.drainConfig()})
		o.add("estimated_drain_start_time_seconds", number(float64(a.drainedFrom.UnixNano())/1e9))
	}
	frameworks, completed := []object{}, []object{}
	a.allFrameworks(func(f *framework, over bool) {
		if over {
			completed = append(completed, a.frameworkObject(f))
		} else {
			frameworks = append(frameworks, a.frameworkObject(f))
		}
	})
	o.add("frameworks", frameworks)
	o.add("completed_frameworks", completed)
	return o
}

func (a *Agent) frameworkObject(f *framework) object {
	o := object{
		{"id", f.id()}, {"name", f.info.GetName()}, {"user", f.info.GetUser()},
		{"failover_timeout", number(f.info.GetFailoverTimeout())}, {"checkpoint", f.info.GetCheckpoint()},
		{"hostname", f.info.GetHostname()},
	}
	if f.info.Principal != nil {
		o.add("principal", f.info.GetPrincipal())
	}
	if f.has(mesospb.FrameworkInfo_Capability_MULTI_ROLE) {
		o.add("roles", append([]string{}, f.info.GetRoles()...))
	} else {
		o.add("role", f.info.GetRole())
	}
	executors, completed := []object{}, []object{}
	for _, e := range a.visibleExecutors(sorted(f.executors)) {
		executors = append(executors, a.executorObject(e))
	}
	for _, e := range a.visibleExecutors(f.completed) {
		completed = append(completed, a.executorObject(e))
	}
	o.add("executors", executors)
	o.add("completed_executors", completed)
	return o
}

func (a *Agent) executorObject(e *executor) object {
	held := e.heldResources()
	o := object{
		{"id", e.id()}, {"name", e.info.GetName()}, {"source", e.info.GetSource()},
		{"container", e.containerID.GetValue()}, {"directory", e.dir}, {"resources", resourceObject(held)},
	}
	if len(held) > 0 {
		o.add("role", resources.AllocationRole(held[0]))
	}
	if e.info.GetLabels() != nil {
		o.add("labels", messages(e.info.GetLabels().GetLabels()))
	}
	if e.info.Type != nil {
		o.add("type", e.info.GetType().String())
	}
	tasks, queued, completed := []object{}, []object{}, []object{}
	for _, t := range a.visibleTasks(e.framework, e.completed) {
		completed = append(completed, taskObject(t.wire))
	}
	for _, t := range a.visibleTasks(e.framework, sorted(e.tasks)) {
		switch t.stage {
		case taskQueued:
			queued = append(queued, queuedObject(t))
		case taskLaunched:
			tasks = append(tasks, taskObject(t.wire))
		default:
			completed = append(completed, taskObject(t.wire))
		}
	}
	o.add("tasks", tasks)
	o.add("queued_tasks", queued)
	o.add("completed_tasks", completed)
	return o
}

// queuedObject describes a task that its executor has not got.
func queuedObject(t *task) object {
	return object{
		{"id", t.id()}, {"name", t.info.GetName()}, {"framework_id", t.wire.GetFrameworkId().GetValue()},
		{"executor_id", t.wire.GetExecutorId().GetValue()}, {"slave_id", t.wire.GetAgentId().GetValue()},
		{"resources", resourceObject(t.info.GetResources())},
	}
}

// taskObject is a task as all legacy endpoints write it.
func taskObject(t *mesospb.Task) object {
	o := object{
		{"id", t.GetTaskId().GetValue()}, {"name", t.GetName()}, {"framework_id", t.GetFrameworkId().GetValue()},
		{"executor_id", t.GetExecutorId().GetValue()}, {"slave_id", t.GetAgentId().GetValue()},
		{"state", t.GetState().String()}, {"resources", resourceObject(t.GetResources())},
	}
	if r := t.GetResources(); len(r) > 0 {
		o.add("role", resources.AllocationRole(r[0]))
	}
	statuses := []object{}
	for _, s := range t.GetStatuses() {
		statuses = append(statuses, statusObject(s))
	}
	o.add("statuses", statuses)
	if t.User != nil {
		o.add("user", t.GetUser())
	}
	if t.GetLabels() != nil {
		o.add("labels", messages(t.GetLabels().GetLabels()))
	}
	if t.GetDiscovery() != nil {
		o.add("discovery", message{t.GetDiscovery()})
	}
	if t.GetContainer() != nil {
		o.add("container", message{t.GetContainer()})
	}
	if t.GetHealthCheck() != nil {
		o.add("health_check", message{t.GetHealthCheck()})
	}
	return o
}

func statusObject(s *mesospb.TaskStatus) object {
	o := object{{"state", s.GetState().String()}, {"timestamp", number(s.GetTimestamp())}}
	if s.GetLabels() != nil {
		o.add("labels", messages(s.GetLabels().GetLabels()))
	}
	if s.GetContainerStatus() != nil {
		o.add("container_status", message{s.GetContainerStatus()})
	}
	if s.Healthy != nil {
		o.add("healthy", s.GetHealthy())
	}
	if s.GetCheckStatus() != nil {
		o.add("check_status", message{s.GetCheckStatus()})
	}
	return o
}

// attributesObject is the legacy form of attributes: numbers and text.
func attributesObject(list []*mesospb.Attribute) object {
	o := object{}
	for _, at := range list {
		if at.GetType() == mesospb.Value_SCALAR {
			o.add(at.GetName(), number(at.GetScalar().GetValue()))
		} else {
			o.add(at.GetName(), resources.AttributeString(at))
		}
	}
	return o
}

// heldResources are those of an executor and of its tasks that have not ended.
func (e *executor) heldResources() []*mesospb.Resource {
	var lists [][]*mesospb.Resource
	if e.kind != commandKind && e.state != executorTerminated {
		lists = append(lists, e.info.GetResources())
	}
	for _, t := range sorted(e.tasks) {
		if t.live() {
			lists = append(lists, t.info.GetResources())
		}
	}
	return resources.Sum(lists...)
}

// usedResources are those of all executors and tasks.
func (a *Agent) usedResources() []*mesospb.Resource {
	var lists [][]*mesospb.Resource
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			lists = append(lists, e.heldResources())
		}
	}
	return resources.Sum(lists...)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
