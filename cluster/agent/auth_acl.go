//lint:file-ignore SA1019 the older names of the calls are part of the API.

package agent

import (
	"net/http"
	"path"
	"strings"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// What ACLs forbid on an agent, always with 403 "403 Forbidden.":
//
//   - paths: get_endpoints, view_flags
//   - nested containers: by the user of the executor that they belong to, and of the command that is to run
//   - standalone containers, log level, images: all or nothing
//   - sandboxes and logs: access_sandboxes by the user of the executor, access_mesos_logs
//
// The bearer of an executor's token may launch, wait for, kill, remove and watch containers in its own, and nothing else.

// mayGet judges a request by its path alone.
func (a *Agent) mayGet(p *auth.Principal, r *http.Request) bool {
	endpoint := strings.TrimRight(r.URL.Path, "/")
	switch {
	case a.cfg.Authorizer == nil:
		return true
	case auth.Authorizable(endpoint):
		return a.cfg.Authorizer.Approve(p, auth.GetEndpoints, endpoint)
	case endpoint == "/flags":
		return a.cfg.Authorizer.Approve(p, auth.ViewFlags)
	case strings.HasPrefix(endpoint, "/files/"):
		ok := false
		err := a.loop.Do(r.Context(), func() { ok = a.mayRead(p, r.URL.Query().Get("path")) })
		return ok || err != nil // who closes answers for itself
	}
	return true
}

// mayRead reports whether a principal may see a file, by the path under which it is attached.
func (a *Agent) mayRead(p *auth.Principal, file string) bool {
	file = path.Clean("/" + strings.TrimSpace(file))
	if file == "/slave/log" || strings.HasPrefix(file, "/slave/log/") {
		return a.cfg.Authorizer.Approve(p, auth.AccessMesosLogs)
	}
	parts := strings.Split(file, "/")
	for i := range parts {
		// …/frameworks/F/executors/E/…, in virtual paths and in those of the work directory
		if i+3 < len(parts) && parts[i] == "frameworks" && parts[i+2] == "executors" {
			if user, known := a.sandboxUser(parts[i+1], parts[i+3]); known {
				return a.cfg.Authorizer.Approve(p, auth.AccessSandboxes, user)
			}
		}
	}
	return a.cfg.Authorizer.Approve(p, auth.AccessSandboxes)
}

// sandboxUser finds as whom an executor runs, one that has ended included.
func (a *Agent) sandboxUser(framework, executorID string) (string, bool) {
	f := a.frameworks[framework]
	for _, old := range a.completed {
		if f == nil && old.id() == framework {
			f = old
		}
	}
	if f == nil {
		return "", false
	}
	if e := f.executors[executorID]; e != nil {
		return a.userOf(e.framework, e.info.GetCommand()), true
	}
	for _, e := range f.completed {
		if e.id() == executorID {
			return a.userOf(e.framework, e.info.GetCommand()), true
		}
	}
	return f.info.GetUser(), true
}

// containerActions are the actions of calls about nested containers and about standalone ones.
var containerActions = map[agentpb.Call_Type]struct{ nested, standalone auth.Action }{
	agentpb.Call_LAUNCH_CONTAINER:                {auth.LaunchNestedContainersUnderParent, auth.LaunchStandaloneContainers},
	agentpb.Call_LAUNCH_NESTED_CONTAINER:         {auth.LaunchNestedContainersUnderParent, ""},
	agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION: {auth.LaunchNestedSessionsUnderParent, ""},
	agentpb.Call_WAIT_CONTAINER:                  {auth.WaitNestedContainers, auth.WaitStandaloneContainers},
	agentpb.Call_WAIT_NESTED_CONTAINER:           {auth.WaitNestedContainers, ""},
	agentpb.Call_KILL_CONTAINER:                  {auth.KillNestedContainers, auth.KillStandaloneContainers},
	agentpb.Call_KILL_NESTED_CONTAINER:           {auth.KillNestedContainers, ""},
	agentpb.Call_REMOVE_CONTAINER:                {auth.RemoveNestedContainers, auth.RemoveStandaloneContainers},
	agentpb.Call_REMOVE_NESTED_CONTAINER:         {auth.RemoveNestedContainers, ""},
	agentpb.Call_ATTACH_CONTAINER_OUTPUT:         {auth.AttachContainersOutput, auth.AttachContainersOutput},
}

// mayCall judges a call of the operator API, on the loop.
func (a *Agent) mayCall(p *auth.Principal, call *agentpb.Call) bool {
	id := containerIDOf(call)
	actions, aboutContainer := containerActions[call.GetType()]
	if p != nil && p.Claims != nil {
		// Executors act on what is in their own container.
		own, ok := p.Claims[auth.ClaimContainer]
		return aboutContainer && ok && own == rootOf(id)
	}
	switch call.GetType() {
	case agentpb.Call_GET_FLAGS:
		return a.cfg.Authorizer.Approve(p, auth.ViewFlags)
	case agentpb.Call_SET_LOGGING_LEVEL:
		return a.cfg.Authorizer.Approve(p, auth.SetLogLevel)
	case agentpb.Call_PRUNE_IMAGES:
		return a.cfg.Authorizer.Approve(p, auth.PruneImages)
	case agentpb.Call_LIST_FILES:
		return a.mayRead(p, call.GetListFiles().GetPath())
	case agentpb.Call_READ_FILE:
		return a.mayRead(p, call.GetReadFile().GetPath())
	}
	if !aboutContainer {
		return true
	}
	nested := id.GetParent() != nil || actions.standalone == actions.nested
	if !nested {
		return a.cfg.Authorizer.Approve(p, actions.standalone)
	}
	if child, command, launches := launchOf(call); launches {
		// A command that names no user asks for any.
		var users []string
		if u := command.GetUser(); u != "" {
			users = []string{u}
		}
		if command != nil && !a.cfg.Authorizer.Approve(p, child, users...) {
			return false
		}
	}
	return a.mayActIn(p, actions.nested, id)
}

// mayActIn asks about the user of the executor that a container belongs to.
func (a *Agent) mayActIn(p *auth.Principal, action auth.Action, id *mesospb.ContainerID) bool {
	for ; id != nil; id = id.GetParent() {
		if c := a.containers[containerKey(id)]; c != nil && c.executor != nil {
			return a.cfg.Authorizer.Approve(p, action, a.userOf(c.executor.framework, c.executor.info.GetCommand()))
		}
	}
	return a.cfg.Authorizer.Approve(p, action)
}

// launchOf returns what a call launches, and the action of doing it as a user.
func launchOf(call *agentpb.Call) (auth.Action, *mesospb.CommandInfo, bool) {
	switch call.GetType() {
	case agentpb.Call_LAUNCH_CONTAINER:
		return auth.LaunchNestedContainersAsUser, call.GetLaunchContainer().GetCommand(), true
	case agentpb.Call_LAUNCH_NESTED_CONTAINER:
		return auth.LaunchNestedContainersAsUser, call.GetLaunchNestedContainer().GetCommand(), true
	case agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION:
		return auth.LaunchNestedSessionsAsUser, call.GetLaunchNestedContainerSession().GetCommand(), true
	}
	return "", nil, false
}

// rootOf is the container at the top.
func rootOf(id *mesospb.ContainerID) string {
	for id.GetParent() != nil {
		id = id.GetParent()
	}
	return id.GetValue()
}
