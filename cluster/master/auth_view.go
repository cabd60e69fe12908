package master

import (
	"cmp"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// What ACLs hide: view_frameworks, view_tasks and view_executors by user, view_roles by role. What somebody may not see is left out of
// answers and event streams, as if it were not there. A framework that is hidden hides its tasks and executors. Agents are shown
// whole, what is reserved for hidden roles included.

// sees reports whether on whose behalf the loop acts may see a framework.
func (m *Master) sees(f *framework) bool { return m.may(auth.ViewFrameworks, f.info.GetUser()) }

// seesTask reports the same of a task.
func (m *Master) seesTask(t *task) bool {
	return m.may(auth.ViewTasks, cmp.Or(t.user, t.framework.info.GetUser())) && m.sees(t.framework)
}

// seesExecutor reports the same of an executor. Frameworks that are not known hide nothing.
func (m *Master) seesExecutor(framework string, info *mesospb.ExecutorInfo) bool {
	f := m.frameworks[framework]
	if f == nil {
		return m.may(auth.ViewExecutors, info.GetCommand().GetUser())
	}
	return m.may(auth.ViewExecutors, cmp.Or(info.GetCommand().GetUser(), f.info.GetUser())) && m.sees(f)
}

// seesRole reports the same of a role.
func (m *Master) seesRole(role string) bool { return m.may(auth.ViewRoles, role) }

// visible returns the frameworks that may be seen, by id.
func (m *Master) visible() (list []*framework) {
	for _, id := range sortedKeys(m.frameworks) {
		if f := m.frameworks[id]; m.sees(f) {
			list = append(list, f)
		}
	}
	return list
}

// visibleCompleted returns those that were removed, in the order of their end.
func (m *Master) visibleCompleted() (list []*framework) {
	for _, f := range m.completed {
		if m.sees(f) {
			list = append(list, f)
		}
	}
	return list
}

// visibleTasks returns those of a list that may be seen.
func (m *Master) visibleTasks(list []*task) []*task {
	if !m.caller.remote || m.cfg.Authorizer == nil {
		return list
	}
	var out []*task
	for _, t := range list {
		if m.seesTask(t) {
			out = append(out, t)
		}
	}
	return out
}

// tasksOf returns the tasks of a framework that are there and may be seen, by id.
func (m *Master) tasksOf(f *framework) []*task {
	list := make([]*task, 0, len(f.tasks))
	for _, id := range sortedKeys(f.tasks) {
		list = append(list, f.tasks[id])
	}
	return m.visibleTasks(list)
}

// as runs f on behalf of somebody.
func (m *Master) as(c caller, f func()) {
	was := m.caller
	m.caller = c
	defer func() { m.caller = was }()
	f()
}
