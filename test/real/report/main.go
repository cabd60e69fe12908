// Command report runs the suites that any Mesos must pass, and prints one table: part, case, and whether it was the same,
// different, or not run and why. Without -master it brings up a mesokit dev for them, as a process of its own.
//
//	go run ./test/real/report -master 127.0.0.1:5050 -agent-pid 4711 -agent-work-dir /var/lib/mesos -zk 127.0.0.1:2181/mesos
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"text/tabwriter"

	"github.com/mesokit/mesokit/test/real"
)

// A row is a case of a part.
type row struct{ part, name, result, why string }

func main() {
	mesos := real.Flags(flag.CommandLine)
	cases := flag.String("case", "", "run only these cases of the conformance suite, such as f01,f12")
	unlike := flag.Bool("any-amounts", false, "the agents of that Mesos are unlike the recorded one")
	kills := flag.Int("kills", 12, "how often the acceptance suite kills the scheduler")
	renewals := flag.Int("renewals", 2, "how often it gives an agent a new id meanwhile")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	conformance := []string{"-case", *cases, fmt.Sprintf("-any-amounts=%v", *unlike)}
	acceptance := []string{"-kills", fmt.Sprint(*kills), "-renewals", fmt.Sprint(*renewals)}
	rows, err := run(ctx, mesos, conformance, acceptance)
	if err := errors.Join(err, write(rows)); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	for _, r := range rows {
		if r.result == "different" {
			os.Exit(1)
		}
	}
}

func run(ctx context.Context, mesos *real.Mesos, conformance, acceptance []string) (rows []row, err error) {
	own := mesos
	if mesos.Master == "" { // the acceptance suite brings its own
		dir, err := os.MkdirTemp("", "mesokit-report-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		binary, err := real.Build(ctx, dir)
		if err != nil {
			return nil, err
		}
		dev, end, err := real.Dev(ctx, binary, dir, 1)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, end()) }()
		own = dev
	}
	for _, part := range []struct {
		name, packages string
		mesos          *real.Mesos
		flags          []string
	}{
		{"conformance", "./test/conformance", own, conformance},
		{"acceptance", "./test/acceptance", mesos, acceptance},
	} {
		found, err := test(ctx, part.name, part.packages, part.mesos, part.flags)
		rows = append(rows, found...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return rows, nil
}

// test runs the suite of a part. Its cases are the subtests.
func test(ctx context.Context, part, packages string, m *real.Mesos, flags []string) ([]row, error) {
	args := append([]string{"test", "-json", "-count=1", "-timeout=2h", "-run=TestConformance|TestTheEngineOnAMesos", packages, "-args"}, flags...)
	for _, f := range [][2]string{{"-master", m.Master}, {"-agent-work-dir", m.AgentWorkDir}, {"-zk", m.ZooKeeper}, {"-control", m.Control}} {
		if f[1] != "" {
			args = append(args, f[0], f[1])
		}
	}
	if m.AgentPID != 0 {
		args = append(args, "-agent-pid", fmt.Sprint(m.AgentPID))
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Stderr = os.Stderr
	if m.Token != "" {
		command.Env = append(os.Environ(), "MESOKIT_CONTROL_TOKEN="+m.Token)
	}
	out, err := command.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return nil, err
	}
	return rowsOf(part, out)
}

// rowsOf reads what go test -json tells of tests.
func rowsOf(part string, out []byte) (rows []row, err error) {
	notRun, output := make(map[string]string), make(map[string]*strings.Builder)
	failed := false
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var event struct{ Action, Test, Output string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			continue // the compiler speaks
		}
		_, name, sub := strings.Cut(event.Test, "/")
		switch event.Action {
		case "output":
			if _, why, ok := strings.Cut(event.Output, "not run: "); ok && sub {
				notRun[name] = strings.TrimSpace(why)
			}
			if output[event.Test] == nil {
				output[event.Test] = new(strings.Builder)
			}
			output[event.Test].WriteString(event.Output)
		case "pass", "fail":
			failed = failed || event.Action == "fail"
			switch {
			case !sub:
				if event.Action == "fail" && event.Test != "" {
					fmt.Fprint(os.Stderr, output[event.Test])
				}
			case event.Action == "fail":
				rows = append(rows, row{part, name, "different", "see above"})
				fmt.Fprint(os.Stderr, output[event.Test])
			case notRun[name] != "":
				rows = append(rows, row{part, name, "not run", notRun[name]})
			default:
				rows = append(rows, row{part, name, "same", ""})
			}
		}
	}
	if err := lines.Err(); err != nil {
		return rows, err
	}
	if len(rows) == 0 || failed {
		different := false
		for _, r := range rows {
			different = different || r.result == "different"
		}
		if !different {
			return rows, errors.New("the suite failed outside of its cases, or has run none")
		}
	}
	return rows, nil
}

func write(rows []row) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tCASE\tRESULT\tWHY")
	count := make(map[string]int)
	for _, r := range rows {
		count[r.result]++
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.part, strings.ReplaceAll(r.name, "_", " "), r.result, r.why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Printf("%d the same, %d different, %d not run\n", count["same"], count["different"], count["not run"])
	return err
}
