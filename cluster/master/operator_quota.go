package master

//lint:file-ignore SA1019 deprecated fields and calls are part of what a master serves

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Quota and weights (docs/behaviour.md#operator-api):
//
//   - UPDATE_QUOTA sets guarantees and limits of top-level roles, all or none. 400 for nested roles, a guarantee above its limit,
//     guarantees that exceed the cluster, and limits below what the role uses and has reserved, the latter two unless force. Empty
//     guarantees and limits leave a quota that says nothing, until the master changes. Offers are rescinded: those of the role until it
//     is within its limits, then those of others until its guarantees could be met.
//   - SET_QUOTA and REMOVE_QUOTA are the older calls: limit and guarantee are one; exceeding the cluster is 409. SET_QUOTA rescinds all offers
//     of an agent after the other until they hold what is guaranteed, of one agent for each framework of the role at least.
//   - UPDATE_WEIGHTS sets positive weights of roles. All offers are rescinded if one of the roles has frameworks.

func (m *Master) opGetQuota() *masterpb.Response {
	status := &quotapb.QuotaStatus{}
	for _, role := range sortedKeys(m.quotas) {
		if !m.may(auth.GetQuotas, role) {
			continue
		}
		q := m.quotas[role]
		info := &quotapb.QuotaInfo{Role: proto.String(role)}
		for _, name := range sortedKeys(q.guarantees) {
			info.Guarantee = append(info.Guarantee, resources.NewScalar(name, resources.FromFixed(q.guarantees[name])))
		}
		status.Infos = append(status.Infos, info)
		status.Configs = append(status.Configs, &quotapb.QuotaConfig{
			Role: proto.String(role), Guarantees: scalarMap(q.guarantees), Limits: scalarMap(q.limits),
		})
	}
	return &masterpb.Response{Type: masterpb.Response_GET_QUOTA.Enum(), GetQuota: &masterpb.Response_GetQuota{Status: status}}
}

func scalarMap(q allocator.Quantities) map[string]*mesospb.Value_Scalar {
	if len(q) == 0 {
		return nil
	}
	out := map[string]*mesospb.Value_Scalar{}
	for name, v := range q {
		out[name] = &mesospb.Value_Scalar{Value: proto.Float64(resources.FromFixed(v))}
	}
	return out
}

// Bounds of quota: an exabyte in megabytes for mem and disk, 10^12 for others.
const (
	maxQuotaMB = 1 << 40
	maxQuota   = 1e12
)

// validateQuota is what Mesos checks of a QuotaConfig that is of a top-level role.
func validateQuota(c *quotapb.QuotaConfig) (*quotaConfig, error) {
	if err := validateRole(c.GetRole()); err != nil {
		return nil, wireErrorf("Invalid 'QuotaConfig.role': %v", err)
	}
	for _, part := range []struct {
		field  string
		values map[string]*mesospb.Value_Scalar
	}{{"guarantees", c.GetGuarantees()}, {"limits", c.GetLimits()}} {
		for _, name := range sortedKeys(part.values) {
			v := part.values[name].GetValue()
			switch mb := name == resources.NameMem || name == resources.NameDisk; {
			case mb && v > maxQuotaMB:
				return nil, wireErrorf("Invalid 'QuotaConfig.%s': {'%s': %s} is invalid: values greater than 1 exabyte (%d) are not supported",
					part.field, name, amount(v), int64(maxQuotaMB))
			case !mb && v > maxQuota:
				return nil, wireErrorf("Invalid 'QuotaConfig.%s': {'%s': %s} is invalid: values greater than 1 trillion (%d) are not supported",
					part.field, name, amount(v), int64(maxQuota))
			}
		}
	}
	q := &quotaConfig{guarantees: allocator.Quantities{}, limits: allocator.Quantities{}}
	for _, part := range []struct {
		what   string
		values map[string]*mesospb.Value_Scalar
		into   allocator.Quantities
	}{{"guarantee", c.GetGuarantees(), q.guarantees}, {"limit", c.GetLimits(), q.limits}} {
		for _, name := range sortedKeys(part.values) {
			v := part.values[name].GetValue()
			if err := validateInputScalar(v); err != nil {
				return nil, wireErrorf("Invalid %s configuration {'%s': %s}: %v", part.what, name, amount(v), err)
			}
			if v := resources.ToFixed(v); v > 0 || part.what == "limit" {
				part.into[name] = v
			}
		}
	}
	if !within(q.guarantees, q.limits) {
		return nil, wireErrorf("'QuotaConfig.guarantees' %s is not contained within the 'QuotaConfig.limits' %s",
			scalarMapText(c.GetGuarantees()), scalarMapText(c.GetLimits()))
	}
	return q, nil
}

// validateInputScalar checks a number that a client gives.
func validateInputScalar(v float64) error {
	switch {
	case math.IsInf(v, 0):
		return wireError("Infinite values not supported")
	case math.IsNaN(v):
		return wireError("NaN not supported")
	case v != 0 && math.Abs(v) < 0x1p-1022:
		return wireError("Subnormal values not supported")
	case v < 0:
		return wireError("Negative values not supported")
	}
	return nil
}

// within reports whether amounts keep limits; what has no limit may be any amount.
func within(amounts, limits allocator.Quantities) bool {
	for name, limit := range limits {
		if amounts[name] > limit {
			return false
		}
	}
	return true
}

// contains reports whether amounts are at least as many as others.
func containsQuantities(amounts, others allocator.Quantities) bool {
	for name, v := range others {
		if v > amounts[name] {
			return false
		}
	}
	return true
}

// amount writes a scalar as Mesos does: 15 digits at most.
func amount(v float64) string { return strconv.FormatFloat(v, 'g', 15, 64) }

func scalarMapText(m map[string]*mesospb.Value_Scalar) string {
	var parts []string
	for _, name := range sortedKeys(m) {
		parts = append(parts, name+": "+amount(m[name].GetValue()))
	}
	if len(parts) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// quantitiesText writes amounts as Mesos does: cpus:4; mem:2048.
func quantitiesText(q allocator.Quantities) string {
	var parts []string
	for _, name := range sortedKeys(q) {
		parts = append(parts, name+":"+amount(resources.FromFixed(q[name])))
	}
	if len(parts) == 0 {
		return "{}"
	}
	return strings.Join(parts, "; ")
}

func (m *Master) opUpdateQuota(c *masterpb.Call_UpdateQuota) answer {
	next := map[string]*quotaConfig{}
	for _, qc := range c.GetQuotaConfigs() {
		role := qc.GetRole()
		if !m.admitsRole(role) {
			return answer{http.StatusBadRequest, "Invalid QuotaConfig: '" + role + "' is not on the roles whitelist"}
		}
		if strings.Contains(role, "/") {
			return answer{http.StatusBadRequest, "Updating quota on nested role '" + role + "' is not supported yet"}
		}
		q, err := validateQuota(qc)
		if err != nil {
			return answer{http.StatusBadRequest, "Invalid QuotaConfig: " + err.Error()}
		}
		next[role] = q
	}
	if !c.GetForce() {
		for _, role := range sortedKeys(next) {
			if used := m.consumed(role); !within(used, next[role].limits) {
				return answer{http.StatusBadRequest, "Invalid QuotaConfig: Role '" + role + "' is already consuming '" + quantitiesText(used) +
					"'; this is more than the requested limits '" + quantitiesText(next[role].limits) + "' (use 'force' flag to bypass this check)"}
			}
		}
		if sum, total := m.guaranteed(next), m.alloc.ClusterTotal(); !containsQuantities(total, sum) {
			return answer{http.StatusBadRequest, "Invalid QuotaConfig: total quota guarantees '" + quantitiesText(sum) +
				"' exceed cluster capacity '" + quantitiesText(total) + "' (use 'force' flag to bypass this check)"}
		}
	}
	if len(next) > 0 && !m.may(auth.UpdateQuotas, sortedKeys(next)...) {
		return forbidden
	}
	for _, role := range sortedKeys(next) {
		m.setQuota(role, next[role])
	}
	for _, role := range sortedKeys(next) {
		m.rescindForQuota(role, next[role])
	}
	return ok
}

// admitsRole reports whether a role is on the whitelist, if there is one.
func (m *Master) admitsRole(role string) bool {
	return m.cfg.Roles == nil || role == resources.Unreserved || contains(m.cfg.Roles, role)
}

// inSubtree reports whether a role is the given one or below it.
func inSubtree(role, top string) bool { return role == top || strings.HasPrefix(role, top+"/") }

// consumed returns what counts against the quota of a role: what is reserved for it, and the unreserved resources that its frameworks use.
func (m *Master) consumed(role string) allocator.Quantities {
	var list []*mesospb.Resource
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		for _, r := range a.desc.Total {
			if !resources.IsUnreserved(r) && inSubtree(resources.ReservationRole(r), role) {
				list = append(list, r)
			}
		}
		for _, f := range sortedKeys(a.used) {
			for _, r := range a.used[f].Resources() {
				if resources.IsUnreserved(r) && inSubtree(resources.AllocationRole(r), role) {
					list = append(list, r)
				}
			}
		}
	}
	return quantitiesOf(list)
}

// guaranteed returns all guarantees, with those of next in place of what is in force.
func (m *Master) guaranteed(next map[string]*quotaConfig) allocator.Quantities {
	sum := allocator.Quantities{}
	add := func(q *quotaConfig) {
		for name, v := range q.guarantees {
			sum[name] += v
		}
	}
	for role, q := range m.quotas {
		if next[role] == nil {
			add(q)
		}
	}
	for _, q := range next {
		add(q)
	}
	return sum
}

// setQuota takes a quota over.
func (m *Master) setQuota(role string, q *quotaConfig) {
	m.quotas[role] = q
	m.rememberQuota(role)
	m.alloc.SetQuota(role, q.guarantees, q.limits)
}

// rescindForQuota takes back offers of the role until it is within its limits, then offers of others until guarantees can be met. What is
// free is not counted, and what is reserved and offered counts twice, as in Mesos.
func (m *Master) rescindForQuota(role string, q *quotaConfig) {
	have := m.consumed(role)
	for _, id := range sortedKeys(m.offers) {
		if o := m.offers[id]; inSubtree(o.role, role) {
			have.Add(quantitiesOf(o.resources))
		}
	}
	for _, fid := range sortedKeys(m.frameworks) {
		f := m.frameworks[fid]
		for _, id := range sortedKeys(f.offers) {
			if within(have, q.limits) {
				break
			}
			if o := f.offers[id]; inSubtree(o.role, role) {
				have.Subtract(quantitiesOf(o.resources))
				m.rescind(o, nil)
			}
		}
	}
	for _, aid := range sortedKeys(m.agents) {
		a := m.agents[aid]
		for _, o := range a.offersWith(func(o *offer) bool { return !inSubtree(o.role, role) }) {
			if containsQuantities(have, q.guarantees) {
				return
			}
			have.Add(quantitiesOf(o.resources))
			m.rescind(o, nil)
		}
	}
}

func (m *Master) opSetQuota(c *masterpb.Call_SetQuota) answer {
	q := c.GetQuotaRequest()
	invalid := func(format string, args ...any) answer {
		return answer{http.StatusBadRequest, "Failed to validate set quota request: " + fmt.Sprintf(format, args...)}
	}
	role := q.GetRole()
	guarantee := q.GetGuarantee()
	if err := checkResources(guarantee); err != nil {
		return invalid("QuotaInfo with invalid resource: %v", err)
	}
	if newer, err := resources.Upgrade(guarantee); err == nil {
		guarantee = newer
	}
	if err := validateQuotaInfo(role, guarantee); err != nil {
		return invalid("%v", err)
	}
	switch {
	case !m.admitsRole(role):
		return invalid("Unknown role '%s'", role)
	case m.quotas[role] != nil:
		return invalid("Cannot set quota for role '%s' which already has quota", role)
	case strings.Contains(role, "/"):
		return answer{http.StatusBadRequest, "Setting quota on nested role '" + role + "' is not supported yet"}
	}
	g := allocator.QuantitiesOf(guarantee)
	set := &quotaConfig{guarantees: g, limits: g.Clone()}
	if !m.may(auth.UpdateQuotas, role) {
		return forbidden
	}
	if !q.GetForce() {
		if sum, total := m.guaranteed(map[string]*quotaConfig{role: set}), m.alloc.ClusterTotal(); !containsQuantities(total, sum) {
			return answer{http.StatusConflict, "Quota guarantees overcommit the cluster (use 'force' to bypass this check): " +
				"Total quota guarantees '" + quantitiesText(sum) + "' exceed cluster capacity '" + quantitiesText(total) + "'"}
		}
	}
	m.setQuota(role, set)
	m.rescindAgents(role, g)
	return ok
}

// validateQuotaInfo checks the older form of a quota.
func validateQuotaInfo(role string, guarantee []*mesospb.Resource) error {
	if err := validateRole(role); err != nil {
		return wireErrorf("QuotaInfo with invalid role: %v", err)
	}
	if len(guarantee) == 0 {
		return wireError("QuotaInfo with empty 'guarantee'")
	}
	names := map[string]bool{}
	for _, r := range guarantee {
		switch {
		case len(r.GetReservations()) > 0:
			return wireError("QuotaInfo must not contain any ReservationInfo")
		case r.Disk != nil:
			return wireError("QuotaInfo must not contain DiskInfo")
		case r.Revocable != nil:
			return wireError("QuotaInfo must not contain RevocableInfo")
		case r.GetType() != mesospb.Value_SCALAR:
			return wireError("QuotaInfo must not include non-scalar resources")
		case names[r.GetName()]:
			return wireErrorf("QuotaInfo contains duplicate resource name '%s'", r.GetName())
		}
		names[r.GetName()] = true
	}
	return nil
}

// rescindAgents takes back all offers of an agent after the other until they hold what is guaranteed, of one agent for each active framework
// of the role at least.
func (m *Master) rescindAgents(role string, guarantees allocator.Quantities) {
	frameworks, visited := 0, 0
	for _, f := range m.frameworks {
		if f.active && contains(f.roles, role) {
			frameworks++
		}
	}
	rescinded := allocator.Quantities{}
	for _, id := range sortedKeys(m.agents) {
		if containsQuantities(rescinded, guarantees) && visited >= frameworks {
			return
		}
		a := m.agents[id]
		if !a.active() {
			continue
		}
		offers := a.offersWith(func(*offer) bool { return true })
		for _, o := range offers {
			rescinded.Add(quantitiesOf(o.resources))
			m.rescind(o, nil)
		}
		if len(offers) > 0 {
			visited++
		}
	}
}

func (m *Master) opRemoveQuota(c *masterpb.Call_RemoveQuota) answer {
	return m.removeQuota(c.GetRole())
}

// removeQuota answers 400 where there is no quota. A Mesos master ends with a failed check if the call is REMOVE_QUOTA.
func (m *Master) removeQuota(role string) answer {
	if m.quotas[role] == nil {
		return answer{http.StatusBadRequest, "Failed to remove quota: Role '" + role + "' has no quota set"}
	}
	if !m.may(auth.UpdateQuotas, role) {
		return forbidden
	}
	m.setQuota(role, &quotaConfig{})
	delete(m.quotas, role)
	return ok
}

func (m *Master) opUpdateWeights(c *masterpb.Call_UpdateWeights) answer {
	return m.updateWeights(c.GetWeightInfos())
}

func (m *Master) updateWeights(infos []*mesospb.WeightInfo) answer {
	weights := map[string]float64{}
	for _, w := range infos {
		role := strings.TrimSpace(w.GetRole())
		if err := validateRole(role); err != nil {
			return answer{http.StatusBadRequest, "Failed to validate update weights request JSON: Invalid role '" + role + "': " + err.Error()}
		}
		if !m.admitsRole(role) {
			return answer{http.StatusBadRequest, "Failed to validate update weights request JSON: Unknown role '" + role + "'"}
		}
		if v := w.GetWeight(); !(v > 0) || math.IsInf(v, 0) {
			return answer{http.StatusBadRequest, "Failed to validate update weights request JSON for role '" + role + "': Invalid weight '" +
				strconv.FormatFloat(v, 'g', 6, 64) + "': Weights must be positive"}
		}
		weights[role] = w.GetWeight()
	}
	roles := sortedKeys(weights)
	for _, role := range roles {
		if !m.may(auth.UpdateWeights, role) {
			return forbidden
		}
	}
	for _, role := range roles {
		m.alloc.SetWeight(role, weights[role])
	}
	m.rememberWeights(weights)
	if m.haveFrameworks(roles) {
		for _, id := range sortedKeys(m.agents) {
			m.rescindOffers(m.agents[id])
		}
	}
	return ok
}

// haveFrameworks reports whether one of the roles has a framework.
func (m *Master) haveFrameworks(roles []string) bool {
	for _, f := range m.frameworks {
		if slices.ContainsFunc(f.roles, func(r string) bool { return contains(roles, r) }) {
			return true
		}
	}
	return false
}
