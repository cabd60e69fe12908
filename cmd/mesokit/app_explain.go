package main

import (
	"cmp"
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
		Use: "explain [APP[/N]]", Short: "Say why instances do not run, and what kept offers from fitting", Args: cobra.MaximumNArgs(1),
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			ctx := cmd.Context()
			var list []apiclient.Why
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
					list = []apiclient.Why{*w}
				} else if _, err := c.App(ctx, name); err != nil { // a mistyped name must not look like health
					return err
				}
				whose = []string{name}
			}
			if list == nil {
				var err error
				if list, err = c.Explanations(ctx, whose...); err != nil {
					return err
				}
			}
			if structured(cmd) {
				return emit(cmd, list, "")
			}
			if len(list) == 0 {
				return emit(cmd, nil, "Everything that should run does.")
			}
			return printWhys(cmd.OutOrStdout(), list)
		}),
	}
}

// printWhys writes explanations, those that are equal once.
func printWhys(w io.Writer, list []apiclient.Why) error {
	for i := 0; i < len(list); {
		first, n := list[i], i+1
		for n < len(list) && list[n].App == first.App && list[n].Text == first.Text && reflect.DeepEqual(list[n].Offers, first.Offers) && (list[n].Until == nil) == (first.Until == nil) {
			n++
		}
		if _, err := fmt.Fprintln(w, explain(first, list[i:n])); err != nil {
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
