package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/clustertest"
	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// hostile is what names and messages of others may hold: a sequence that clears the screen, a line that looks like one of ours, C1 controls, a change
// of the direction of writing.
const hostile = "x\x1b[2J\r\nFORGED line\x7f\u009b31m\u0085\u202etxt.exe\u2066\u200f"

// inIDs is what of that Mesos lets pass in ids.
const inIDs = "x\u009b31m\u0085\u202etxt.exe\u2066"

// harmless reports what is wrong with an output.
func harmless(t *testing.T, what, output string) {
	t.Helper()
	for _, r := range output {
		if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
			t.Errorf("%s prints %q:\n%q", what, r, output)
			return
		}
	}
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "FORGED") {
			t.Errorf("%s prints a forged line:\n%s", what, output)
		}
	}
}

// withoutArguments lists the commands of a group that run as they are, and end by themselves.
func withoutArguments(group *cobra.Command) (list [][]string) {
	for _, sub := range group.Commands() {
		path := strings.Fields(sub.CommandPath())
		switch {
		case sub.HasSubCommands():
			list = append(list, withoutArguments(sub)...)
		case sub.Args != nil && sub.Args(sub, nil) != nil, sub.Name() == "attach", sub.Name() == "help":
		case sub.Name() == "events":
			list = append(list, append(path, "--count=1"))
		default:
			list = append(list, path)
		}
	}
	return list
}

func TestNamesOfOthersDoNothingToTheTerminal(t *testing.T) {
	c := clustertest.Start(t, func(c *cluster.Config) {
		c.Agents = []cluster.AgentConfig{{Hostname: hostile, Resources: "cpus:4;mem:1024;disk:2048", Attributes: "rack:x\x1bc\u009b31m\u202etxt.exe", Simulated: true}}
	})
	one := task(inIDs, hostile)
	one.Name = proto.String(hostile)
	one.Labels = &mesospb.Labels{Labels: []*mesospb.Label{{Key: proto.String(hostile), Value: proto.String(hostile)}}}
	launch(t, c, hostile, one)
	commands := append(withoutArguments(newMaster()), withoutArguments(newAgent())...)
	commands = append(commands, []string{"master", "files", "ls", "/" + hostile}, []string{"agent", "exec", hostile, "--", "true"}, []string{"master", "drain", hostile})
	shown := 0
	for _, args := range commands {
		for _, format := range []string{formatText, formatWide, formatName, formatJSON, formatYAML} {
			full := append(slices.Clone(args), "-o", format)
			if args[0] == "agent" {
				full = append([]string{"agent", "--agent", "S0"}, full[1:]...)
			}
			if i := slices.Index(full, "--"); i >= 0 { // flags go before
				full = slices.Concat(full[:i], full[len(full)-2:], full[i:len(full)-2])
			}
			got := operate(t, c, full...)
			what := strings.Join(full, " ")
			harmless(t, what, got.stdout)
			harmless(t, what, got.stderr)
			if strings.Contains(got.stdout, "FORGED") || strings.Contains(got.stdout, `\u202etxt.exe`) {
				shown++
			}
			if format == formatJSON && got.code == 0 {
				for dec := json.NewDecoder(strings.NewReader(got.stdout)); dec.More(); {
					var v any
					if err := dec.Decode(&v); err != nil {
						t.Errorf("%s: %v in %s", what, err, got.stdout)
						break
					}
				}
			}
		}
	}
	if shown < 20 {
		t.Errorf("only %d outputs show what was made up: does the test look at anything?", shown)
	}
}

func TestEventsAndStatesAreOneLineEach(t *testing.T) {
	harmless(t, "run", describeEnd(hostile, &mesospb.TaskStatus{State: mesospb.TaskState_TASK_FAILED.Enum(), Message: proto.String(hostile)}))
	harmless(t, "app events", eventLine(&apiclient.Note{App: hostile, Task: hostile, Text: hostile, Agent: hostile, State: hostile}))
	harmless(t, "app explain", explain(apiclient.Why{App: hostile, Text: hostile, Offers: &apiclient.Funnel{
		Offers: 1, Rejected: []apiclient.Reject{{Cause: hostile, What: hostile, Example: hostile, Host: hostile}},
	}}, nil))
}
