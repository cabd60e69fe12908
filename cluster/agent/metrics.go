package agent

// GET /metrics/snapshot and GET_METRICS: the counters and gauges of a mesos-agent, with its names.

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/system"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// counters count what has happened since the start of the agent.
type counters struct {
	validUpdates, invalidUpdates   uint64
	validMessages, invalidMessages uint64
	launched, terminated           uint64 // executors
	launchErrors                   uint64
	tasks                          map[mesospb.TaskState]uint64
}

// ended counts a task that has ended.
func (c *counters) ended(s mesospb.TaskState) {
	if c.tasks == nil {
		c.tasks = map[mesospb.TaskState]uint64{}
	}
	c.tasks[s]++
}

// metrics returns all values by name, on the loop.
func (a *Agent) metrics() map[string]float64 {
	m := map[string]float64{
		"slave/uptime_secs":                time.Since(a.started).Seconds(),
		"slave/registered":                 0,
		"slave/recovery_errors":            0,
		"slave/frameworks_active":          float64(len(a.frameworks)),
		"slave/executors_terminated":       float64(a.counts.terminated),
		"slave/executors_preempted":        0,
		"slave/container_launch_errors":    float64(a.counts.launchErrors),
		"slave/valid_status_updates":       float64(a.counts.validUpdates),
		"slave/invalid_status_updates":     float64(a.counts.invalidUpdates),
		"slave/valid_framework_messages":   float64(a.counts.validMessages),
		"slave/invalid_framework_messages": float64(a.counts.invalidMessages),
	}
	if a.registered {
		m["slave/registered"] = 1
	}
	system.Metrics(m)
	for name, state := range map[string]mesospb.TaskState{
		"finished": mesospb.TaskState_TASK_FINISHED, "failed": mesospb.TaskState_TASK_FAILED, "killed": mesospb.TaskState_TASK_KILLED,
		"lost": mesospb.TaskState_TASK_LOST, "gone": mesospb.TaskState_TASK_GONE,
	} {
		m["slave/tasks_"+name] = float64(a.counts.tasks[state])
	}
	for _, name := range []string{"staging", "starting", "running", "killing"} {
		m["slave/tasks_"+name] = 0
	}
	for _, name := range []string{"registering", "running", "terminating"} {
		m["slave/executors_"+name] = 0
	}
	names := [...]string{"staging", "starting", "running", "killing"}
	states := [...]mesospb.TaskState{mesospb.TaskState_TASK_STAGING, mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_KILLING}
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			switch e.state {
			case executorRegistering:
				m["slave/executors_registering"]++
			case executorRunning:
				m["slave/executors_running"]++
			case executorTerminating:
				m["slave/executors_terminating"]++
			}
			for _, t := range e.tasks {
				for i, s := range states {
					if t.live() && t.wire.GetState() == s {
						m["slave/tasks_"+names[i]]++
					}
				}
			}
		}
	}
	used := a.usedResources()
	for name, get := range map[string]func([]*mesospb.Resource) float64{
		"cpus": resources.CPUs, "mem": resources.Mem, "disk": resources.Disk, "gpus": resources.GPUs,
	} {
		total, inUse := get(a.total), get(used)
		m["slave/"+name+"_total"], m["slave/"+name+"_used"], m["slave/"+name+"_percent"] = total, inUse, 0
		if total > 0 {
			m["slave/"+name+"_percent"] = inUse / total
		}
		m["slave/"+name+"_revocable_total"], m["slave/"+name+"_revocable_used"], m["slave/"+name+"_revocable_percent"] = 0, 0, 0
	}
	return m
}

func (a *Agent) legacyMetrics(w http.ResponseWriter, r *http.Request) {
	var m map[string]float64
	if !a.do(w, r, func() { m = a.metrics() }) {
		return
	}
	o := object{}
	for _, name := range sortedKeys(m) {
		o.add(name, number(m[name]))
	}
	respondJSON(w, r, o)
}

func metricList(m map[string]float64) []*mesospb.Metric {
	var list []*mesospb.Metric
	for _, name := range sortedKeys(m) {
		list = append(list, &mesospb.Metric{Name: proto.String(name), Value: proto.Float64(m[name])})
	}
	return list
}
