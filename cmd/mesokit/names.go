package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// errNoneFits tells that nothing is what a name means.
var errNoneFits = errors.New("nothing has this name")

// maxListed is how many of several things with the same name an error lists.
const maxListed = 10

// pick finds what a person means by ref: of those that fit the first rule that any fits, the only one. Rules go from exact ones, such as the
// id, to loose ones, such as the beginning of the id, so that a name goes before what it is the beginning of. Several that fit are an error
// that lists them; none is errNoneFits.
func pick[T any](ref string, list []T, id func(T) string, rules ...func(T) bool) (T, error) {
	var none T
	for _, fits := range rules {
		var found []T
		for _, x := range list {
			if ref != "" && fits(x) {
				found = append(found, x)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			ids := each(found[:min(maxListed, len(found))], id)
			return none, usagef("%q may be any of %d: name one by its id: %s", ref, len(found), strings.Join(ids, ", "))
		}
	}
	return none, errNoneFits
}

// pickAgent finds a registered agent by its id, the end of its id such as S0, its address or its hostname.
func pickAgent(list *masterpb.Response_GetAgents, ref string) (*masterpb.Response_GetAgents_Agent, error) {
	a, err := pick(ref, list.GetAgents(), agentIDOf,
		func(a *masterpb.Response_GetAgents_Agent) bool { return agentIDOf(a) == ref },
		func(a *masterpb.Response_GetAgents_Agent) bool { return isShort(ref, agentIDOf(a)) },
		func(a *masterpb.Response_GetAgents_Agent) bool { return agentAddress(a) == ref },
		func(a *masterpb.Response_GetAgents_Agent) bool {
			return strings.EqualFold(a.GetAgentInfo().GetHostname(), ref)
		})
	if errors.Is(err, errNoneFits) {
		return nil, &operator.NotFoundError{Kind: "registered agent", Name: ref}
	}
	return a, err
}

func agentIDOf(a *masterpb.Response_GetAgents_Agent) string {
	return a.GetAgentInfo().GetId().GetValue()
}

// isShort says whether ref is the last part of an id.
func isShort(ref, id string) bool { return ref != "" && strings.HasSuffix(id, "-"+ref) }

// agentIDs finds agents for a command that the master can carry out for those that are not registered, too: recovered and unreachable ones.
func agentIDs(ctx context.Context, m *operator.Master, refs []string) ([]string, error) {
	list, err := m.GetAgents(ctx)
	if err != nil {
		return nil, err
	}
	var absent []string
	ids := make([]string, len(refs))
	for i, ref := range refs {
		a, err := pickAgent(list, ref)
		if err == nil {
			ids[i] = agentIDOf(a)
			continue
		}
		if _, unknown := errors.AsType[*operator.NotFoundError](err); !unknown {
			return nil, err
		}
		if absent == nil {
			if absent, err = absentAgents(ctx, m, list); err != nil {
				return nil, err
			}
		}
		self := func(id string) string { return id }
		ids[i], err = pick(ref, absent, self, func(id string) bool { return id == ref }, func(id string) bool { return isShort(ref, id) })
		switch {
		case errors.Is(err, errNoneFits) && len(ref) > 36 && strings.Contains(ref, "-S"):
			ids[i] = ref // the master says whether it knows it
		case errors.Is(err, errNoneFits):
			return nil, &operator.NotFoundError{Kind: "agent", Name: ref}
		case err != nil:
			return nil, err
		}
	}
	return ids, nil
}

// absentAgents are the ids of agents that the master knows and that are not registered: those that have not come back since it was elected, and
// those that are unreachable.
func absentAgents(ctx context.Context, m *operator.Master, list *masterpb.Response_GetAgents) ([]string, error) {
	ids := each(list.GetRecoveredAgents(), func(info *mesospb.AgentInfo) string { return info.GetId().GetValue() })
	unreachable, err := m.UnreachableAgents(ctx)
	return append(ids, unreachable...), err
}

// findFramework finds a framework by its id, the end of its id such as 0001, or its name.
func findFramework(list []*masterpb.Response_GetFrameworks_Framework, ref string) (*mesospb.FrameworkInfo, error) {
	infos := each(list, func(f *masterpb.Response_GetFrameworks_Framework) *mesospb.FrameworkInfo { return f.GetFrameworkInfo() })
	id := func(f *mesospb.FrameworkInfo) string { return f.GetId().GetValue() }
	f, err := pick(ref, infos, id,
		func(f *mesospb.FrameworkInfo) bool { return id(f) == ref },
		func(f *mesospb.FrameworkInfo) bool { return isShort(ref, id(f)) },
		func(f *mesospb.FrameworkInfo) bool { return f.GetName() == ref })
	if errors.Is(err, errNoneFits) {
		return nil, fmt.Errorf("there is no framework %q; mesokit master frameworks shows those there are, with --all those that are gone", ref)
	}
	return f, err
}

// instanceNotation is APP.N, APP/N or the id of a task of the engine, APP.N.NUMBER-EPOCH; a pod's tasks have their name at the end.
var instanceNotation = regexp.MustCompile(`^(.+)[./](\d+)(?:\.[0-9a-z]+-[0-9a-z]+(?:\..+)?)?$`)

// pickTask finds the task that a person means: by id, by name, as the instance APP.N or APP/N of an application or its task APP/N/NAME, by the
// beginning of the id; one that lives rather than one that has ended.
func pickTask(ref string, lists ...[]*mesospb.Task) (*mesospb.Task, error) {
	id := func(t *mesospb.Task) string { return t.GetTaskId().GetValue() }
	instance := strings.ReplaceAll(ref, "/", ".") + "."
	app, rest, _ := strings.Cut(ref, "/")
	index, member, _ := strings.Cut(rest, "/")
	for _, fits := range []func(t *mesospb.Task) bool{
		func(t *mesospb.Task) bool { return id(t) == ref },
		func(t *mesospb.Task) bool { return t.GetName() == ref },
		func(t *mesospb.Task) bool { return strings.HasPrefix(id(t), instance) || id(t)+"." == instance },
		func(t *mesospb.Task) bool {
			return member != "" && strings.HasPrefix(id(t), app+"."+index+".") && strings.HasSuffix(id(t), "."+member)
		},
		func(t *mesospb.Task) bool { return strings.HasPrefix(id(t), ref) },
	} {
		for _, list := range lists {
			t, err := pick(ref, list, id, fits)
			if !errors.Is(err, errNoneFits) {
				return t, err
			}
		}
	}
	return nil, &operator.NotFoundError{Kind: "task", Name: ref}
}

// findInstance reads the name of an application, or of an instance: APP/N, or APP.N and the id of a task, unless an application has that name. The
// index is -1 for a whole application.
func findInstance(ctx context.Context, c *apiclient.Client, text string) (name string, index int, err error) {
	name, digits, slash := strings.Cut(text, "/")
	switch {
	case name == "":
		return "", 0, usagef("%q: want the name of an application", text)
	case slash:
		if index, err = strconv.Atoi(digits); err != nil || index < 0 {
			return "", 0, usagef("%q: want APP or APP/N, with N from 0", text)
		}
		return name, index, nil
	}
	parts := instanceNotation.FindStringSubmatch(text)
	if parts == nil {
		return text, -1, nil
	}
	_, err = c.App(ctx, text)
	if p, refused := errors.AsType[*apiclient.Problem](err); !refused || p.Type != "no-such-app" {
		return text, -1, err
	}
	if index, err = strconv.Atoi(parts[2]); err != nil {
		return text, -1, nil // no number of an instance: the scheduler will say that there is no such application
	}
	return parts[1], index, nil
}

// wholeApp refuses an instance where only an application makes sense.
func wholeApp(text string) (string, error) {
	if name, _, instance := strings.Cut(text, "/"); instance {
		return "", usagef("%q is an instance; this is for whole applications: want %s", text, name)
	}
	return text, nil
}
