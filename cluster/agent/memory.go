//lint:file-ignore SA1019 the role of a limitation is written as Mesos writes it.

package agent

// Memory limits, by measurement. While a container with a grant of memory runs, the memory of all its
// processes is measured once a second. When it is above what the executor and its tasks were granted (a
// task's limit, where it has one, counts in place of its request), the container is destroyed and
// its tasks fail with CONTAINER_LIMITATION_MEMORY. So is the container of one task of a group that does not share_cgroups, by what
// that task alone was granted. There is no cgroup to stop a task before that.
// Memory that files back, such as that of shared libraries, does not count.

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// memoryInterval is the time between two measurements of a container.
const memoryInterval = time.Second

// executorOverhead is added to the grant of command tasks, as by a mesos-agent; MB.
const executorOverhead = 32

// watchMemory begins to measure, unless that goes on already.
func (a *Agent) watchMemory() {
	if a.measuring || a.closing {
		return
	}
	a.measuring = true
	a.loop.After(memoryInterval, a.measureMemory)
}

// measureMemory measures all containers of executors with a limit, at once.
func (a *Agent) measureMemory() {
	a.measuring = false
	var list []*container
	var groups [][]*process.Process
	for _, c := range a.containers {
		if c.executor == nil || c.doomed || c.ended {
			continue
		}
		if processes := c.processes(nil); len(processes) > 0 && c.memoryLimit() > 0 {
			list, groups = append(list, c), append(groups, processes)
		}
	}
	if len(list) == 0 || a.closing {
		return // the next start begins again
	}
	a.measuring = true
	a.async(func() func() {
		usage := process.Measure(groups)
		return func() {
			a.measuring = false
			for i, c := range list {
				if limit := c.memoryLimit(); limit > 0 && usage[i].Anonymous > uint64(limit*(1<<20)) {
					a.exceeded(c, limit, usage[i].Anonymous)
				}
			}
			a.watchMemory()
		}
	})
}

// memoryLimit is what a container may use, in MB; 0 is no limit.
func (c *container) memoryLimit() float64 {
	switch {
	case !c.nested():
		return memoryLimit(c.executor)
	case c.alone != nil:
		return memoryOf(c.alone)
	}
	return 0
}

// memoryOf is what a task may use, in MB; 0 is no limit.
func memoryOf(t *mesospb.TaskInfo) float64 {
	if l := t.GetLimits()[resources.NameMem]; l != nil {
		if l.GetValue() > 1e15 { // infinity
			return 0
		}
		return l.GetValue()
	}
	return resources.Mem(t.GetResources())
}

// memoryLimit is what an executor and its tasks may use, in MB; 0 is no limit.
func memoryLimit(e *executor) float64 {
	sum := resources.Mem(e.info.GetResources())
	if e.kind == commandKind {
		sum = executorOverhead
	}
	granted := false
	for _, t := range e.tasks {
		if !t.live() {
			continue
		}
		mem := memoryOf(t.info)
		if mem == 0 && t.info.GetLimits()[resources.NameMem] != nil {
			return 0
		}
		granted = granted || mem > 0
		sum += mem
	}
	if !granted {
		return 0
	}
	return sum
}

func (a *Agent) exceeded(c *container, limit float64, used uint64) {
	if c.doomed || c.gone {
		return
	}
	a.log.Info("container exceeds its memory", "container", c.key, "limitMB", limit, "usedBytes", used)
	why := &cause{
		state:  mesospb.TaskState_TASK_FAILED,
		reason: mesospb.TaskStatus_REASON_CONTAINER_LIMITATION_MEMORY,
		message: fmt.Sprintf("Memory limit exceeded: Requested: %sMB Maximum Used: %sMB\n",
			strconv.FormatFloat(limit, 'f', -1, 64), strconv.FormatUint(used>>20, 10)),
		limitation: &mesospb.TaskResourceLimitation{Resources: []*mesospb.Resource{{
			Name: proto.String(resources.NameMem), Type: mesospb.Value_SCALAR.Enum(),
			Scalar: &mesospb.Value_Scalar{Value: proto.Float64(float64(used >> 20))}, Role: proto.String("*"),
		}}},
	}
	for _, child := range c.children {
		if child.cause == nil {
			child.cause = why
		}
	}
	a.destroyFor(c, why)
}
