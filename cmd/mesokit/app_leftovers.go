package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
)

func newAppLeftovers() *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "leftovers", Short: "Show volumes and reservations of instances that are gone, until they are given back",
		Long: `leftovers shows volumes and reservations that instances have left on agents: of applications that were removed or scaled down, and of instances that were
replaced. They are destroyed and given back as soon as they are offered, whichever id their agent has then. What never comes back is given up by
mesokit app rm --force APP, or by declaring the agent gone: mesokit master mark-gone AGENT.`, Args: cobra.NoArgs,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, _ []string) error {
			list, err := c.Leftovers(cmd.Context())
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return emit(cmd, list, "%s", noneOf(cmd, "There are no leftovers."))
			}
			t := newTable(cmd, "instance", "agent", "volumes", "since", "waits for")
			for _, l := range list {
				_, why, _ := strings.Cut(l.Text, ": ")
				t.AppendRow(table.Row{fmt.Sprintf("%s/%d", l.App, l.Index), l.Agent, strings.Join(l.Volumes, ", "), ago(l.Since), why})
			}
			return emit(cmd, list, "%s", t.Render())
		}),
	}
}

// isNoApp reports whether the scheduler knows no such application.
func isNoApp(err error) bool {
	p, ok := errors.AsType[*apiclient.Problem](err)
	return ok && p.Type == "no-such-app"
}

// leftoversOf returns what instances of an application have left.
func leftoversOf(ctx context.Context, c *apiclient.Client, name string) ([]apiclient.Leftover, error) {
	list, err := c.Leftovers(ctx)
	return slices.DeleteFunc(list, func(l apiclient.Leftover) bool { return l.App != name }), err
}

// waitsFor says in one line what the removal of an application still waits for.
func waitsFor(name string, left []apiclient.Leftover) string {
	text := name + ": " + left[0].Text + " for " + roughly(time.Since(left[0].Since))
	if len(left) > 1 {
		text += fmt.Sprintf(", and %d more", len(left)-1)
	}
	return text
}

// roughly writes how long something lasts already so that it does not change all the time.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "less than 10s"
	case d < time.Minute:
		return d.Truncate(10 * time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}
