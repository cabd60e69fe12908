package conformance

import (
	"context"
	"flag"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesokit/mesokit/test/real"
)

var (
	mesos  = real.Flags(flag.CommandLine)
	unlike = flag.Bool("any-amounts", false, "the agents of that Mesos have other resources than the recorded one")
	only   = flag.String("case", "", "run only the groups that have a case with one of these prefixes, such as f04,f12")
)

// TestConformance replays all captures to the embedded cluster, or to the Mesos that -master names.
func TestConformance(t *testing.T) {
	var groups [][]Case
	for _, g := range Groups() {
		if slices.ContainsFunc(g, wanted) {
			groups = append(groups, g)
		}
	}
	known, err := LoadKnown("differences.json")
	if err != nil {
		t.Fatal(err)
	}
	start, width := startEmbedded, 6 // groups mostly wait
	options := Options{Pace: DefaultPace, Slack: 10 * time.Second}
	if mesos.Master != "" {
		start = func(ctx context.Context, t *testing.T, _ Setup) (Target, error) {
			return Remote(ctx, mesos, t.TempDir())
		}
		width = 1 // they would take each other's offers
		options.Shared, options.AnyAmounts = true, *unlike
		known = ofOthers(known, mesos.Embedded())
	}
	rows, notRun, ran := runAll(t, groups, start, options, width)
	verdict := Judge(rows, known, ran)
	var table strings.Builder
	if err := WriteTable(&table, verdict, known, notRun); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	for _, group := range groups { // a line of the report for each case
		for _, c := range group {
			t.Run(c.Name, func(t *testing.T) { reportCase(t, c.Name, verdict, notRun) })
		}
	}
	for _, i := range verdict.Outdated {
		k := known[i]
		t.Errorf("known difference %d of differences.json no longer occurs, remove it: %s %s %s %s", i, k.Case, k.Exchange, k.Event, k.Path)
	}
}

// reportCase fails for every new difference of a case, and says if it was not run.
func reportCase(t *testing.T, name string, verdict Verdict, notRun []NotRun) {
	for _, n := range notRun {
		if n.Case == name {
			t.Logf("not run: %s", n.Reason)
		}
	}
	for _, r := range verdict.New {
		if r.Case == name {
			t.Errorf("%s %s: %s: mend it, or list it in differences.json with the reason\n  want %s\n  got  %s", r.Exchange, place(r), r.Kind, r.Want, r.Got)
		}
	}
}

// wanted says whether a case is to be run.
func wanted(c Case) bool {
	if *only == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(*only, ","), func(prefix string) bool { return strings.HasPrefix(c.Name, prefix) })
}

// ofOthers picks the known differences that a Mesos of somebody else may have: those in which a capture shows what chance
// or its surroundings brought about, and if it is an embedded one its own.
func ofOthers(known []Known, embedded bool) []Known {
	var picked []Known
	for _, k := range known {
		if k.Area == "recording" || embedded {
			k.Sometimes = true
			picked = append(picked, k)
		}
	}
	return picked
}

type startFunc func(ctx context.Context, t *testing.T, setup Setup) (Target, error)

// runAll runs groups side by side, each on a cluster of its own.
func runAll(t *testing.T, groups [][]Case, start startFunc, options Options, width int) (rows []Row, notRun []NotRun, ran map[string]bool) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		binary = ""
	}
	type outcome struct {
		rows   []Row
		notRun []NotRun
	}
	outcomes := make([]outcome, len(groups))
	slots := make(chan struct{}, width)
	var wg sync.WaitGroup
	for i, group := range groups {
		scratch := t.TempDir()
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			target, err := start(ctx, t, group[0].Setup)
			if err != nil {
				t.Errorf("%s: %v", group[0].Name, err)
				return
			}
			found, not, err := RunGroup(ctx, group, target, RunOptions{
				Options: options, Captures: "../captures", Scratch: scratch, Binary: binary,
			})
			if err != nil {
				t.Errorf("%s: %v", group[0].Name, err)
			}
			if err := target.Close(); err != nil {
				t.Errorf("%s: close: %v", group[0].Name, err)
			}
			outcomes[i] = outcome{found, not}
		})
	}
	wg.Wait()
	ran = make(map[string]bool)
	for _, o := range outcomes {
		rows = append(rows, o.rows...)
		notRun = append(notRun, o.notRun...)
	}
	for _, r := range rows {
		ran[r.Case] = true
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(a.Case, b.Case) })
	slices.SortFunc(notRun, func(a, b NotRun) int { return strings.Compare(a.Case, b.Case) })
	return rows, notRun, ran
}
