package sim

import (
	"fmt"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// contained checks an ACCEPT as a master does: every operation, in order, against what the operations before it have left.
func contained(a *schedulerpb.Call_Accept, have []*mesospb.Resource) error {
	_, err := consume(a, have)
	return err
}

// consume returns what an ACCEPT leaves of its offers.
func consume(a *schedulerpb.Call_Accept, have []*mesospb.Resource) ([]*mesospb.Resource, error) {
	left, err := resources.Upgrade(have)
	if err != nil {
		return nil, err
	}
	for _, op := range a.GetOperations() {
		var need []*mesospb.Resource
		switch op.GetType() {
		case mesospb.Offer_Operation_LAUNCH:
			for _, t := range op.GetLaunch().GetTaskInfos() {
				need = append(need, t.GetResources()...)
				need = append(need, t.GetExecutor().GetResources()...)
			}
		case mesospb.Offer_Operation_LAUNCH_GROUP:
			need = append(need, op.GetLaunchGroup().GetExecutor().GetResources()...)
			for _, t := range op.GetLaunchGroup().GetTaskGroup().GetTasks() {
				need = append(need, t.GetResources()...)
			}
		default:
			cs, err := resources.Conversions(op)
			if err != nil {
				return nil, err
			}
			if left, err = resources.Apply(left, cs...); err != nil {
				return nil, fmt.Errorf("%v: %w", op.GetType(), err)
			}
			continue
		}
		if need, err = resources.Upgrade(need); err != nil {
			return nil, err
		}
		if !resources.Contains(left, need) {
			return nil, fmt.Errorf("%v wants %s, there is %s", op.GetType(), resources.Describe(need), resources.Describe(left))
		}
		left = resources.Subtract(left, need)
	}
	return left, nil
}
