package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestBenchMeasuresAndNamesBudgets(t *testing.T) {
	small := []string{"bench", "--tasks", "20", "--agents", "4", "--offers-for", "1ms"}
	got := mesokit(t, t.Context(), append(slices.Clone(small), "-o", "json")...)
	var report struct {
		CPUs     int
		Measures []measure
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != 0 || report.CPUs < 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	seen := map[string]int{}
	for _, m := range report.Measures {
		seen[m.Benchmark]++
		if !(m.Value > 0) && m.Unit != "MiB" || m.Unit == "" || m.What == "" || m.Size == 0 {
			t.Errorf("%+v", m)
		}
	}
	for name, want := range map[string]int{"start": 1, "start-simulated": 3, "offers": 2, "tasks": 4, "engine": 3} {
		if seen[name] != want {
			t.Errorf("%d measures of %s, want %d", seen[name], name, want)
		}
	}
	got = mesokit(t, t.Context(), append(small, "tasks", "--codec", "json")...)
	if got.code != 0 || !strings.Contains(got.stdout, "json, 20 tasks, 4 agents") || !strings.Contains(got.stdout, "10 s with 50000") || strings.Contains(got.stdout, "protobuf") {
		t.Errorf("%+v", got)
	}
}

func TestBenchSaysWhatIsWrong(t *testing.T) {
	for args, want := range map[string]string{
		"nonsense": "start-simulated", "--tasks 0": "--tasks", "--agents -1": "--agents", "--codec xml": "protobuf", "--offers-for 0s": "--offers-for",
	} {
		got := mesokit(t, t.Context(), append([]string{"bench"}, strings.Fields(args)...)...)
		if got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := mesokit(t, ctx, "bench", "tasks"); got.code != exitInterrupted {
		t.Errorf("interrupted: %+v", got)
	}
}

func TestBudgetsAreComparedWhereSizesAllowIt(t *testing.T) {
	for _, tc := range []struct {
		m    measure
		want string
	}{
		{measure{Value: 1, Size: 10, Budget: 2, BudgetSize: 10}, "within"},
		{measure{Value: 3, Size: 10, Budget: 2, BudgetSize: 10}, "over"},
		{measure{Value: 1, Size: 20, Budget: 2, BudgetSize: 10}, "within"},
		{measure{Value: 3, Size: 20, Budget: 2, BudgetSize: 10}, ""},
		{measure{Value: 1, Size: 5, Budget: 2, BudgetSize: 10}, ""},
		{measure{Value: 3, Size: 5, Budget: 2, BudgetSize: 10}, "over"},
		{measure{Value: 3}, ""},
	} {
		if got := tc.m.verdict(); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.m, got, tc.want)
		}
	}
}
