package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

// completionPatience is how long a shell waits for a master that is to say what a word may become.
const completionPatience = 2 * time.Second

// completion returns what a word may become, each with a description after a tab.
type completion func(ctx context.Context, m *operator.Master) ([]string, error)

func agentWords(ctx context.Context, m *operator.Master) ([]string, error) {
	list, err := m.GetAgents(ctx)
	return each(list.GetAgents(), func(a *masterpb.Response_GetAgents_Agent) string {
		return a.GetAgentInfo().GetId().GetValue() + "\t" + a.GetAgentInfo().GetHostname()
	}), err
}

func frameworkWords(ctx context.Context, m *operator.Master) ([]string, error) {
	list, err := m.GetFrameworks(ctx)
	return each(list.GetFrameworks(), func(f *masterpb.Response_GetFrameworks_Framework) string {
		return f.GetFrameworkInfo().GetId().GetValue() + "\t" + f.GetFrameworkInfo().GetName()
	}), err
}

func taskWords(ctx context.Context, m *operator.Master) ([]string, error) {
	list, err := m.GetTasks(ctx)
	var out []string
	for _, t := range list.GetTasks() {
		out = append(out, t.GetTaskId().GetValue()+"\t"+t.GetName())
	}
	return out, err
}

// completions lets the shell complete agents, frameworks and tasks of a group of commands: the arguments that their usage names, and flags.
func (o *operating) completions(group *cobra.Command) {
	for _, c := range []struct {
		argument, flag string
		words          completion
	}{{"AGENT", "agent", agentWords}, {"FRAMEWORK", "framework", frameworkWords}, {"TASK", "task", taskWords}} {
		f := o.complete(c.words)
		for todo := []*cobra.Command{group}; len(todo) > 0; {
			cmd := todo[0]
			todo = append(todo[1:], cmd.Commands()...)
			if usage := strings.Fields(cmd.Use); len(usage) > 1 && slices.ContainsFunc(usage[1:], func(w string) bool { return strings.Trim(w, "[]…") == c.argument }) {
				many := strings.Contains(cmd.Use, c.argument+"…")
				cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
					if len(args) > 0 && !many {
						return nil, cobra.ShellCompDirectiveDefault
					}
					return f(cmd, args, word)
				}
			}
			if cmd.LocalNonPersistentFlags().Lookup(c.flag) != nil || cmd.PersistentFlags().Lookup(c.flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(c.flag, f) // it is there, and only once
			}
		}
	}
}

func (o *operating) complete(words completion) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmp.Or(cmd.Context(), context.Background()), completionPatience)
		defer cancel()
		var found []string
		err := o.reach(func() error {
			m, err := o.newMaster()
			if err != nil {
				return err
			}
			defer m.Close()
			found, err = words(ctx, m)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found = slices.DeleteFunc(found, func(w string) bool { id, _, _ := strings.Cut(w, "\t"); return slices.Contains(given, id) })
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
