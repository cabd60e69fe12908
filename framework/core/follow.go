package core

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// ErrCannotFollow: a new version asks for what instances with volumes or reservations cannot become; see ChangeError.
var ErrCannotFollow = errors.New("what runs cannot follow the change")

// ChangeError says why an application can't be changed to a new version. Nothing was killed for it.
type ChangeError struct {
	App     string
	Reasons []string // each begins with the field that it is about
}

// Error lists the reasons.
func (e *ChangeError) Error() string {
	return fmt.Sprintf("application %q: %v: %s; remove the application first, or submit the new version under another name", e.App, ErrCannotFollow, strings.Join(e.Reasons, "; "))
}

// Unwrap returns ErrCannotFollow.
func (e *ChangeError) Unwrap() error { return ErrCannotFollow }

// follow reports whether what runs can become the version: a *ChangeError if it can't.
func (c *Core) follow(a *appState, v *version) error {
	cur := a.current()
	e := &ChangeError{App: a.rec.Name}
	add := func(format string, args ...any) { e.Reasons = append(e.Reasons, fmt.Sprintf(format, args...)) }
	if cur.app.Daemon != v.app.Daemon {
		add("daemon: an application can't become a daemon or stop being one")
	}
	if cur.volumes != v.volumes {
		add("resources.disk: an application can't get persistent volumes or lose them")
	}
	var keeping []*Instance
	a.inst.all(func(i *Instance) bool {
		if i.Reserved != "" {
			keeping = append(keeping, i)
		}
		return true
	})
	if len(keeping) > 0 && cur.volumes && v.volumes {
		if cur.role != v.role {
			add("resources.role: the volumes of %d instances are reserved for role %q, %q can't use them", len(keeping), cur.role, v.role)
		}
		if cur.app.Resources.Reserve == app.ReserveAll && v.app.Resources.Reserve != app.ReserveAll {
			add("resources.reserve: what is reserved for %d instances stays with their volumes", len(keeping))
		}
		followVolumes(add, c.cfg.ReservationRefinement, cur.app.PersistentDisks(), v.app.PersistentDisks())
		if len(e.Reasons) == 0 {
			c.followPlaces(add, v, keeping)
			for _, i := range keeping {
				if why, known := c.growRoom(a, i, v); known && why != "" {
					add("resources.disk: %s", why)
				}
			}
		}
	}
	if len(e.Reasons) > 0 {
		return e
	}
	return nil
}

func followVolumes(add func(string, ...any), refined bool, old, new []app.PersistentDisk) {
	if len(old) != len(new) {
		add("resources.disk: there are %d persistent volumes, not %d", len(old), len(new))
		return
	}
	for k, was := range old {
		d := new[k]
		switch {
		case was.Member != d.Member || was.Persistence.ID != d.Persistence.ID:
			add("resources.disk: volume %d is %s, not %s", k+1, was.Name(), d.Name())
		case was.Persistence.Principal != d.Persistence.Principal:
			add("resources.disk: volume %s was created by principal %q, not %q", d.Name(), was.Persistence.Principal, d.Persistence.Principal)
		case !reflect.DeepEqual(was.Source, d.Source):
			add("resources.disk: volume %s is on another kind of disk (source)", d.Name())
		case was.Size != d.Size && resizable(&d) != "":
			add("resources.disk: the size of volume %s can't be changed: %s", d.Name(), resizable(&d))
		case was.Size != d.Size && !refined:
			add("resources.disk: the size of volume %s can't be changed: the framework lacks the capability RESERVATION_REFINEMENT", d.Name())
		}
	}
}

// followPlaces makes sure that the agents where the volumes are suit the new version, as far as that depends on the agents alone.
func (c *Core) followPlaces(add func(string, ...any), v *version, keeping []*Instance) {
	const plenty = 1e9
	for _, i := range keeping {
		ag := c.agents[i.Pin]
		if ag == nil || ag.Hostname == "" {
			continue // not offered since this process began, and nothing is known of it
		}
		list := []*mesospb.Resource{resources.NewCPUs(plenty), resources.NewMem(plenty), resources.NewDisk(plenty), resources.NewGPUs(plenty), resources.NewPorts(0, 65535)}
		id := "what if"
		res := c.cfg.Placer.Place(&placement.Cycle{
			Now: c.wall(), HomeRegion: c.home, Placed: placement.NewPlaced(),
			Offers: []*placement.Offer{placement.NewOffer(&mesospb.Offer{
				Id: offerID(id), AgentId: agentID(ag.ID), Hostname: &ag.Hostname, Attributes: ag.Attributes, Domain: ag.domain(),
				Resources: resources.Allocate(list, v.role), AllocationInfo: &mesospb.Resource_AllocationInfo{Role: &v.role},
			})},
			Pending: []*placement.Task{{ID: instanceKey(i.App, i.Index), Demand: v.demand, Agent: ag.ID, Volumes: []placement.Volume{}}},
		})
		for _, u := range res.Unplaced {
			if !fits(u.Why) {
				add("constraints: instance %d has its volumes on agent %s (%s), which does not suit: %v", i.Index, ag.Hostname, ag.ID, u.Why)
			}
		}
	}
}

// domain is the agent's fault domain as offers have it.
func (a *agent) domain() *mesospb.DomainInfo {
	if a.Region == "" {
		return nil
	}
	return &mesospb.DomainInfo{FaultDomain: &mesospb.DomainInfo_FaultDomain{
		Region: &mesospb.DomainInfo_FaultDomain_RegionInfo{Name: &a.Region}, Zone: &mesospb.DomainInfo_FaultDomain_ZoneInfo{Name: &a.Zone},
	}}
}
