//lint:file-ignore SA1019 old fields are what legacy endpoints show.

package agent

// What containers use: GET /containers, GET /monitor/statistics and GET_CONTAINERS. Usage is measured
// from /proc, for the process tree of each container; limits are the resources that were granted.

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// measured is a container and what to measure it by, taken on the loop; the rest is done beside it.
type measured struct {
	entry     *agentpb.Response_GetContainers_Container
	source    string
	processes []*process.Process
	cpus, mem float64 // granted; 0 for containers without resources of their own
}

// measurable lists containers in the order in which they were made, on the loop.
func (a *Agent) measurable(nested, standalone bool) []measured {
	var list []measured
	for _, c := range sorted(a.containers) {
		if c.nested() && !nested || c.executor == nil && !c.nested() && !standalone {
			continue
		}
		if c.executor != nil && !a.may(auth.ViewContainers, a.userOf(c.executor.framework, c.executor.info.GetCommand())) {
			continue
		}
		if c.executor == nil && !a.may(auth.ViewStandaloneContainers) {
			continue
		}
		m := measured{entry: &agentpb.Response_GetContainers_Container{ContainerId: c.id, ContainerStatus: a.statusOf(c)}}
		if e := c.executor; e != nil {
			m.entry.FrameworkId = e.framework.info.GetId()
			m.entry.ExecutorId = e.info.GetExecutorId()
			m.entry.ExecutorName = proto.String(e.info.GetName())
			m.source = e.info.GetSource()
			if !c.nested() {
				held := e.heldResources()
				m.cpus, m.mem = resources.CPUs(held), resources.Mem(held)
			}
		}
		m.processes = c.processes(nil)
		list = append(list, m)
	}
	return list
}

// processes collects those of a container and of all nested in it.
func (c *container) processes(list []*process.Process) []*process.Process {
	if c.proc != nil && !c.swept {
		list = append(list, c.proc)
	}
	for _, child := range c.children {
		list = child.processes(list)
	}
	return list
}

func (a *Agent) statusOf(c *container) *mesospb.ContainerStatus {
	s := &mesospb.ContainerStatus{ContainerId: c.id, NetworkInfos: a.networkInfos()}
	if c.pid != 0 {
		s.ExecutorPid = proto.Uint32(uint32(c.pid))
	}
	return s
}

// measureAll adds what is used now.
func measureAll(list []measured) {
	groups := make([][]*process.Process, len(list))
	for i := range list {
		groups[i] = list[i].processes
	}
	for i, u := range process.Measure(groups) {
		list[i].record(u)
	}
}

func (m *measured) record(u process.Usage) {
	s := &mesospb.ResourceStatistics{Timestamp: proto.Float64(now())}
	s.Processes, s.Threads = proto.Uint32(uint32(u.Processes)), proto.Uint32(uint32(u.Threads))
	s.CpusUserTimeSecs, s.CpusSystemTimeSecs = proto.Float64(u.UserTime.Seconds()), proto.Float64(u.SystemTime.Seconds())
	s.MemRssBytes, s.MemTotalBytes = proto.Uint64(u.RSS), proto.Uint64(u.RSS)
	if m.cpus > 0 {
		s.CpusLimit = proto.Float64(m.cpus)
	}
	if m.mem > 0 {
		s.MemLimitBytes = proto.Uint64(uint64(m.mem) << 20)
	}
	m.entry.ResourceStatistics = s
}

func (m *measured) object(withStatus bool) object {
	o := object{}
	if withStatus {
		o.add("container_id", m.entry.GetContainerId().GetValue())
	}
	o.add("executor_id", m.entry.GetExecutorId().GetValue())
	o.add("executor_name", m.entry.GetExecutorName())
	o.add("framework_id", m.entry.GetFrameworkId().GetValue())
	o.add("source", m.source)
	o.add("statistics", message{m.entry.GetResourceStatistics()})
	if withStatus {
		o.add("status", message{m.entry.GetContainerStatus()})
	}
	return o
}

func (a *Agent) legacyContainers(withStatus bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var list []measured
		if !a.do(w, r, func() { list = a.measurable(false, false) }) {
			return
		}
		out := []object{}
		measureAll(list)
		for i := range list {
			out = append(out, list[i].object(withStatus))
		}
		respondJSON(w, r, out)
	}
}
