//lint:file-ignore SA1019 the older names of the calls are part of the API.

package agent

// Containers by the operator API: docs/behaviour.md#operator-api. The calls that are named after nested containers are older
// names of the others.
//
//   - LAUNCH_CONTAINER, LAUNCH_NESTED_CONTAINER: 200 when it has been started, 202 if there is one of this
//     id, 400 if it cannot be launched. With a parent it is nested in a container that runs, without
//     one it stands alone.
//   - WAIT_*: 200 with exit_status when it has ended; at once if it has already; 404 if it is unknown.
//   - KILL_*: signal, default SIGKILL: 200; 404 if it is unknown.
//   - REMOVE_*: the sandbox and the record of one that has ended: 200, unknown ones too; 500 while
//     it runs.
//   - GET_CONTAINERS: executors', with show_nested and show_standalone the others too.

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// endedContainer is the record of a container of the operator API, or of a task, that has ended. It stays
// until it is removed, or its root container is gone.
type endedContainer struct {
	dir    string
	status *process.Status
	cause  *cause
}

// containerIDOf returns the container that a call is about, nil if it is about none.
func containerIDOf(c *agentpb.Call) *mesospb.ContainerID {
	switch c.GetType() {
	case agentpb.Call_LAUNCH_CONTAINER:
		return c.GetLaunchContainer().GetContainerId()
	case agentpb.Call_LAUNCH_NESTED_CONTAINER:
		return c.GetLaunchNestedContainer().GetContainerId()
	case agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION:
		return c.GetLaunchNestedContainerSession().GetContainerId()
	case agentpb.Call_WAIT_CONTAINER:
		return c.GetWaitContainer().GetContainerId()
	case agentpb.Call_WAIT_NESTED_CONTAINER:
		return c.GetWaitNestedContainer().GetContainerId()
	case agentpb.Call_KILL_CONTAINER:
		return c.GetKillContainer().GetContainerId()
	case agentpb.Call_KILL_NESTED_CONTAINER:
		return c.GetKillNestedContainer().GetContainerId()
	case agentpb.Call_REMOVE_CONTAINER:
		return c.GetRemoveContainer().GetContainerId()
	case agentpb.Call_REMOVE_NESTED_CONTAINER:
		return c.GetRemoveNestedContainer().GetContainerId()
	case agentpb.Call_ATTACH_CONTAINER_OUTPUT:
		return c.GetAttachContainerOutput().GetContainerId()
	}
	return nil
}

// validateContainerCall returns what is wrong with the container id of a call.
func validateContainerCall(c *agentpb.Call) string {
	id := containerIDOf(c)
	if id == nil {
		return ""
	}
	name := strings.ToLower(c.GetType().String())
	if text := validateContainerID(id); text != "" {
		return "'" + name + ".container_id' is invalid: " + text
	}
	if strings.Contains(name, "nested") && id.GetParent() == nil {
		return "Expecting '" + name + ".container_id.parent' to be present"
	}
	return ""
}

// maxContainerID is the longest id of a container, in bytes: so much fits into names that are made of it.
const maxContainerID = 242

