package master

import (
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// REVIVE and SUPPRESS (docs/behaviour.md#scheduler-calls):
//
//   - Without roles they mean all. One role that is malformed or not the framework's makes the whole call void; it is answered
//     202 nevertheless.
//   - REVIVE clears the filters of the roles and all filters of inverse offers, ends suppression, and brings a round of
//     offers about at once.
//   - SUPPRESS leaves the offers that are out.

func (m *Master) callRevive(f *framework, c *schedulerpb.Call) answer {
	roles := c.GetRevive().GetRoles()
	if !m.rolesUsable(f, "REVIVE", roles) {
		return accepted
	}
	if len(roles) == 0 {
		roles = f.roles
	}
	for _, r := range roles {
		delete(f.suppressed, r)
	}
	for _, a := range m.agents {
		delete(a.refused, f.id)
	}
	m.alloc.Revive(f.id, roles...)
	m.allocateSoon()
	return accepted
}

func (m *Master) callSuppress(f *framework, c *schedulerpb.Call) answer {
	roles := c.GetSuppress().GetRoles()
	if !m.rolesUsable(f, "SUPPRESS", roles) {
		return accepted
	}
	if len(roles) == 0 {
		roles = f.roles
	}
	for _, r := range roles {
		f.suppressed[r] = true
	}
	m.alloc.Suppress(f.id, roles...)
	return accepted
}

func (m *Master) rolesUsable(f *framework, call string, roles []string) bool {
	for _, r := range roles {
		if !resources.ValidRole(r) || !f.hasRole(r) {
			m.log.Warn("call dropped: not a role of the framework", "call", call, "framework", f.id, "role", r)
			return false
		}
	}
	return true
}
