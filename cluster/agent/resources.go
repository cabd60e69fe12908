package agent

import (
	"errors"
	"fmt"
	"runtime"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// What an agent offers unless it is told, and cannot find out: docs/behaviour.md#defaults.
const (
	fallbackMem  = 1 << 10  // MB
	fallbackDisk = 10 << 10 // MB
	firstPort    = 31000
	lastPort     = 32000
)

// findResources returns the configured resources, and detects those of cpus, mem, disk and ports that are
// not named. A resource that is named with amount 0 is neither offered nor detected.
func (a *Agent) findResources() ([]*mesospb.Resource, error) {
	list, err := resources.ParseAgentResources(a.cfg.Resources, a.cfg.Role)
	if err != nil {
		return nil, fmt.Errorf("agent: resources %q: %w", a.cfg.Resources, err)
	}
	if err := errors.Join(resources.Validate(a.cfg.ResourceList), resources.ValidateAgentResources(a.cfg.ResourceList)); err != nil {
		return nil, fmt.Errorf("agent: resource list: %w", err)
	}
	list = append(list, resources.CloneList(a.cfg.ResourceList)...)
	named := map[string]bool{}
	for _, r := range list {
		named[r.GetName()] = true
	}
	for _, d := range []struct {
		name   string
		detect func() *mesospb.Resource
	}{
		{resources.NameCPUs, func() *mesospb.Resource { return resources.NewCPUs(float64(max(1, runtime.NumCPU()))) }},
		{resources.NameMem, func() *mesospb.Resource { return resources.NewMem(offeredMem(totalMemory())) }},
		{resources.NameDisk, func() *mesospb.Resource { return resources.NewDisk(offeredDisk(diskSize(a.cfg.WorkDir))) }},
		{resources.NamePorts, func() *mesospb.Resource { return resources.NewPorts(firstPort, lastPort) }},
	} {
		if !named[d.name] {
			r := d.detect()
			resources.WithRole(a.cfg.Role)(r)
			list = append(list, r)
		}
	}
	list, err = resources.Upgrade(list)
	if err != nil {
		return nil, fmt.Errorf("agent: resources: %w", err)
	}
	return resources.Sum(list), nil
}

// offeredMem leaves a gigabyte to the system, or half of what there is. Both are in MB; 0 is unknown.
func offeredMem(total uint64) float64 {
	switch {
	case total == 0:
		return fallbackMem
	case total >= 2<<10:
		return float64(total - 1<<10)
	}
	return float64(total / 2)
}

// offeredDisk leaves five gigabytes to the system, or half of what there is.
func offeredDisk(total uint64) float64 {
	switch {
	case total == 0:
		return fallbackDisk
	case total >= 10<<10:
		return float64(total - 5<<10)
	}
	return float64(total / 2)
}

// describe returns the AgentInfo without an id.
func (a *Agent) describe() *mesospb.AgentInfo {
	return &mesospb.AgentInfo{
		Hostname:   proto.String(a.cfg.Hostname),
		Port:       proto.Int32(int32(a.address.port)),
		Resources:  a.total,
		Attributes: a.attributes,
		Domain:     a.cfg.Domain,
	}
}
