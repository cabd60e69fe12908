package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/fault"
)

// statusKey is equal for what needs no new table: only how much is used has changed.
func statusKey(s cluster.Status) string {
	s.Agents, s.Frameworks = slices.Clone(s.Agents), slices.Clone(s.Frameworks)
	for i := range s.Agents {
		s.Agents[i].Used = ""
	}
	for i := range s.Frameworks {
		s.Frameworks[i].Used = ""
	}
	return fmt.Sprintf("%+v", s)
}

func newTable(header ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0 // as it is
	t.AppendHeader(table.Row(header))
	return t
}

// printStatus writes tables of what runs, of rules if there are some.
func printStatus(w io.Writer, s cluster.Status, faults []fault.State) error {
	masters := newTable("master", "state", "id")
	for _, m := range s.Masters {
		state := "follows"
		switch {
		case m.Leading:
			state = "leads"
		case !m.Running:
			state = "killed"
		}
		masters.AppendRow(table.Row{m.Address, state, m.ID})
	}
	out := []string{masters.Render()}
	agents := newTable("agent", "hostname", "state", "tasks", "resources", "attributes", "id")
	for _, a := range s.Agents {
		agents.AppendRow(table.Row{a.Address, a.Hostname, agentState(a), a.Tasks, clip(amounts(a.Resources)), clip(attributes(a)), a.ID})
	}
	out = append(out, agents.Render())
	if len(s.Frameworks) > 0 {
		frameworks := newTable("framework", "roles", "state", "tasks", "used", "id")
		for _, f := range s.Frameworks {
			state := "connected"
			switch {
			case !f.Connected:
				state = "disconnected"
			case !f.Active:
				state = "inactive"
			}
			frameworks.AppendRow(table.Row{f.Name, strings.Join(f.Roles, ","), state, f.Tasks, clip(amounts(f.Used)), f.ID})
		}
		out = append(out, frameworks.Render())
	}
	if len(faults) > 0 {
		out = append(out, faultTable(faults))
	}
	_, err := fmt.Fprintln(w, strings.Join(out, "\n"))
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

// clip keeps tables narrow enough for a terminal.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func faultTable(list []fault.State) string {
	t := newTable("fault", "rule", "seen", "hits", "state")
	for _, s := range list {
		state := "active"
		if s.Over {
			state = "over"
		}
		t.AppendRow(table.Row{s.ID, clip(s.Text), s.Seen, s.Hits, state})
	}
	return t.Render()
}
