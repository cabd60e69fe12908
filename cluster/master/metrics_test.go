package master

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestTimingsAreThoseOfTheLastRuns(t *testing.T) {
	var tm timing
	got := map[string]float64{}
	if tm.metrics(got, "t"); len(got) != 0 {
		t.Errorf("before the first run: %v", got)
	}
	for i := range 1000 {
		tm.add(time.Duration(i) * time.Millisecond)
	}
	for i := range 256 { // only these count
		tm.add(time.Duration(256-i) * time.Millisecond)
	}
	tm.metrics(got, "t")
	want := map[string]float64{
		"t": 1, "t/count": 256, "t/min": 1, "t/max": 256, "t/p50": 128.5, "t/p90": 230.5, "t/p95": 243.25, "t/p99": 253.45, "t/p999": 255.745, "t/p9999": 255.9745,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What dashboards and exporters ask for must be there, whatever has happened so far.
func TestMetricsHaveTheUsualNames(t *testing.T) {
	w := start(t, Config{})
	w.agent("h")
	m := w.getJSON("/metrics/snapshot")
	for _, name := range []string{
		"master/elected", "master/uptime_secs", "master/slaves_active", "master/slaves_inactive", "master/slaves_connected", "master/slaves_unreachable",
		"master/frameworks_active", "master/frameworks_connected", "master/outstanding_offers", "master/tasks_staging", "master/tasks_starting",
		"master/tasks_running", "master/tasks_killing", "master/tasks_unreachable", "master/tasks_finished", "master/tasks_failed", "master/tasks_killed",
		"master/tasks_lost", "master/tasks_error", "master/tasks_dropped", "master/tasks_gone", "master/cpus_total", "master/cpus_used", "master/cpus_percent",
		"master/mem_total", "master/mem_used", "master/mem_percent", "master/disk_total", "master/gpus_total", "master/event_queue_dispatches",
		"master/event_queue_messages", "master/event_queue_http_requests", "master/dropped_messages", "system/cpus_total", "allocator/mesos/allocation_runs",
		"allocator/mesos/allocation_run_ms/p99", "allocator/mesos/allocation_run_latency_ms/count", "allocator/mesos/event_queue_dispatches",
	} {
		if _, ok := m[name].(float64); !ok {
			t.Errorf("%s is %v", name, m[name])
		}
	}
}
