package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/internal/visible"
)

func newAppEvents() *cobra.Command {
	var o apiclient.EventOptions
	var after uint64
	var count int
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "events", Short: "Follow what happens", Args: cobra.NoArgs,
		Long: `events shows what happens as it happens, until it is interrupted. Each event has a number: --after continues behind one that was seen,
--after 0 begins with the oldest that the scheduler remembers. A scheduler that goes, or another that takes over, does not end it.`,
		Example: "  mesokit app events --app web --kind task --after 0 -o json",
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, _ []string) error {
			if cmd.Flags().Changed("after") {
				o.After = &after
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
