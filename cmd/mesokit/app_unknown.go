package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/framework/core"
)

func newAppOrphans() *cobra.Command {
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "orphans", Short: "Show, adopt and kill tasks of the framework that the scheduler does not know",
		Long: `orphans shows tasks of the framework that the scheduler does not know, as after the loss of its store. They run on until they are adopted or killed.

To have an application go on with the tasks that it had, submit it with "instances": 0, so that none is started beside them, and adopt them: it grows with each.`, Args: cobra.NoArgs,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, _ []string) error {
			list, err := c.Orphans(cmd.Context())
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return emit(cmd, list, "%s", noneOf(cmd, "There are no orphans."))
			}
			t := newTable(cmd, "task", "state", "agent", "seen")
			for _, o := range list {
				state := o.State
				if o.Killing {
					state += ", being killed"
				}
				t.AppendRow(table.Row{o.TaskID, state, o.Agent, ago(time.UnixMilli(o.Seen))})
			}
			return emit(cmd, list, "%s", t.Render())
		}),
	}
	cmd.AddCommand(&cobra.Command{
		Use: "adopt TASK APP[/N]", Short: "Make an orphan an instance, by default the first one that does not run, or a new one", Args: cobra.ExactArgs(2),
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			name, index, err := findInstance(cmd.Context(), c, args[1])
			if err != nil {
				return err
			}
			list, err := c.Orphans(cmd.Context())
			if err != nil {
				return err
			}
			if err := orphanIDs(list, args[:1]); err != nil {
				return err
			}
			text, err := c.Adopt(cmd.Context(), args[0], name, index)
			if err != nil {
				return err
			}
			return emit(cmd, outcome{name, text}, "%s", text)
		}),
	})
	all := false
	kill := &cobra.Command{
		Use: "kill TASK… | --all", Short: "Kill orphans", Args: cobra.ArbitraryArgs,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			if (len(args) == 0) != all {
				return usagef("want the ids of tasks, or --all")
			}
			list, err := c.Orphans(cmd.Context())
			if err != nil {
				return err
			}
			if all {
				err = confirm(cmd, "kill --all kills %s", plural(len(list), "orphan"))
				args = []string{""}
			} else {
				if err = orphanIDs(list, args); err == nil {
					err = confirm(cmd, "kill kills %s: %s", plural(len(args), "orphan"), strings.Join(args, ", "))
				}
			}
			if err != nil {
				return err
			}
			for _, id := range args {
				text, err := c.KillOrphan(cmd.Context(), id)
				if err != nil {
					return err
				}
				if err := emit(cmd, map[string]string{"task": id, "text": text}, "%s", text); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	confirmFlag(kill)
	kill.Flags().BoolVar(&all, "all", false, "kill all of them")
	cmd.AddCommand(kill)
	return cmd
}

// orphanIDs replaces the beginnings of ids by the ids.
func orphanIDs(list []apiclient.Orphan, refs []string) error {
	id := func(o apiclient.Orphan) string { return o.TaskID }
	for i, ref := range refs {
		o, err := pick(ref, list, id, func(o apiclient.Orphan) bool { return o.TaskID == ref }, func(o apiclient.Orphan) bool { return strings.HasPrefix(o.TaskID, ref) })
		if errors.Is(err, errNoneFits) {
			return fmt.Errorf("there is no orphan %q; mesokit app orphans shows those there are", ref)
		}
		if err != nil {
			return err
		}
		refs[i] = o.TaskID
	}
	return nil
}

func newAppGuard() *cobra.Command {
	cmd := &cobra.Command{
		Use: "guard", Short: "Say why the scheduler refuses to act, and end that", Args: cobra.NoArgs,
		Long: `A scheduler whose state does not belong to the framework that the master knows, as after the loss of its store, does nothing until
it is told what is to become of the tasks: see mesokit app guard resolve.`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, _ []string) error {
			g, err := c.Guard(cmd.Context())
			if err != nil {
				return err
			}
			if g == nil {
				return emit(cmd, map[string]any{"standing": false}, "The scheduler acts: there is nothing to resolve.")
			}
			return emit(cmd, map[string]any{"standing": true, "guard": g}, "%s\n%s", g.Why, g.Advice)
		}),
	}
	resolve := &cobra.Command{
		Use: "resolve adopt|kill|new", Short: "Say what is to become of the tasks", Args: cobra.ExactArgs(1),
		Long: `adopt subscribes as the framework that the master knows; its tasks become orphans, to be adopted or killed one by one.
kill does the same and kills all tasks that the store does not know.
new leaves that framework alone and starts as a new one.`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			choice := core.Choice(args[0])
			if !slices.Contains([]core.Choice{core.ResolveAdopt, core.ResolveKill, core.ResolveNew}, choice) {
				return usagef("%q: want adopt, kill or new", args[0])
			}
			g, err := c.Guard(cmd.Context())
			if err != nil {
				return err
			}
			if g == nil {
				return &exitError{exitFailure, fmt.Errorf("there is nothing to resolve: the scheduler acts")}
			}
			switch choice {
			case core.ResolveKill:
				err = confirm(cmd, "resolve kill kills every task of framework %s that the store does not know", g.FrameworkID)
			case core.ResolveNew:
				err = confirm(cmd, "resolve new forgets framework %s: nobody looks after its tasks and volumes any more", g.FrameworkID)
			}
			if err != nil {
				return err
			}
			text, err := c.Resolve(cmd.Context(), g.FrameworkID, choice)
			if err != nil {
				return err
			}
			return emit(cmd, map[string]string{"framework_id": g.FrameworkID, "text": text}, "%s", text)
		}),
	}
	confirmFlag(resolve)
	cmd.AddCommand(resolve)
	return cmd
}
