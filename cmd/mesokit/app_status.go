package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
)

func newAppStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how the scheduler stands, and what keeps it from its work", Args: cobra.NoArgs,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, _ []string) error {
			st, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if structured(cmd) {
				return emit(cmd, st, "")
			}
			if err := emitText(cmd, statusText(st)); err != nil {
				return err
			}
			for _, condition := range st.Conditions {
				if err := emitText(cmd, conditionLine(condition.Severity, &condition)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func statusText(st *apiclient.Status) string {
	role := "follows"
	switch {
	case !st.Running:
		role = "does not run"
	case st.Leading:
		role = "leads"
	case st.Leader != nil:
		role = "follows " + cmp.Or(st.Leader.URL, st.Leader.ID)
	}
	master := "none"
	if st.Connected && st.Master != "" { // the one may be told a moment before the other
		master = st.Master
	}
	return fmt.Sprintf("scheduler   %s\nmaster      %s\nframework   %s\napps        %d\noffers      %d in hand\nunanswered  %s\norphans     %s",
		role, master, cmp.Or(st.FrameworkID, "none yet"), st.Apps, st.Offers, plural(st.Unanswered, "task"), plural(st.Orphans, "task"))
}
