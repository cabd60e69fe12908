package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/resources"
)

func getStatus(q *request) (any, error) {
	s := q.server.engine.Snapshot()
	return statusView{Status: q.server.engine.Status(), FrameworkID: s.FrameworkID, Connected: s.Connected, Guarded: s.Guard != nil,
		Uninstall: s.Uninstall, Apps: len(s.Apps), Offers: s.Offers, Orphans: len(s.Orphans), Leftovers: len(s.Leftovers), Unanswered: s.Unanswered, LastEvent: s.Seq, Aside: s.Aside,
		Conditions: ofScheduler(q.server.engine.Status(), s)}, nil
}

// getReadiness follows every trouble: only who can act, or knows who does, is ready.
func getReadiness(q *request) (any, error) {
	st, guard := q.server.engine.Status(), q.server.engine.Snapshot().Guard
	switch {
	case !st.Running:
		return unavailable("the scheduler does not run")
	case cmp.Or(st.Stalled, st.Trouble) != "":
		return unavailable(cmp.Or(st.Stalled, st.Trouble))
	case st.Leading && guard != nil:
		return unavailable("the engine refuses to act: " + guard.Why)
	case st.Leading && st.Master == "":
		return unavailable("not subscribed to a master yet")
	case st.Leading:
		return done{"leading"}, nil
	case st.Leader == nil:
		return unavailable("nobody is known to lead")
	}
	return done{"following " + st.Leader.ID}, nil
}

// getHealth fails where a restart may help.
func getHealth(q *request) (any, error) {
	switch st := q.server.engine.Status(); {
	case !st.Running:
		return unavailable("the scheduler does not run")
	case st.Stalled != "":
		return unavailable(st.Stalled)
	}
	return done{"ok"}, nil
}

func unavailable(why string) (any, error) {
	return nil, &Problem{Status: http.StatusServiceUnavailable, Detail: why}
}

func listApps(q *request) (any, error) {
	p := newPager[appView](q)
	s := q.server.engine.Snapshot()
	names := make([]string, 0, len(s.Apps)+len(s.Aside))
	for _, a := range s.Apps {
		names = append(names, a.Name)
	}
	for _, a := range s.Aside {
		names = append(names, a.App)
	}
	if len(s.Aside) > 0 {
		slices.Sort(names)
	}
	for _, name := range names {
		if !p.add(name, func() appView {
			if a := s.App(name); a != nil {
				return viewApp(s, a)
			}
			return viewAside(s.AsideOf(name))
		}) {
			break
		}
	}
	return p.page, nil
}

// theApp returns the application that the path names.
func (q *request) theApp() (*core.Snapshot, *core.App, error) {
	s, name := q.server.engine.Snapshot(), q.PathValue("app")
	if a := s.App(name); a != nil {
		return s, a, nil
	}
	if a := s.AsideOf(name); a != nil {
		return nil, nil, a.Refusal()
	}
	return nil, nil, fmt.Errorf("%w: %q", core.ErrNoApp, name)
}

func getApp(q *request) (any, error) {
	if a := q.server.engine.Snapshot().AsideOf(q.PathValue("app")); a != nil {
		d := appDetails{appView: viewAside(a)}
		if q.writes { // it may be none that can be read, and its secrets found
			d.Definition = a.Definition
		}
		return d, nil
	}
	s, a, err := q.theApp()
	if err != nil {
		return nil, err
	}
	d := appDetails{appView: viewApp(s, a), Versions: a.Versions}
	if a.Definition != nil {
		if d.Definition, err = q.show(a.Definition); err != nil {
			return nil, err
		}
	}
	if a.Deployment != nil {
		last := viewDeployment(a, a.Deployment)
		d.Last = &last
	}
	return d, nil
}

func getVersion(q *request) (any, error) {
	_, a, err := q.theApp()
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(q.PathValue("version"), 10, 32)
	if err != nil {
		return nil, bad("version %q: want a number", q.PathValue("version"))
	}
	def := a.ShownDefinition(uint32(n))
	if def == nil {
		return nil, &Problem{Type: "no-such-version", Status: http.StatusNotFound, Detail: fmt.Sprintf("version %d of %q is not kept; there are %v", n, a.Name, a.Versions)}
	}
	return q.show(def)
}

// show writes a definition, without what may be secret unless the request has the right to write.
func (q *request) show(def *app.App) (rawApp, error) {
	if !q.writes {
		def = def.Redact()
	}
	raw, err := json.Marshal(def)
	return raw, err
}

func submitApp(q *request) (any, error) {
	a, err := app.Parse(q.raw)
	if err != nil {
		return nil, err
	}
	if q.flag("dry_run") {
		return done{"the definition is valid"}, nil
	}
	return q.submit(a)
}

func putApp(q *request) (any, error) {
	a, err := app.Parse(q.raw)
	if err != nil {
		return nil, err
	}
	if name := q.PathValue("app"); a.Name != name {
		return nil, bad("the definition is of %q, the path names %q", a.Name, name)
	}
	return q.submit(a)
}

func submitApps(q *request) (any, error) {
	var all core.SubmitAll
	answer := page[submissionView]{Items: []submissionView{}}
	for i, raw := range q.body.(*submissionBody).Apps {
		a, err := app.Parse(raw)
		if wrong, ok := errors.AsType[app.Errors](err); ok {
			for _, e := range wrong { // lines and columns are those of one definition
				e.Path, e.Line, e.Column = fmt.Sprintf("/apps/%d%s", i, e.Path), 0, 0
			}
		}
		if err != nil {
			return nil, err
		}
		all.All = append(all.All, core.Submit{App: a, Force: q.flag("force"), KeepInstances: q.flag("keep_instances")})
		answer.Items = append(answer.Items, submissionView{App: a.Name})
	}
	text, err := q.server.engine.Do(q.cmdContext, all)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(text, "\n")[:len(answer.Items)] {
		answer.Items[i].Text = line
	}
	return answer, nil
}

