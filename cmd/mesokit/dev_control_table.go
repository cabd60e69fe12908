package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/fault"
)

// changesOf tells what has changed between two looks at a cluster, a line for each thing. Tasks that come and go are those of their framework.
func changesOf(before, now cluster.Status) []string {
	var lines []string
	compare(before.Masters, now.Masters, func(m cluster.MasterStatus) (id, thing, state string) {
		return m.Address, "master " + m.Address, masterState(m)
	}, &lines)
	compare(before.Agents, now.Agents, func(a cluster.AgentStatus) (id, thing, state string) {
		return a.ID, fmt.Sprintf("agent %s (%s)", shortID(a.ID), a.Hostname), agentState(a)
	}, &lines)
	compare(before.Frameworks, now.Frameworks, func(f cluster.FrameworkStatus) (id, thing, state string) {
		return f.ID, fmt.Sprintf("framework %s (%s)", f.Name, shortID(f.ID)), fmt.Sprintf("%s, %d tasks", frameworkState(f), f.Tasks)
	}, &lines)
	return lines
}

// compare adds a line for each element that came, went or is in another state.
func compare[T any](before, now []T, describe func(T) (id, thing, state string), lines *[]string) {
	states := map[string]string{}
	for _, x := range before {
		id, _, state := describe(x)
		states[id] = state
	}
	for _, x := range now {
		id, thing, state := describe(x)
		if old, known := states[id]; !known || old != state {
			*lines = append(*lines, thing+": "+state)
		}
		delete(states, id)
	}
	for _, x := range before {
		if id, thing, _ := describe(x); states[id] != "" {
			*lines = append(*lines, thing+": gone")
		}
	}
}

// shortID is the end of an id, which commands take for the whole.
func shortID(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

func masterState(m cluster.MasterStatus) string {
	switch {
	case m.Leading:
		return "leads"
	case !m.Running:
		return "killed"
	}
	return "follows"
}

func frameworkState(f cluster.FrameworkStatus) string {
	switch {
	case !f.Connected:
		return "disconnected"
	case !f.Active:
		return "inactive"
	}
	return "connected"
}

// printStatus writes tables of what runs, of rules if there are some.
func printStatus(cmd *cobra.Command, s cluster.Status, faults []fault.State) error {
	masters := newTable(cmd, "master", "state", "id")
	for _, m := range s.Masters {
		masters.AppendRow(table.Row{m.Address, masterState(m), m.ID})
	}
	out := []string{masters.Render()}
	agents := newTable(cmd, "agent", "hostname", "state", "tasks", "resources", "attributes", nameColumn("id"))
	for _, a := range s.Agents {
		agents.AppendRow(table.Row{a.Address, a.Hostname, agentState(a), a.Tasks, amounts(a.Resources), attributes(a), a.ID})
	}
	out = append(out, agents.Render())
	if len(s.Frameworks) > 0 {
		frameworks := newTable(cmd, "framework", "roles", "state", "tasks", "used", nameColumn("id"))
		for _, f := range s.Frameworks {
			frameworks.AppendRow(table.Row{f.Name, strings.Join(f.Roles, ","), frameworkState(f), f.Tasks, amounts(f.Used), f.ID})
		}
		out = append(out, frameworks.Render())
	}
	if len(faults) > 0 {
		out = append(out, faultTable(cmd, faults))
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(out, "\n\n"))
	return err
}

func agentState(a cluster.AgentStatus) string {
	state := string(a.State)
	switch {
	case a.State == cluster.AgentEnded:
	case !a.Registered:
		state += ", not registered"
	case !a.Active:
		state += ", inactive"
	}
	return state
}

// amounts leaves an empty list of resources out.
func amounts(text string) string { return strings.TrimPrefix(text, "{}") }

// attributes are those of an agent and its fault domain.
func attributes(a cluster.AgentStatus) string {
	return strings.TrimSpace(a.Attributes + " " + a.Domain)
}

func faultTable(cmd *cobra.Command, list []fault.State) string {
	t := newTable(cmd, "fault", "rule", "seen", "hits", "state")
	for _, s := range list {
		state := "active"
		if s.Over {
			state = "over"
		}
		t.AppendRow(table.Row{s.ID, s.Text, s.Seen, s.Hits, state})
	}
	return t.Render()
}
