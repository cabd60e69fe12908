package master

//lint:file-ignore SA1019 deprecated fields and calls are part of what a master serves

import (
	"math"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Quota and weights (contract, section 7):
//
//   - UPDATE_QUOTA sets guarantees and limits of top-level roles, all or none. 400 for nested roles, a guarantee above its limit,
//     guarantees that exceed the cluster, and limits below what the role has, the latter two unless force. Empty
//     guarantees and limits remove the quota. Offers of agents may be rescinded so that guarantees can be met.
//   - SET_QUOTA and REMOVE_QUOTA are the older calls: limit and guarantee are one; exceeding the cluster is 409.
//   - UPDATE_WEIGHTS sets positive weights of roles.

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

func quantitiesOfMap(what string, in map[string]*mesospb.Value_Scalar) (allocator.Quantities, error) {
	q := allocator.Quantities{}
	for name, v := range in {
		f := v.GetValue()
		if math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
			return nil, wireErrorf("Invalid '%s': Invalid value for '%s': %v", what, name, f)
		}
		q[name] = resources.ToFixed(f)
	}
	return q, nil
}

func (m *Master) opUpdateQuota(c *masterpb.Call_UpdateQuota) answer {
	next := map[string]*quotaConfig{}
	for _, qc := range c.GetQuotaConfigs() {
		role := qc.GetRole()
		q := &quotaConfig{}
		err := validateQuotaRole(role)
		if err == nil && next[role] != nil {
			err = wireErrorf("Duplicate role '%s'", role)
		}
		if err == nil {
			q.guarantees, err = quantitiesOfMap("QuotaConfig.guarantees", qc.GetGuarantees())
		}
		if err == nil {
			q.limits, err = quantitiesOfMap("QuotaConfig.limits", qc.GetLimits())
		}
		for _, name := range sortedKeys(q.limits) {
			if err == nil && q.guarantees[name] > q.limits[name] {
				err = wireErrorf("'QuotaConfig.guarantees' are not contained within the 'QuotaConfig.limits'")
			}
		}
		if err == nil && !c.GetForce() {
			used := m.alloc.Consumed(role)
			for _, name := range sortedKeys(q.limits) {
				if used[name] > q.limits[name] {
					err = wireErrorf("Invalid QuotaConfig: Role '%s' is already consuming more %s than the limit (use 'force' to bypass this check)", role, name)
					break
				}
			}
		}
		if err != nil {
			return answer{http.StatusBadRequest, "Invalid 'UpdateQuota' call: " + err.Error()}
		}
		next[role] = q
	}
	if !c.GetForce() {
		if name := m.overcommitted(next); name != "" {
			return answer{http.StatusBadRequest, "Invalid QuotaConfig: total quota guarantees exceed the cluster's " + name + " (use 'force' to bypass this check)"}
		}
	}
	if len(next) > 0 && !m.may(auth.UpdateQuotas, sortedKeys(next)...) {
		return forbidden
	}
	for _, role := range sortedKeys(next) {
		m.setQuota(role, next[role])
	}
	return ok
}

func validateQuotaRole(role string) error {
	if err := validateRole(role); err != nil {
		return wireErrorf("Invalid 'QuotaConfig.role': %v", err)
	}
	switch {
	case role == resources.Unreserved:
		return wireError("Invalid QuotaConfig.role: the default '*' role is not supported")
	case strings.Contains(role, "/"):
		return wireErrorf("Invalid 'QuotaConfig.role': Setting quota on nested role '%s' is not supported", role)
	}
	return nil
}

// overcommitted returns the name of a resource of which more would be guaranteed than the cluster has.
func (m *Master) overcommitted(next map[string]*quotaConfig) string {
	sum := allocator.Quantities{}
	for role, q := range m.quotas {
		if next[role] == nil {
			for name, v := range q.guarantees {
				sum[name] += v
			}
		}
	}
	for _, q := range next {
		for name, v := range q.guarantees {
			sum[name] += v
		}
	}
	total := m.alloc.ClusterTotal()
	for _, name := range sortedKeys(sum) {
		if sum[name] > total[name] {
			return name
		}
	}
	return ""
}

// setQuota takes a quota over. Offers are rescinded, so that the next round can follow it.
func (m *Master) setQuota(role string, q *quotaConfig) {
	if len(q.guarantees)+len(q.limits) == 0 {
		delete(m.quotas, role)
	} else {
		m.quotas[role] = q
	}
	m.rememberQuota(role)
	m.alloc.SetQuota(role, q.guarantees, q.limits)
	for _, id := range sortedKeys(m.agents) {
		for _, o := range m.agents[id].offersWith(func(*offer) bool { return true }) {
			m.rescind(o, nil)
		}
	}
}

func (m *Master) opSetQuota(c *masterpb.Call_SetQuota) answer {
	r := c.GetQuotaRequest()
	role := r.GetRole()
	if err := validateQuotaRole(role); err != nil {
		return answer{http.StatusBadRequest, "Failed to validate set quota request: " + err.Error()}
	}
	if m.quotas[role] != nil {
		return answer{http.StatusBadRequest, "Failed to validate set quota request: Can not set quota for a role that already has quota"}
	}
	if err := checkResources(r.GetGuarantee()); err != nil {
		return answer{http.StatusBadRequest, "Failed to validate set quota request: " + err.Error()}
	}
	g := allocator.QuantitiesOf(r.GetGuarantee())
	q := &quotaConfig{guarantees: g, limits: g.Clone()}
	if !r.GetForce() {
		if name := m.overcommitted(map[string]*quotaConfig{role: q}); name != "" {
			return answer{http.StatusConflict, "Heuristic capacity check for set quota request failed: Not enough available cluster capacity of " + name}
		}
	}
	if !m.may(auth.UpdateQuotas, role) {
		return forbidden
	}
	m.setQuota(role, q)
	return ok
}

func (m *Master) opRemoveQuota(c *masterpb.Call_RemoveQuota) answer {
	return m.removeQuota(c.GetRole())
}

func (m *Master) removeQuota(role string) answer {
	if m.quotas[role] == nil {
		return answer{http.StatusBadRequest, "Failed to remove quota for path '/" + role + "': Role '" + role + "' has no quota set"}
	}
	if !m.may(auth.UpdateQuotas, role) {
		return forbidden
	}
	m.setQuota(role, &quotaConfig{})
	return ok
}

func (m *Master) opUpdateWeights(c *masterpb.Call_UpdateWeights) answer {
	return m.updateWeights(c.GetWeightInfos())
}

func (m *Master) updateWeights(infos []*mesospb.WeightInfo) answer {
	for _, w := range infos {
		if err := validateRole(w.GetRole()); err != nil {
			return answer{http.StatusBadRequest, "Failed to validate update weights request JSON: Invalid role '" + w.GetRole() + "': " + err.Error()}
		}
		if m.cfg.Roles != nil && !contains(m.cfg.Roles, w.GetRole()) {
			return answer{http.StatusBadRequest, "Failed to validate update weights request JSON: Unknown role '" + w.GetRole() + "'"}
		}
		if v := w.GetWeight(); !(v > 0) || math.IsInf(v, 0) {
			return answer{http.StatusBadRequest, "Failed to validate update weights request JSON for role '" + w.GetRole() + "': Invalid weight: Weights must be positive"}
		}
	}
	for _, w := range infos {
		if !m.may(auth.UpdateWeights, w.GetRole()) {
			return forbidden
		}
	}
	for _, w := range infos {
		m.alloc.SetWeight(w.GetRole(), w.GetWeight())
	}
	m.rememberWeights(infos)
	return ok
}
