package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/framework/core"
)

// route is one operation of the API. The table of routes is what is served and what the OpenAPI document is made from.
type route struct {
	method, path string
	id, summary  string
	need         access
	state        bool // is about the state, which only the leader knows
	query        []param
	body         any // a zero value of the type of the body; nil: no body
	bodySchema   string
	status       int
	answer       any    // a zero value of the type of the answer
	media        string // of the answer, if not JSON
	handle       func(*request) (any, error)
}

// param is a query parameter; the value is text, "integer", "boolean" or one of a list.
type param struct {
	name, kind, what string
	list             []string
	many             bool // may be given several times
}

var (
	pLimit = param{name: "limit", kind: "integer", what: "At most so many; 100 if not given, 1000 at most."}
	pAfter = param{name: "after", kind: "string", what: "Continue after this element, which the last answer named as \"next\"."}
	pForce = param{name: "force", kind: "boolean", what: "Replace a deployment that is under way."}
)

// done answers commands.
type done struct {
	Text string `json:"text"` // what is going to happen, for humans
}

func routes() []route {
	return []route{
		{method: "GET", path: "/v1/status", id: "getStatus", summary: "How the scheduler stands", need: read, status: 200, answer: statusView{}, handle: getStatus},
		{method: "GET", path: "/v1/apps", id: "listApps", summary: "All applications", need: read, state: true, query: []param{pLimit, pAfter}, status: 200, answer: page[appView]{}, handle: listApps},
		{method: "POST", path: "/v1/apps", id: "submitApp", summary: "Add an application, or update it", need: write, state: true, query: []param{pForce, {name: "keep_instances", kind: "boolean", what: "Ignore the number of instances if the application exists."}, {name: "dry_run", kind: "boolean", what: "Only check the definition."}}, bodySchema: "App", status: 200, answer: done{}, handle: submitApp},
		{method: "POST", path: "/v1/submissions", id: "submitApps", summary: "Add or update several applications, all or none", need: write, state: true, query: []param{pForce, {name: "keep_instances", kind: "boolean", what: "Ignore the number of instances of applications that exist."}}, body: submissionBody{}, status: 200, answer: page[submissionView]{}, handle: submitApps},
		{method: "GET", path: "/v1/apps/{app}", id: "getApp", summary: "One application", need: read, state: true, status: 200, answer: appDetails{}, handle: getApp},
		{method: "PUT", path: "/v1/apps/{app}", id: "putApp", summary: "Add or update the application of that name", need: write, state: true, query: []param{pForce, {name: "keep_instances", kind: "boolean", what: "Ignore the number of instances if the application exists."}}, bodySchema: "App", status: 200, answer: done{}, handle: putApp},
		{method: "DELETE", path: "/v1/apps/{app}", id: "removeApp", summary: "Kill all instances, destroy their volumes, forget the application", need: write, state: true, query: []param{{name: "force", kind: "boolean", what: "Give up what is on agents that are cut off or not offered; also of an application that is removed already."}}, status: 202, answer: done{}, handle: appCommand(func(name string, q *request) core.Command { return core.Remove{App: name, Force: q.flag("force")} })},
		{method: "POST", path: "/v1/apps/{app}/scale", id: "scaleApp", summary: "Set the number of instances", need: write, state: true, body: scaleBody{}, status: 202, answer: done{}, handle: appCommand(func(name string, q *request) core.Command {
			return core.Scale{App: name, Instances: *q.body.(*scaleBody).Instances}
		})},
		{method: "POST", path: "/v1/apps/{app}/restart", id: "restartApp", summary: "Replace all instances, under the rules for updates", need: write, state: true, query: []param{pForce}, status: 202, answer: done{}, handle: appCommand(func(name string, q *request) core.Command { return core.Restart{App: name, Force: q.flag("force")} })},
		{method: "GET", path: "/v1/apps/{app}/versions/{version}", id: "getVersion", summary: "The definition of a version that is kept", need: read, state: true, status: 200, bodySchema: "", answer: rawApp{}, handle: getVersion},
		{method: "GET", path: "/v1/apps/{app}/history", id: "getHistory", summary: "What happened to the application, over restarts of the scheduler: ends of tasks, failures, deployments, commands; the oldest first", need: read, state: true, status: 200, answer: page[core.Note]{}, handle: getHistory},
		{method: "GET", path: "/v1/deployments", id: "listDeployments", summary: "The last deployment of each application", need: read, state: true, query: []param{{name: "active", kind: "boolean", what: "Only those that are not over."}}, status: 200, answer: page[deploymentView]{}, handle: listDeployments},
		{method: "POST", path: "/v1/apps/{app}/deployment/pause", id: "pauseDeployment", summary: "Stop a deployment from going on", need: write, state: true, status: 202, answer: done{}, handle: appCommand(func(name string, _ *request) core.Command { return core.Pause{App: name} })},
		{method: "POST", path: "/v1/apps/{app}/deployment/resume", id: "resumeDeployment", summary: "Let a paused or stalled deployment go on", need: write, state: true, status: 202, answer: done{}, handle: appCommand(func(name string, _ *request) core.Command { return core.Resume{App: name} })},
		{method: "POST", path: "/v1/apps/{app}/deployment/promote", id: "promoteDeployment", summary: "Go on after the canaries", need: write, state: true, query: []param{{name: "force", kind: "boolean", what: "Even though the canaries have failed."}}, status: 202, answer: done{}, handle: appCommand(func(name string, q *request) core.Command { return core.Promote{App: name, Force: q.flag("force")} })},
		{method: "POST", path: "/v1/apps/{app}/deployment/rollback", id: "rollbackDeployment", summary: "Return to the version before, or to another one that is kept", need: write, state: true, query: []param{{name: "to", kind: "integer", what: "The version to return to."}}, status: 202, answer: done{}, handle: rollback},
		{method: "GET", path: "/v1/tasks", id: "listTasks", summary: "Instances and their tasks", need: read, state: true, query: []param{{name: "app", kind: "string", what: "Of this application.", many: true}, {name: "state", kind: "string", what: "In this state; waiting: nothing runs.", many: true, list: taskStates()}, {name: "agent", kind: "string", what: "On this agent."}, pLimit, pAfter}, status: 200, answer: page[taskView]{}, handle: listTasks},
		{method: "GET", path: "/v1/apps/{app}/instances/{index}", id: "getInstance", summary: "One instance", need: read, state: true, status: 200, answer: taskView{}, handle: getInstance},
		{method: "POST", path: "/v1/apps/{app}/instances/{index}/restart", id: "restartInstance", summary: "Kill an instance, which starts again at once", need: write, state: true, status: 202, answer: done{}, handle: instanceCommand(func(name string, i int) core.Command { return core.RestartInstance{App: name, Index: i} })},
		{method: "POST", path: "/v1/apps/{app}/instances/{index}/replace", id: "replaceInstance", summary: "Give up on an instance where it is; it starts anew anywhere", need: write, state: true, status: 202, answer: done{}, handle: instanceCommand(func(name string, i int) core.Command { return core.Replace{App: name, Index: i} })},
		{method: "GET", path: "/v1/apps/{app}/instances/{index}/why", id: "explainInstance", summary: "Why an instance does not run", need: read, state: true, status: 200, answer: whyView{}, handle: explainInstance},
		{method: "GET", path: "/v1/conditions", id: "listConditions", summary: "What is not as it should be, with its cause and what to do", need: read, state: true, query: []param{{name: "app", kind: "string", what: "Of this application only.", many: true}}, status: 200, answer: page[conditionView]{}, handle: listConditions},
		{method: "GET", path: "/v1/explanations", id: "listExplanations", summary: "Why instances do not run, or are not ready", need: read, state: true, query: []param{{name: "app", kind: "string", what: "Of this application.", many: true}, pLimit, pAfter}, status: 200, answer: page[whyView]{}, handle: listExplanations},
		{method: "GET", path: "/v1/agents", id: "listAgents", summary: "Agents that were offered or that tasks are on", need: read, state: true, query: []param{pLimit, pAfter}, status: 200, answer: page[agentView]{}, handle: listAgents},
		{method: "GET", path: "/v1/leftovers", id: "listLeftovers", summary: "Volumes and reservations of instances that are gone, until they are given back", need: read, state: true, query: []param{pLimit, pAfter}, status: 200, answer: page[leftoverView]{}, handle: listLeftovers},
		{method: "GET", path: "/v1/orphans", id: "listOrphans", summary: "Tasks of this framework that the engine does not know", need: read, state: true, query: []param{pLimit, pAfter}, status: 200, answer: page[core.Orphan]{}, handle: listOrphans},
		{method: "POST", path: "/v1/orphans/adopt", id: "adoptOrphan", summary: "Make an orphan an instance of an application", need: write, state: true, body: adoptBody{}, status: 202, answer: done{}, handle: command(func(q *request) core.Command {
			b, index := q.body.(*adoptBody), -1
			if b.Index != nil {
				index = *b.Index
			}
			return core.Adopt{TaskID: b.TaskID, App: b.App, Index: index, Grow: b.Grow}
		})},
		{method: "POST", path: "/v1/orphans/kill", id: "killOrphans", summary: "Kill one orphan, or all", need: write, state: true, body: killBody{}, status: 202, answer: done{}, handle: killOrphans},
		{method: "GET", path: "/v1/guard", id: "getGuard", summary: "Why the engine refuses to act, if it does", need: read, state: true, status: 200, answer: guardView{}, handle: getGuard},
		{method: "POST", path: "/v1/guard/resolve", id: "resolveGuard", summary: "Say what is to become of a framework that the store does not know", need: write, state: true, body: resolveBody{}, status: 202, answer: done{}, handle: command(func(q *request) core.Command {
			b := q.body.(*resolveBody)
			return core.Resolve{FrameworkID: b.FrameworkID, Choice: core.Choice(b.Choice)}
		})},
		{method: "POST", path: "/v1/uninstall", id: "uninstall", summary: "Remove all applications, volumes and reservations, and then the framework", need: write, state: true, body: uninstallBody{}, status: 202, answer: done{}, handle: uninstall},
		{method: "GET", path: "/v1/events", id: "streamEvents", summary: "Notes of the engine as server-sent events; Last-Event-ID resumes", need: read, state: true, query: []param{{name: "app", kind: "string", what: "Of this application.", many: true}, {name: "kind", kind: "string", what: "Of this kind.", many: true, list: noteKinds}, {name: "since", kind: "string", what: "Only events since this time (RFC 3339), or of so long a time before now (1h30m), as far as they are remembered."}, {name: "after", kind: "string", what: "Number of the last event seen, 0 for all that are remembered. Without it, and without Last-Event-ID, the stream begins now."}}, status: 200, answer: core.Note{}, media: "text/event-stream", handle: streamEvents},
		{method: "GET", path: "/v1/backup", id: "getBackup", summary: "The whole state as one file, for mesokit store restore", need: write, state: true, status: 200, media: backupMedia, handle: getBackup},
		{method: "GET", path: "/v1/openapi.json", id: "getAPI", summary: "This document", need: nobody, status: 200, handle: func(q *request) (any, error) { return json.RawMessage(q.server.api), nil }},
		{method: "GET", path: "/healthz", id: "getHealth", summary: "200 while the process works; 503 where a restart may help", need: nobody, status: 200, answer: done{}, handle: getHealth},
		{method: "GET", path: "/readyz", id: "getReadiness", summary: "200 while the scheduler leads and can act, or follows a known leader; the body of 503 names the trouble", need: nobody, status: 200, answer: done{}, handle: getReadiness},
	}
}

