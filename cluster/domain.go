package cluster

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// DomainError reports a text that is no fault domain.
type DomainError struct{ Text string }

func (e *DomainError) Error() string {
	return fmt.Sprintf("cluster: fault domain %q: want region/zone, such as us-east/a", e.Text)
}

// ParseDomain reads a fault domain, "region/zone". The empty text is none. The error is a *DomainError.
func ParseDomain(text string) (*mesospb.DomainInfo, error) {
	if text == "" {
		return nil, nil
	}
	region, zone, ok := strings.Cut(text, "/")
	if !ok || region == "" || zone == "" || strings.Contains(zone, "/") {
		return nil, &DomainError{text}
	}
	return &mesospb.DomainInfo{FaultDomain: &mesospb.DomainInfo_FaultDomain{
		Region: &mesospb.DomainInfo_FaultDomain_RegionInfo{Name: proto.String(region)},
		Zone:   &mesospb.DomainInfo_FaultDomain_ZoneInfo{Name: proto.String(zone)},
	}}, nil
}

// FormatDomain is the inverse of ParseDomain.
func FormatDomain(d *mesospb.DomainInfo) string {
	if d.GetFaultDomain() == nil {
		return ""
	}
	return d.GetFaultDomain().GetRegion().GetName() + "/" + d.GetFaultDomain().GetZone().GetName()
}

// disks returns the disks as resources. What is wrong with them the agent finds.
func (cfg *AgentConfig) disks() (list []*mesospb.Resource) {
	for _, d := range cfg.Disks {
		source := resources.WithPathDisk(d.Root)
		if d.Mount {
			source = resources.WithMountDisk(d.Root)
		}
		role := d.Role
		if role == "" {
			role = cfg.Role
		}
		list = append(list, resources.NewDisk(d.MB, source, resources.WithRole(role)))
	}
	return list
}
