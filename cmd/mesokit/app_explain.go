package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/internal/visible"
)

func newAppExplain() *cobra.Command {
	return &cobra.Command{
		Use: "explain [APP[/N]]", Short: "Say what is not as it should be, why, and what to do", Args: cobra.MaximumNArgs(1),
		Long: `explain says what keeps the scheduler from its work, how deployments stand, and of each instance that does not run why not: with what became of the
offers that it was compared with, all agents that were turned away for one cause together.`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			ctx := cmd.Context()
			var e explanation
			var whose []string
			if len(args) > 0 {
				name, index, err := findInstance(ctx, c, args[0])
				if err != nil {
					return err
				}
				if index >= 0 {
					w, err := c.Why(ctx, name, index)
					if err != nil {
						return err
					}
					e.Instances = []apiclient.Why{*w}
				} else if _, err := c.App(ctx, name); err != nil { // a mistyped name must not look like health
					return err
				}
				whose = []string{name}
				if e.Conditions, err = schedulerConditions(ctx, c); err != nil {
					return err
				}
			}
			list, err := c.Conditions(ctx, whose...)
			if err != nil {
				return err
			}
			e.Conditions = append(e.Conditions, list...)
			if e.Instances == nil {
				if e.Instances, err = c.Explanations(ctx, whose...); err != nil {
					return err
				}
			}
			if structured(cmd) {
				return emit(cmd, e, "")
			}
			return e.print(cmd.OutOrStdout())
		}),
	}
}

// explanation is what explain tells.
type explanation struct {
	Conditions []apiclient.Condition `json:"conditions"` // of the scheduler, then of applications
	Instances  []apiclient.Why       `json:"instances"`  // those that do not run, or are not ready
}

// schedulerConditions are those of the scheduler, without applications.
func schedulerConditions(ctx context.Context, c *apiclient.Client) ([]apiclient.Condition, error) {
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	return st.Conditions, nil
}

// print writes the scheduler's conditions, those of deployments, and instances with what to do about them.
func (e *explanation) print(w io.Writer) error {
	next := map[string]string{}
	for _, c := range e.Conditions {
		if c.App != "" && c.Count > 0 { // of instances: they are told one by one
			if !strings.HasPrefix(c.Next, "mesokit app explain") { // this is it
				next[c.App+"\x00"+c.State] = c.Next
			}
			continue
		}
		if _, err := fmt.Fprintln(w, conditionLine(cmp.Or(c.App, "scheduler"), &c)); err != nil {
			return err
		}
	}
	if len(e.Instances) == 0 {
		if len(e.Conditions) == 0 {
			_, err := fmt.Fprintln(w, "Everything that should run does.")
			return err
		}
		return nil
	}
	return printWhys(w, e.Instances, next)
}

// conditionLine is a condition with what to do about it on a line of its own.
func conditionLine(whose string, c *apiclient.Condition) string {
	return withNext(visible.Line(whose+": "+c.Text), visible.Line(c.Next))
}

func withNext(text, next string) string {
	if next != "" {
		text += "\n  -> " + next
	}
	return text
}

// printWhys writes explanations, those that are equal once.
func printWhys(w io.Writer, list []apiclient.Why, next map[string]string) error {
	for i := 0; i < len(list); {
		first, n := list[i], i+1
		for n < len(list) && list[n].App == first.App && list[n].Text == first.Text && reflect.DeepEqual(list[n].Offers, first.Offers) && (list[n].Until == nil) == (first.Until == nil) {
			n++
		}
		if _, err := fmt.Fprintln(w, withNext(explain(first, list[i:n]), next[first.App+"\x00"+first.Kind])); err != nil {
			return err
		}
		i = n
	}
	return nil
}

func explain(y apiclient.Why, same []apiclient.Why) string {
	var numbers []string
	for _, s := range same[:min(len(same), 10)] {
		numbers = append(numbers, strconv.Itoa(s.Index))
	}
	who := fmt.Sprintf("%s/%s", y.App, strings.Join(numbers, ","))
	if more := len(same) - len(numbers); more > 0 {
		who += fmt.Sprintf(" and %d more", more)
	}
	text := visible.Line(who + ": " + y.Text)
	if y.Until != nil {
		text += "; next step " + until(*y.Until)
	}
	if y.Offers != nil {
		text += "\n" + funnel(y.Offers)
	}
	return text
}

func until(t time.Time) string {
	if d := time.Until(t).Round(time.Second); d > 0 {
		return "in " + d.String()
	}
	return "now"
}

// funnel writes what became of the offers.
func funnel(f *apiclient.Funnel) string {
	if f.Offers == 0 {
		return "  no offers"
	}
	out := []string{"  " + plural(f.Offers, "offer") + " of " + plural(f.Candidates, "agent")}
	for _, r := range f.Rejected {
		line := fmt.Sprintf("  %6d  %s", r.Count, r.Cause)
		if r.What != "" {
			line += " " + r.What
		}
		if r.Example != "" {
			line += ", such as " + cmp.Or(r.Host, r.Example)
		}
		out = append(out, visible.Line(line))
	}
	if f.Fits > 0 {
		out = append(out, fmt.Sprintf("  %6d  fit now", f.Fits))
	}
	if n := f.Nearest; n != nil {
		line := visible.Line("  nearest is " + n.Hostname + " (" + n.Agent + ")")
		for _, l := range n.Lacks {
			line += fmt.Sprintf("\n          %s: %s wanted, %s there", l.Name, number(l.Need), number(l.Have))
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
