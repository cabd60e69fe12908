package master

import "github.com/mesokit/mesokit/mesos/schedulerpb"

// DECLINE (docs/behaviour.md#scheduler-calls): gives offers back with a filter. Ids that are not out are ignored; whose offers they are
// is not checked.

func (m *Master) callDecline(_ *framework, c *schedulerpb.Call) answer {
	for _, id := range c.GetDecline().GetOfferIds() {
		o := m.offers[id.GetValue()]
		if o == nil {
			m.log.Debug("declined offer is not out", "offer", id.GetValue())
			continue
		}
		o.framework.counts.offersDeclined++
		m.returnOffer(o, m.filter(c.GetDecline().GetFilters()))
	}
	return accepted
}
