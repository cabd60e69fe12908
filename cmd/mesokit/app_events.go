package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/internal/visible"
)

func newAppEvents() *cobra.Command {
	var o apiclient.EventOptions
	var after uint64
	var count int
	var since string
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "events", Short: "Follow what happens", Args: cobra.NoArgs,
		Long: `events shows what happens as it happens, until it is interrupted. Each event has a number: --after continues behind one that was seen,
--after 0 begins with the oldest that the scheduler remembers. A scheduler that goes, or another that takes over, does not end it.`,
		Example: "  mesokit app events --app web --kind task --after 0 -o json",
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, _ []string) error {
			if cmd.Flags().Changed("after") {
				o.After = &after
			}
			if since != "" {
				t, err := parseSince(since, time.Now())
				if err != nil {
					return err
				}
				o.Since = t
			}
			seen := 0
			for n, err := range c.Events(cmd.Context(), o) {
				if gap, ok := errors.AsType[*apiclient.GapError](err); ok {
					fmt.Fprintln(cmd.ErrOrStderr(), "mesokit:", gap)
					continue
				}
				if err != nil {
					return err
				}
				if err := emit(cmd, n, "%s", eventLine(&n)); err != nil {
					return err
				}
				if seen++; seen == count {
					return nil
				}
			}
			return &exitError{code: exitInterrupted}
		}),
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.Apps, "app", nil, "events of this application; may be repeated")
	f.StringArrayVar(&o.Kinds, "kind", nil, "events of this kind: framework, app, task, health, instance, deployment, orphan, agent, warning, mesos; may be repeated")
	f.Uint64Var(&after, "after", 0, "continue after the event of this number (default: from now on)")
	f.StringVar(&since, "since", "", "begin with events since this time, such as 2026-01-31T22:00:00Z, or of so long ago, such as 1h, as far as the scheduler remembers")
	f.IntVar(&count, "count", 0, "end after so many events; 0 for never")
	return cmd
}

func eventLine(n *apiclient.Note) string {
	parts := []string{n.Time.Local().Format("15:04:05.000"), fmt.Sprint(n.Seq), string(n.Kind)}
	switch {
	case n.App != "" && n.Index >= 0:
		parts = append(parts, fmt.Sprintf("%s/%d", n.App, n.Index))
	case n.App != "":
		parts = append(parts, n.App)
	}
	for _, s := range []string{n.State, n.Text, n.Task, n.Agent} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return visible.Line(strings.Join(parts, "  "))
}

// parseSince reads a time, or one before now.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("--since %q: want a time such as 2026-01-31T22:00:00Z, or how long ago, such as 1h", text)
	}
	return t, nil
}

func newAppHistory() *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "history APP", Short: "Show what happened to an application, over restarts of the scheduler", Args: cobra.ExactArgs(1),
		Long: `history shows the ends and losses of tasks, failures, deployments and commands of an application, the latest 100, the oldest first. The scheduler keeps
them in its store. mesokit app events follows what happens, and shows the steps in between.`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			name, err := wholeApp(args[0])
			if err != nil {
				return err
			}
			list, err := c.History(cmd.Context(), name)
			if err != nil {
				return err
			}
			t := newTable(cmd, "time", nameColumn("event"), "kind", "instance", "state", "what", wide("task"), wide("agent"))
			for _, n := range list {
				instance := ""
				if n.Index >= 0 {
					instance = fmt.Sprint(n.Index)
				}
				t.AppendRow([]any{n.Time.Local().Format(time.DateTime), n.Seq, n.Kind, instance, n.State, n.Text, n.Task, n.Agent})
			}
			return emit(cmd, list, "%s", t.Render())
		}),
	}
}
