package app

import (
	"regexp"
	"strings"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// operators translates the words of documents.
var operators = map[Operator]placement.Operator{
	OpUnique: placement.Unique, OpCluster: placement.Cluster, OpGroupBy: placement.GroupBy, OpLike: placement.Like,
	OpUnlike: placement.Unlike, OpMaxPer: placement.MaxPer, OpIs: placement.Is, OpIsNot: placement.IsNot,
}

// Demand returns what each instance asks the placement for: the sum over all tasks and the executor. Call it once per version and share the
// result. Filters are not part of it: see AttributeFilter. Nor is that a daemon has one instance on each agent: bind its tasks with
// placement.Task.Agent.
func (a *App) Demand() *placement.Demand {
	d := &placement.Demand{
		Group: a.Name, Role: a.Resources.Role, Resources: a.amounts(), Volumes: a.Volumes(nil),
		Constraints: a.placementConstraints(),
	}
	for _, port := range a.AllPorts() {
		p := placement.Port{}
		if port.Number > 0 {
			p = placement.FixedPort(uint64(port.Number))
		}
		d.Ports = append(d.Ports, p)
	}
	for _, f := range a.Affinities {
		d.Affinities = append(d.Affinities, placement.Affinity{
			Group: f.App, Field: placement.Field(f.Field), Anti: f.Anti, Soft: f.Soft, Weight: f.Weight,
		})
	}
	if f := a.FaultDomain; f != nil {
		d.Domains = placement.Domains{AnyRegion: len(f.Regions) > 0 || f.Spread == "region", Regions: f.Regions, Zones: f.Zones}
	}
	return d
}

func (a *App) placementConstraints() []placement.Constraint {
	var list []placement.Constraint
	switch {
	case a.Strategy == StrategyUnique:
		list = append(list, placement.Constraint{Field: placement.AgentID, Operator: placement.Unique})
	case a.Strategy == StrategyColocate:
		list = append(list, placement.Constraint{Field: placement.AgentID, Operator: placement.Cluster})
	}
	for _, c := range a.Constraints {
		list = append(list, c.wire())
	}
	f := a.FaultDomain
	if f == nil {
		return list
	}
	if f.Required {
		if len(f.Regions) > 0 {
			list = append(list, placement.Constraint{Field: placement.Region, Operator: placement.Like, Value: alternatives(f.Regions)})
		}
		if len(f.Zones) > 0 {
			list = append(list, placement.Constraint{Field: placement.Zone, Operator: placement.Like, Value: alternatives(f.Zones)})
		}
	}
	if f.Spread != "" {
		// A preference, because a whole zone that is lost must not keep its share of instances from running elsewhere.
		list = append(list, placement.Constraint{Field: placement.Field("@" + f.Spread), Operator: placement.GroupBy, Soft: true, Weight: 1})
	}
	return list
}

// Spreading returns the wishes that spread the instances over agents, and over zones where agents have one; none if the application packs, or says
// itself how its instances lie to each other. The scheduler's default is for those whose strategy is none.
func (a *App) Spreading(pack bool) []placement.Constraint {
	switch {
	case a.Daemon, a.Strategy == StrategyColocate, a.Strategy == StrategyPack, pack && a.Strategy == StrategyNone:
		return nil
	}
	list := []placement.Constraint{{Field: placement.AgentID, Operator: placement.GroupBy, Soft: true, Weight: 1}}
	if a.FaultDomain == nil || a.FaultDomain.Spread == "" {
		list = append(list, placement.Constraint{Field: placement.Zone, Operator: placement.GroupBy, Soft: true, Weight: 0.5})
	}
	return list
}

func (c *Constraint) wire() placement.Constraint {
	return placement.Constraint{Field: placement.Field(c.Field), Operator: operators[c.Operator], Value: c.Value, Soft: c.Soft, Weight: c.Weight}
}

// alternatives returns an expression that matches these words only.
func alternatives(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = regexp.QuoteMeta(w)
	}
	return strings.Join(quoted, "|")
}