// request is a request whose parameters are checked.
type request struct {
	*http.Request
	server     *Server
	w          http.ResponseWriter
	cmdContext context.Context
	values     url.Values
	body       any
	raw        []byte
	writes     bool // may do everything; others are shown no secrets
	status     int  // other than the usual one
	answered   bool // the handler has written the answer itself
}

func bad(format string, args ...any) *Problem {
	return &Problem{Type: "bad-request", Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

// parse checks query and body against the route.
func (q *request) parse(rt route) error {
	values, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		return bad("the query cannot be read: %v", err)
	}
	for name, given := range values {
		i := slices.IndexFunc(rt.query, func(p param) bool { return p.name == name })
		if i < 0 {
			var known []string
			for _, p := range rt.query {
				known = append(known, p.name)
			}
			return bad("there is no parameter %q here; there are: %s", name, strings.Join(known, ", "))
		}
		p := rt.query[i]
		if len(given) > 1 && !p.many {
			return bad("parameter %s is given %d times", name, len(given))
		}
		for _, v := range given {
			switch {
			case p.kind == "integer":
				if n, err := strconv.Atoi(v); err != nil || n < 1 {
					return bad("%s=%s: want a number from 1", name, v)
				}
			case p.kind == "boolean":
				if _, err := strconv.ParseBool(v); err != nil && v != "" {
					return bad("%s=%s: want true or false", name, v)
				}
			case len(p.list) > 0 && !slices.Contains(p.list, v):
				return bad("%s=%s: want one of %s", name, v, strings.Join(p.list, ", "))
			}
		}
	}
	q.values = values
	if rt.body == nil && rt.bodySchema == "" {
		return nil
	}
	if media, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return &Problem{Status: http.StatusUnsupportedMediaType, Detail: fmt.Sprintf("want Content-Type: application/json, not %q", q.Header.Get("Content-Type"))}
	}
	q.raw, err = io.ReadAll(http.MaxBytesReader(q.w, q.Request.Body, q.server.cfg.MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the body is larger than %d bytes", q.server.cfg.MaxBody)}
	}
	if err != nil {
		return bad("the body cannot be read: %v", err)
	}
	if rt.body == nil {
		return nil
	}
	body := reflect.New(reflect.TypeOf(rt.body)).Interface()
	dec := json.NewDecoder(bytes.NewReader(q.raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(body); err != nil {
		return bad("the body: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("the body goes on after its end at byte %d", dec.InputOffset())
	}
	if c, ok := body.(interface{ check() error }); ok {
		if err := c.check(); err != nil {
			return bad("the body: %v", err)
		}
	}
	q.body = body
	return nil
}

// flag returns a boolean parameter; without a value it is true.
func (q *request) flag(name string) bool {
	v, given := q.values[name]
	if !given {
		return false
	}
	b, err := strconv.ParseBool(v[0])
	return b || err != nil
}

// is says whether a value is among those of a parameter, or the parameter is not given.
func (q *request) is(name, value string) bool {
	given := q.values[name]
	return len(given) == 0 || slices.Contains(given, value)
}

func (q *request) index() (int, error) {
	n, err := strconv.Atoi(q.PathValue("index"))
	if err != nil || n < 0 {
		return 0, bad("instance %q: want a number from 0", q.PathValue("index"))
	}
	return n, nil
}

// do gives the engine a command.
func (q *request) do(c core.Command) (any, error) {
	text, err := q.server.engine.Do(q.cmdContext, c)
	if err != nil {
		return nil, err
	}
	return done{text}, nil
}

func command(make func(*request) core.Command) func(*request) (any, error) {
	return func(q *request) (any, error) { return q.do(make(q)) }
}

func appCommand(make func(string, *request) core.Command) func(*request) (any, error) {
	return func(q *request) (any, error) { return q.do(make(q.PathValue("app"), q)) }
}

func instanceCommand(make func(string, int) core.Command) func(*request) (any, error) {
	return func(q *request) (any, error) {
		i, err := q.index()
		if err != nil {
			return nil, err
		}
		return q.do(make(q.PathValue("app"), i))
	}
}

// page is a part of a list.
type page[T any] struct {
	Items []T `json:"items"`
	// Next, if there is more, is to be given as "after".
	Next string `json:"next,omitempty"`
}

// pager fills a page from elements that come in the order of their keys.
type pager[T any] struct {
	page[T]
	limit int
	after string
	last  string
}

func newPager[T any](q *request) *pager[T] {
	limit, err := strconv.Atoi(q.values.Get("limit"))
	if err != nil {
		limit = 100
	}
	return &pager[T]{page: page[T]{Items: []T{}}, limit: min(limit, 1000), after: q.values.Get("after")}
}

// add adds an element and says whether to go on.
func (p *pager[T]) add(key string, v func() T) bool {
	if key <= p.after {
		return true
	}
	if len(p.Items) == p.limit {
		p.Next = p.last
		return false
	}
	p.Items = append(p.Items, v())
	p.last = key
	return true
}
