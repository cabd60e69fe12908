package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// listingOf is a table of two rows that a command prints in a format.
func listingOf(format string, s *screen) string {
	cmd := &cobra.Command{}
	cmd.Flags().String("output", format, "")
	cmd.SetOut(new(bytes.Buffer))
	l := newTable(cmd, "task", "state", "last", wide("extra"), nameColumn("id"))
	l.AppendRow(table.Row{"web.0", "TASK_RUNNING", "a\nmessage of two lines", "x", "id-0"})
	l.AppendRow(table.Row{"web.1", "TASK_FAILED", "", "y", "id-1"})
	if s != nil {
		return l.renderOn(*s)
	}
	return l.Render()
}

func TestATableInAPipeIsAlignedWordsAndNothingIsCut(t *testing.T) {
	want := `task   state         last                    id
web.0  TASK_RUNNING  a message of two lines  id-0
web.1  TASK_FAILED                           id-1`
	if got := listingOf(formatText, nil); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWideShowsAllColumnsAndNameTheNamesOnly(t *testing.T) {
	if got := listingOf(formatWide, nil); !strings.Contains(got, "extra") || !strings.Contains(got, "y") {
		t.Errorf("wide:\n%s", got)
	}
	if got := listingOf(formatName, nil); got != "id-0\nid-1" {
		t.Errorf("name: %q", got)
	}
}

func TestATableFitsIntoTheTerminal(t *testing.T) {
	for _, width := range []int{45, 40, 36} {
		got := listingOf(formatText, &screen{width: width, ellipsis: "…"})
		for line := range strings.SplitSeq(got, "\n") {
			if text.StringWidth(line) > width {
				t.Errorf("width %d: %q", width, line)
			}
		}
		if !strings.Contains(got, "…") || !strings.Contains(got, "web.0") {
			t.Errorf("width %d:\n%s", width, got)
		}
	}
	if got := listingOf(formatWide, &screen{width: 30, ellipsis: "…"}); strings.Contains(got, "…") {
		t.Errorf("wide is cut:\n%s", got)
	}
}

func TestStatesHaveColoursWhereTheyAreWanted(t *testing.T) {
	red := text.Colors{text.FgRed}.EscapeSeq() + "TASK_FAILED"
	if got := listingOf(formatText, &screen{width: 100, colour: true}); !strings.Contains(got, red) {
		t.Errorf("no red: %q", got)
	}
	if got := listingOf(formatText, &screen{width: 100}); strings.Contains(got, "\x1b") {
		t.Errorf("coloured: %q", got)
	}
}

func TestAnyCommandPrintsYAMLWithTheMembersOfItsJSON(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.Flags().String("output", formatYAML, "")
	var out bytes.Buffer
	cmd.SetOut(&out)
	if err := emitJSON(cmd, []byte(`{"b":1844674407370955161,"a":["x: y",true,null,1.5],"empty":[],"text":"yes"}`+"\n")); err != nil {
		t.Fatal(err)
	}
	want := "---\nb: 1844674407370955161\na:\n  - \"x: y\"\n  - true\n  - null\n  - 1.5\nempty: []\ntext: \"yes\"\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// walk calls f with all commands of a tree.
func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, f)
	}
}

func TestFormatsThatACommandCannotPrintAreRefused(t *testing.T) {
	for _, args := range [][]string{{"run", "-o", "yaml", "--", "true"}, {"app", "scale", "web", "1", "-o", "wide"}, {"master", "health", "-o", "name"}, {"app", "ls", "-o", "csv"}} {
		if got := mesokit(t, t.Context(), args...); got.code != exitUsage || !strings.Contains(got.stderr, "prints text, ") {
			t.Errorf("%q: exit code %d, %s", args, got.code, got.stderr)
		}
	}
}

// Every command says how many arguments it takes, and what it does not take is a matter of usage.
func TestWrongArgumentsAreBadUsageEverywhere(t *testing.T) {
	var paths [][]string
	walk(newRoot(), func(cmd *cobra.Command) {
		if cmd.Args == nil && cmd.Runnable() && !slices.Contains([]string{"metrics", "flags", "agents", "ls", "bench", "rm"}, cmd.Name()) && !cmd.Hidden {
			t.Errorf("%s takes any arguments", cmd.CommandPath())
		}
		if cmd.Args != nil && cmd.Args(cmd, slices.Repeat([]string{"x"}, 12)) != nil {
			paths = append(paths, strings.Fields(cmd.CommandPath())[1:])
		}
	})
	if len(paths) < 40 {
		t.Fatalf("only %d commands", len(paths))
	}
	for _, path := range append(paths, []string{"completion"}, []string{"help"}) {
		got := mesokit(t, t.Context(), append(path, slices.Repeat([]string{"nonsense"}, 12)...)...)
		if got.code != exitUsage || !strings.Contains(got.stderr, "--help") && !strings.Contains(got.stderr, "want") {
			t.Errorf("%q: exit code %d, %s", path, got.code, got.stderr)
		}
	}
	for _, args := range [][]string{{"dev", "extra"}, {"completion", "foo"}, {"help", "foo"}, {"app", "foo"}, {"foo"}} {
		if got := mesokit(t, t.Context(), args...); got.code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, got.code, got.stderr)
		}
	}
}