// Volumes returns what the placement has to find for the persistent volumes of one instance, in order: disk for new ones, or, for an instance that
// has run before, the existing ones by their persistence ids, whatever their size.
func (a *App) Volumes(existing []string) []placement.Volume {
	var list []placement.Volume
	for _, d := range a.PersistentDisks() {
		v := placement.Volume{MB: float64(d.Size)}
		if s := d.Source; s != nil {
			v.Type, v.Root, v.Profile = s.wireType(), s.Root, s.Profile
		}
		if len(list) < len(existing) {
			v.ID, v.MB = existing[len(list)], 0
		}
		list = append(list, v)
	}
	return list
}

func (s *DiskSource) wireType() mesospb.Resource_DiskInfo_Source_Type {
	if s.Type == "mount" {
		return mesospb.Resource_DiskInfo_Source_MOUNT
	}
	return mesospb.Resource_DiskInfo_Source_PATH
}

// amounts returns everything but ports and volumes that an instance needs, the executor included.
func (a *App) amounts() []*mesospb.Resource {
	lists := [][]*mesospb.Resource{a.executorResources()}
	for _, t := range a.tasks() {
		lists = append(lists, t.Resources.amounts())
	}
	return resources.Sum(lists...)
}

// executorResources returns what the executor needs beside its tasks; nothing for Mesos' command executor, which nobody pays for.
func (a *App) executorResources() []*mesospb.Resource {
	switch {
	case a.Executor != nil:
		return a.Executor.Resources.amounts()
	case len(a.Group) > 0:
		r := Resources{CPUs: defaultExecutorCPUs, Mem: defaultExecutorMem, Disk: Disks{{Size: defaultExecutorDisk}}}
		return r.amounts()
	}
	return nil
}

// amounts returns cpus, mem, gpus and disk, without ports and volumes.
func (r *Resources) amounts() []*mesospb.Resource {
	var list []*mesospb.Resource
	if r.CPUs > 0 {
		list = append(list, resources.NewCPUs(r.CPUs))
	}
	if r.Mem > 0 {
		list = append(list, resources.NewMem(float64(r.Mem)))
	}
	if r.GPUs > 0 {
		list = append(list, resources.NewGPUs(float64(r.GPUs)))
	}
	for _, d := range r.Disk {
		if d.Persistence != nil {
			continue
		}
		var opts []resources.Option
		if s := d.Source; s != nil {
			opts = append(opts, resources.WithDiskSource(s.wire()))
		}
		list = append(list, resources.NewDisk(float64(d.Size), opts...))
	}
	return list
}

func (s *DiskSource) wire() *mesospb.Resource_DiskInfo_Source {
	w := &mesospb.Resource_DiskInfo_Source{Type: s.wireType().Enum()}
	if s.Profile != "" {
		w.Profile = &s.Profile
	}
	switch {
	case s.Root == "":
	case s.Type == "mount":
		w.Mount = &mesospb.Resource_DiskInfo_Source_Mount{Root: &s.Root}
	default:
		w.Path = &mesospb.Resource_DiskInfo_Source_Path{Root: &s.Root}
	}
	return w
}

// Matches reports whether an agent with these attributes is suitable by the application's Filters: if there are any, one of the attributes has one
// of the values of one of the filters. Text is compared without regard to case, as the old SDK did; SCALAR filters look at numbers only.
func (a *App) Matches(attributes []*mesospb.Attribute) bool {
	for _, f := range a.Filters {
		for _, attribute := range attributes {
			for _, value := range f.Value {
				if f.matches(attribute, value) {
					return true
				}
			}
		}
	}
	return len(a.Filters) == 0
}

func (f Filter) matches(attribute *mesospb.Attribute, value string) bool {
	if attribute.GetType() == mesospb.Value_TEXT {
		return f.Type == "TEXT" && strings.EqualFold(attribute.GetText().GetValue(), value)
	}
	return resources.AttributeMatches(attribute, value)
}

// AttributeFilter returns the filter for placement.Config that makes the Filters of applications count. The function tells which application a
// demand is of; nil means none.
func AttributeFilter(of func(*placement.Demand) *App) placement.Filter {
	return placement.FilterFunc(func(d *placement.Demand, c *placement.Candidate) string {
		if a := of(d); a != nil && !a.Matches(c.Agent.Attributes) {
			return "no attribute has a value of the application's filters"
		}
		return ""
	})
}