// validateContainerID returns what is wrong with an id or those that it is within, by the rules of all ids, and without periods and spaces.
func validateContainerID(id *mesospb.ContainerID) string {
	value := id.GetValue()
	control := func(r rune) bool { return r < 0x20 || r == 0x7f }
	switch {
	case value == "":
		return "ID must not be empty"
	case len(value) > maxContainerID:
		return "ID must not be greater than " + strconv.Itoa(maxContainerID) + " characters"
	case value == "." || value == "..":
		return "'" + value + "' is disallowed"
	case strings.ContainsAny(value, `/\`) || strings.ContainsFunc(value, control):
		return "'" + value + "' contains invalid characters"
	case strings.ContainsAny(value, ". "):
		return "'ContainerID.value' '" + value + "' contains invalid characters"
	}
	if p := id.GetParent(); p != nil {
		if text := validateContainerID(p); text != "" {
			return "'ContainerID.parent' is invalid: " + text
		}
	}
	return ""
}

// serveContainerCall answers a call about containers. It reports false for other calls.
func (a *Agent) serveContainerCall(w http.ResponseWriter, r *http.Request, c codec.Codec, call *agentpb.Call) bool {
	switch call.GetType() {
	case agentpb.Call_GET_CONTAINERS:
		a.serveGetContainers(w, r, c, call.GetGetContainers())
	case agentpb.Call_LAUNCH_CONTAINER:
		l := call.GetLaunchContainer()
		a.serveLaunch(w, r, launchRequest{id: l.GetContainerId(), command: l.GetCommand(), container: l.GetContainer()})
	case agentpb.Call_LAUNCH_NESTED_CONTAINER:
		l := call.GetLaunchNestedContainer()
		a.serveLaunch(w, r, launchRequest{id: l.GetContainerId(), command: l.GetCommand(), container: l.GetContainer()})
	case agentpb.Call_WAIT_CONTAINER, agentpb.Call_WAIT_NESTED_CONTAINER:
		a.serveWait(w, r, c, call)
	case agentpb.Call_KILL_CONTAINER:
		a.serveKill(w, r, call.GetKillContainer().GetContainerId(), call.GetKillContainer().Signal)
	case agentpb.Call_KILL_NESTED_CONTAINER:
		a.serveKill(w, r, call.GetKillNestedContainer().GetContainerId(), call.GetKillNestedContainer().Signal)
	case agentpb.Call_REMOVE_CONTAINER, agentpb.Call_REMOVE_NESTED_CONTAINER:
		a.serveRemove(w, r, containerIDOf(call))
	default:
		return false
	}
	return true
}

func (a *Agent) serveGetContainers(w http.ResponseWriter, r *http.Request, c codec.Codec, get *agentpb.Call_GetContainers) {
	var list []measured
	if !a.do(w, r, func() { list = a.measurable(get.GetShowNested(), get.GetShowStandalone()) }) {
		return
	}
	measureAll(list)
	resp := &agentpb.Response_GetContainers{}
	for i := range list {
		resp.Containers = append(resp.Containers, list[i].entry)
	}
	httpapi.Respond(w, r, c, &agentpb.Response{Type: agentpb.Response_GET_CONTAINERS.Enum(), GetContainers: resp})
}

// launchRequest is a container that is to be launched by the operator API.
type launchRequest struct {
	id        *mesospb.ContainerID
	command   *mesospb.CommandInfo
	container *mesospb.ContainerInfo
	session   *httpapi.Stream // who sees its output from the start
}

func (a *Agent) serveLaunch(w http.ResponseWriter, r *http.Request, l launchRequest) {
	result := make(chan *problem, 1)
	if !a.do(w, r, func() { a.launchByOperator(l, func(p *problem) { result <- p }) }) {
		return
	}
	select {
	case p := <-result:
		switch {
		case p == nil:
			httpapi.Empty(w, http.StatusOK)
		case p.text == "":
			httpapi.Empty(w, p.status)
		default:
			httpapi.Error(w, p.status, p.text)
		}
	case <-r.Context().Done():
	}
}

// launchByOperator launches a container, on the loop. done gets nil when its process has started.
func (a *Agent) launchByOperator(l launchRequest, done func(*problem)) {
	refuse := func(text string) { done(&problem{http.StatusBadRequest, text}) }
	fail := func(err error) {
		if l.id.GetParent() == nil && errors.As(err, new(*sandboxError)) {
			done(&problem{http.StatusInternalServerError, err.Error()})
			return
		}
		refuse(err.Error())
	}
	key := containerKey(l.id)
	if a.containers[key] != nil || a.past[key] != nil {
		done(&problem{http.StatusAccepted, ""})
		return
	}
	if a.closing {
		done(&problem{http.StatusServiceUnavailable, "Agent is shutting down"})
		return
	}
	if l.command == nil {
		refuse("A command is needed: there is no image to take one from")
		return
	}
	var parent *container
	var e *executor
	dir := filepath.Join(a.cfg.WorkDir, "containers", l.id.GetValue())
	if p := l.id.GetParent(); p != nil {
		parent = a.containers[containerKey(p)]
		if parent == nil || parent.doomed || parent.ended {
			refuse("Parent container " + containerKey(p) + " does not exist")
			return
		}
		e = parent.executor
		dir = filepath.Join(parent.dir, "containers", l.id.GetValue())
	}
	env, err := a.operatorEnvironment(parent, dir, l)
	if err != nil {
		fail(err)
		return
	}
	c := a.newContainer(l.id, e, dir)
	c.onGone = func(status *process.Status) { a.remember(c) }
	if l.session != nil {
		c.early = map[*httpapi.Stream]bool{l.session: true}
		c.env, c.workDir = env, parent.directory()
	}
	p := preparation{uris: l.command.GetUris(), user: l.command.User, container: l.container}
	if parent != nil {
		p.account = parent.account
	}
	a.prepare(c, p, func(err error) {
		if err != nil {
			fail(err)
			a.destroy(c)
			return
		}
		a.start(c, launch{command: l.command, env: env, container: l.container, session: l.session != nil}, func() { done(nil) })
	})
}

// operatorEnvironment is the environment of a container that the operator API launches. A session sees what its
// parent sees.
func (a *Agent) operatorEnvironment(parent *container, dir string, l launchRequest) ([]string, error) {
	env := environment{"PATH": process.DefaultPath}
	switch {
	case l.session != nil && parent != nil:
		for _, entry := range parent.env {
			name, value, _ := strings.Cut(entry, "=")
			if name != envToken { // the executor's, not that of whoever looks in
				env[name] = value
			}
		}
	case parent != nil:
		env["MESOS_SANDBOX"] = dir
		env["MESOS_CONTAINER_IP"] = a.address.ip
	default:
		env["MESOS_SANDBOX"] = dir
	}
	if err := env.add(l.command.GetEnvironment()); err != nil {
		return nil, err
	}
	return env.list(), nil
}

// remember keeps the record of a container that has ended, sessions included, for those who wait for it later.
func (a *Agent) remember(c *container) {
	a.past[c.key] = &endedContainer{dir: c.dir, status: c.status, cause: c.cause}
}

// forgetNested drops the records of what was nested in a root container.
func (a *Agent) forgetNested(root *container) {
	for key := range a.past {
		if strings.HasPrefix(key, root.key+".") {
			delete(a.past, key)
		}
	}
}

func (a *Agent) serveWait(w http.ResponseWriter, r *http.Request, c codec.Codec, call *agentpb.Call) {
	id := containerIDOf(call)
	key := containerKey(id)
	result := make(chan *endedContainer, 1)
	var k *container
	if !a.do(w, r, func() {
		if p := a.past[key]; p != nil {
			result <- p
		} else if k = a.containers[key]; k != nil {
			k.waiters = append(k.waiters, result)
		} else {
			close(result)
		}
	}) {
		return
	}
	end, known := (*endedContainer)(nil), true
	select {
	case end, known = <-result:
	case <-r.Context().Done(): // the client has gone, and must not be kept as long as the container
		a.loop.Post(func() {
			if k != nil {
				k.waiters = slices.DeleteFunc(k.waiters, func(o chan *endedContainer) bool { return o == result })
			}
		})
		return
	}
	if !known {
		httpapi.Error(w, http.StatusNotFound, "Container "+key+" cannot be found")
		return
	}
	httpapi.Respond(w, r, c, waitResponse(call.GetType(), end))
}

// waitResponse words the end of a container.
func waitResponse(typ agentpb.Call_Type, end *endedContainer) *agentpb.Response {
	nested := &agentpb.Response_WaitNestedContainer{}
	if end.status != nil {
		nested.ExitStatus = proto.Int32(int32(*end.status))
	}
	if why := end.cause; why != nil {
		nested.State, nested.Reason = why.state.Enum(), why.reason.Enum()
		nested.Limitation, nested.Message = why.limitation, proto.String(why.message)
	}
	if typ == agentpb.Call_WAIT_NESTED_CONTAINER {
		return &agentpb.Response{Type: agentpb.Response_WAIT_NESTED_CONTAINER.Enum(), WaitNestedContainer: nested}
	}
	return &agentpb.Response{Type: agentpb.Response_WAIT_CONTAINER.Enum(), WaitContainer: &agentpb.Response_WaitContainer{
		ExitStatus: nested.ExitStatus, State: nested.State, Reason: nested.Reason, Limitation: nested.Limitation, Message: nested.Message,
	}}
}

func (a *Agent) serveKill(w http.ResponseWriter, r *http.Request, id *mesospb.ContainerID, sig *int32) {
	known := true
	if !a.do(w, r, func() {
		c := a.containers[containerKey(id)]
		switch {
		case c == nil:
			known = false
		case sig == nil || syscall.Signal(*sig) == syscall.SIGKILL || c.proc == nil:
			a.destroy(c)
		default:
			a.signal(c, int(*sig))
		}
	}) {
		return
	}
	if !known {
		httpapi.Error(w, http.StatusNotFound, "Container '"+containerKey(id)+"' cannot be found (or is already killed)")
		return
	}
	httpapi.Empty(w, http.StatusOK)
}

func (a *Agent) serveRemove(w http.ResponseWriter, r *http.Request, id *mesospb.ContainerID) {
	var dir string
	running := false
	key := containerKey(id)
	if !a.do(w, r, func() {
		running = a.containers[key] != nil
		if p := a.past[key]; p != nil && !running {
			dir = p.dir
			delete(a.past, key)
			a.files.DetachTree(dir)
		}
	}) {
		return
	}
	if running {
		httpapi.Error(w, http.StatusInternalServerError, "Failed to remove container "+key+": it has not ended")
		return
	}
	if dir != "" {
		if err := os.RemoveAll(dir); err != nil {
			httpapi.Error(w, http.StatusInternalServerError, "Failed to remove container "+key+": "+err.Error())
			return
		}
	}
	httpapi.Empty(w, http.StatusOK)
}
