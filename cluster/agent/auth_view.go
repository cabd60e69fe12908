package agent

import (
	"cmp"

	"github.com/mesokit/mesokit/cluster/auth"
)

// What ACLs hide: view_frameworks, view_tasks, view_executors and view_containers by user. What somebody may not see is left out of
// answers, as if it were not there.

// caller is on whose behalf the loop acts.
type caller struct {
	remote    bool // by HTTP; the agent itself may everything
	principal *auth.Principal
}

// may reports whether on whose behalf the loop acts may do something.
func (a *Agent) may(action auth.Action, objects ...string) bool {
	return !a.caller.remote || a.cfg.Authorizer.Approve(a.caller.principal, action, objects...)
}

// sees reports whether on whose behalf the loop acts may see a framework.
func (a *Agent) sees(f *framework) bool { return a.may(auth.ViewFrameworks, f.info.GetUser()) }

// guarded reports whether anything may be hidden.
func (a *Agent) guarded() bool { return a.caller.remote && a.cfg.Authorizer != nil }

// visibleTasks returns those of a framework's tasks that may be seen.
func (a *Agent) visibleTasks(f *framework, list []*task) []*task {
	if !a.guarded() {
		return list
	}
	var out []*task
	for _, t := range list {
		if a.may(auth.ViewTasks, cmp.Or(t.wire.GetUser(), f.info.GetUser())) {
			out = append(out, t)
		}
	}
	return out
}

// visibleExecutors returns those executors that may be seen.
func (a *Agent) visibleExecutors(list []*executor) []*executor {
	if !a.guarded() {
		return list
	}
	var out []*executor
	for _, e := range list {
		if a.may(auth.ViewExecutors, a.userOf(e.framework, e.info.GetCommand())) {
			out = append(out, e)
		}
	}
	return out
}
