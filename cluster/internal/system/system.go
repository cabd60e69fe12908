// Package system tells what master and agents report of the machine they run on, under the names of Mesos' metrics.
package system

import "runtime"

// facts are what is known of the machine. What is not known is negative.
type facts struct {
	load        [3]float64 // over 1, 5 and 15 minutes
	total, free float64    // bytes of memory
}

// Metrics adds system/* to a set of metrics. What is not known on this system is left out.
func Metrics(to map[string]float64) {
	to["system/cpus_total"] = float64(runtime.NumCPU())
	f := read()
	for name, v := range map[string]float64{
		"load_1min": f.load[0], "load_5min": f.load[1], "load_15min": f.load[2], "mem_total_bytes": f.total, "mem_free_bytes": f.free,
	} {
		if v >= 0 {
			to["system/"+name] = v
		}
	}
}

var unknown = facts{[3]float64{-1, -1, -1}, -1, -1}