func (q *request) submit(a *app.App) (any, error) {
	if q.server.engine.Snapshot().App(a.Name) == nil {
		q.status = http.StatusCreated
	}
	return q.do(core.Submit{App: a, Force: q.flag("force"), KeepInstances: q.flag("keep_instances")})
}

// rollback returns to an earlier version.
func rollback(q *request) (any, error) {
	in := core.Rollback{App: q.PathValue("app")}
	if text := q.values.Get("to"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n == 0 {
			return nil, bad("to=%s: want the number of a version", text)
		}
		in.To = uint32(n)
	}
	return q.do(in)
}

func listDeployments(q *request) (any, error) {
	list := page[deploymentView]{Items: []deploymentView{}}
	for _, a := range q.server.engine.Snapshot().Apps {
		if d := a.Deployment; d != nil && (active(d) || !q.flag("active")) {
			list.Items = append(list.Items, viewDeployment(a, d))
		}
	}
	return list, nil
}

// eachInstance calls f with the instances of the applications that the query selects, in the order of their keys, until it
// returns false.
func (q *request) eachInstance(s *core.Snapshot, f func(key string, i *core.Instance) bool) {
	for _, a := range s.Apps {
		if !q.is("app", a.Name) {
			continue
		}
		for i := range a.All() {
			if !f(fmt.Sprintf("%s/%08d", a.Name, i.Index), i) {
				return
			}
		}
	}
}

func listTasks(q *request) (any, error) {
	s, p := q.server.engine.Snapshot(), newPager[taskView](q)
	agent := q.values.Get("agent")
	q.eachInstance(s, func(key string, i *core.Instance) bool {
		if !q.is("state", stateOf(i)) && !(i.Failing() && q.is("state", waiting)) || agent != "" && (i.Task == nil || i.Task.Agent != agent) {
			return true
		}
		return p.add(key, func() taskView { return viewTask(s, i) })
	})
	return p.page, nil
}

// theInstance returns the instance that the path names.
func (q *request) theInstance() (*core.Snapshot, *core.Instance, error) {
	s, a, err := q.theApp()
	if err != nil {
		return nil, nil, err
	}
	index, err := q.index()
	if err != nil {
		return nil, nil, err
	}
	if i := a.Instance(index); i != nil {
		return s, i, nil
	}
	return nil, nil, fmt.Errorf("%w: %d of %q", core.ErrNoInstance, index, a.Name)
}

func getInstance(q *request) (any, error) {
	s, i, err := q.theInstance()
	if err != nil {
		return nil, err
	}
	return viewTask(s, i), nil
}

func explainInstance(q *request) (any, error) {
	s, i, err := q.theInstance()
	if err != nil {
		return nil, err
	}
	return viewWhy(s, i.App, i.Index), nil
}

func listExplanations(q *request) (any, error) {
	s, p := q.server.engine.Snapshot(), newPager[whyView](q)
	q.eachInstance(s, func(key string, i *core.Instance) bool {
		w := viewWhy(s, i.App, i.Index)
		return w.Kind == core.CauseRuns || w.Kind == core.CauseReached || p.add(key, func() whyView { return w })
	})
	return p.page, nil
}

func listAgents(q *request) (any, error) {
	p := newPager[agentView](q)
	for a := range q.server.engine.Snapshot().Agents() {
		if !p.add(a.ID, func() agentView {
			v := agentView{ID: a.ID, Hostname: a.Hostname, Region: a.Region, Zone: a.Zone, Uses: a.Uses, Seen: a.Seen, Fate: a.Fate, Draining: a.Draining, Maintenance: a.Maintenance}
			for _, at := range a.Attributes {
				v.Attributes = append(v.Attributes, at.GetName()+":"+resources.AttributeString(at))
			}
			return v
		}) {
			break
		}
	}
	return p.page, nil
}

func listLeftovers(q *request) (any, error) {
	s, p := q.server.engine.Snapshot(), newPager[leftoverView](q)
	key := func(l core.Leftover) string { return fmt.Sprint(l.Agent, " ", l.App, " ", l.Index, " ", l.Volumes) }
	list := slices.SortedFunc(slices.Values(s.Leftovers), func(a, b core.Leftover) int { return strings.Compare(key(a), key(b)) })
	for _, l := range list {
		if !p.add(key(l), func() leftoverView { return viewLeftover(s, l) }) {
			break
		}
	}
	return p.page, nil
}

func listOrphans(q *request) (any, error) {
	p := newPager[core.Orphan](q)
	for _, o := range q.server.engine.Snapshot().Orphans {
		if !p.add(o.TaskID, func() core.Orphan { return o }) {
			break
		}
	}
	return p.page, nil
}

func killOrphans(q *request) (any, error) {
	return q.do(core.KillOrphan{TaskID: q.body.(*killBody).TaskID})
}

func getGuard(q *request) (any, error) {
	g := q.server.engine.Snapshot().Guard
	return guardView{Standing: g != nil, Guard: g}, nil
}

func uninstall(q *request) (any, error) {
	b := q.body.(*uninstallBody)
	if err := q.server.confirm(b.Confirm); err != nil {
		return nil, err
	}
	return q.do(core.Uninstall{Force: b.Force})
}
