package system

import (
	"runtime"
	"testing"
)

func TestMetricsArePlausible(t *testing.T) {
	m := map[string]float64{}
	Metrics(m)
	if m["system/cpus_total"] < 1 {
		t.Errorf("%v", m)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if m["system/mem_total_bytes"] < 1<<20 || m["system/mem_free_bytes"] > m["system/mem_total_bytes"] || m["system/load_1min"] > 1e4 || len(m) != 6 {
		t.Errorf("%v", m)
	}
}
