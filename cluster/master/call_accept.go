package master

import (
	"slices"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// ACCEPT (docs/behaviour.md#scheduler-calls):
//
//   - The offers must be out, the framework's, each named once, of one agent and one role. If not, those that are out are
//     taken back without filter and RESCIND; tasks are DROPPED (LOST without PARTITION_AWARE) with REASON_INVALID_OFFERS, other
//     operations with an id are OPERATION_ERROR, those without vanish.
//   - The offers make one pool. All operations are checked and brought into one format first, then applied one
//     after the other; a later one sees what an earlier one left and converted. One that fails does not hinder others.
//   - What is left in the end goes back: converted pieces at once, the rest with the filter.

// acceptance is an ACCEPT under way.
type acceptance struct {
	m         *Master
	framework *framework
	agent     *agent
	role      string
	// allocation is that of what the operations take if they don't name one; shared, and never changed.
	allocation *mesospb.Resource_AllocationInfo
	offered    []*mesospb.Resource
	pool       resources.Pool // what is left
	late       resources.Pool // converted, but not to be used within this call
	converted  bool           // something was
}

func (m *Master) callAccept(f *framework, c *schedulerpb.Call) answer {
	accept := c.GetAccept()
	offers, err := m.usableOffers(f, accept.GetOfferIds())
	if err != nil {
		m.refuseAccept(f, accept, err)
		return accepted
	}
	x := &acceptance{m: m, framework: f, agent: offers[0].agent, role: offers[0].role}
	role := x.role // not &x.role: tasks outlive this call
	x.allocation = &mesospb.Resource_AllocationInfo{Role: &role}
	for _, o := range offers {
		f.counts.offersAccepted++
		m.forgetOffer(o)
		x.pool.Add(o.resources)
		x.offered = append(x.offered, o.resources...)
	}
	var ready []*mesospb.Offer_Operation
	for _, op := range accept.GetOperations() {
		f.counts.operation(op.GetType())
		if err := x.prepare(op); err != nil {
			if !isLaunch(op) {
				err = wireErrorf("Operation attempted with invalid resources: %v", err)
			}
			x.fail(op, err)
			continue
		}
		ready = append(ready, op)
	}
	for _, op := range ready {
		if err := operations[op.GetType()].apply(x, op); err != nil {
			x.fail(op, err)
		}
	}
	x.finish(accept.GetFilters())
	return accepted
}

// usableOffers returns the offers named, or says why they can't be used.
func (m *Master) usableOffers(f *framework, ids []*mesospb.OfferID) ([]*offer, error) {
	if len(ids) == 0 {
		return nil, wireError("No offers specified")
	}
	var offers []*offer
	for _, id := range ids {
		o := m.offers[id.GetValue()]
		switch {
		case o == nil:
			return nil, wireErrorf("Offer %s is no longer valid", id.GetValue())
		case slices.Contains(offers, o):
			return nil, wireErrorf("Duplicate offer %s in offer list", o.id)
		case o.framework != f:
			return nil, wireErrorf("Offer %s has invalid framework %s while framework %s is expected", o.id, o.framework.id, f.id)
		}
		offers = append(offers, o)
	}
	first := offers[0]
	for _, o := range offers {
		switch {
		case o.role != first.role:
			return nil, wireErrorf("Aggregated offers must be allocated to the same role. Offer %s uses role '%s but another is using role '%s", o.id, o.role, first.role)
		case o.agent != first.agent:
			return nil, wireErrorf("Aggregated offers must belong to one single agent. Offer %s uses agent %s and agent %s", o.id, o.agent.id, first.agent.id)
		}
	}
	return offers, nil
}

// refuseAccept answers an ACCEPT with offers that can't be used.
func (m *Master) refuseAccept(f *framework, accept *schedulerpb.Call_Accept, why error) {
	m.log.Info("accept refused", "framework", f.id, "error", why)
	for _, id := range accept.GetOfferIds() {
		if o := m.offers[id.GetValue()]; o != nil {
			m.returnOffer(o, nil)
		}
	}
	for _, op := range accept.GetOperations() {
		for _, t := range tasksOf(op) {
			s := masterStatus(t.GetTaskId().GetValue(), "", f.lostState(mesospb.TaskState_TASK_DROPPED),
				mesospb.TaskStatus_REASON_INVALID_OFFERS, "Task launched with invalid offers: "+why.Error())
			s.AgentId = t.AgentId
			f.send(updateEvent(s))
		}
		if !isLaunch(op) {
			m.metrics.operationDrops[op.GetType()]++
			f.operationFailed(op, "Operation attempted with invalid offers: "+why.Error())
		}
	}
}

func isLaunch(op *mesospb.Offer_Operation) bool {
	return op.GetType() == mesospb.Offer_Operation_LAUNCH || op.GetType() == mesospb.Offer_Operation_LAUNCH_GROUP
}

// tasksOf returns the tasks that an operation launches.
func tasksOf(op *mesospb.Offer_Operation) []*mesospb.TaskInfo {
	switch op.GetType() {
	case mesospb.Offer_Operation_LAUNCH:
		return op.GetLaunch().GetTaskInfos()
	case mesospb.Offer_Operation_LAUNCH_GROUP:
		return op.GetLaunchGroup().GetTaskGroup().GetTasks()
	}
	return nil
}

// operationFailed tells the framework of an operation that was not applied, if it has an id.
func (f *framework) operationFailed(op *mesospb.Offer_Operation, message string) {
	if op.Id == nil {
		return
	}
	f.send(operationEvent(&mesospb.OperationStatus{
		OperationId: op.Id, State: mesospb.OperationState_OPERATION_ERROR.Enum(), Message: &message,
	}))
}

// fail tells the framework that an operation is refused.
func (x *acceptance) fail(op *mesospb.Offer_Operation, why error) {
	x.m.log.Info("operation refused", "framework", x.framework.id, "operation", op.GetType(), "error", why)
	if !isLaunch(op) {
		x.m.metrics.operationErrors[op.GetType()]++
		x.framework.operationFailed(op, why.Error())
		return
	}
	reason := mesospb.TaskStatus_REASON_TASK_INVALID
	if op.GetType() == mesospb.Offer_Operation_LAUNCH_GROUP {
		reason = mesospb.TaskStatus_REASON_TASK_GROUP_INVALID
		if _, ok := why.(unauthorized); ok {
			reason = mesospb.TaskStatus_REASON_TASK_GROUP_UNAUTHORIZED
		}
	}
	for _, t := range tasksOf(op) {
		x.taskError(t, reason, why)
	}
}

func (x *acceptance) taskError(t *mesospb.TaskInfo, reason mesospb.TaskStatus_Reason, why error) {
	x.m.metrics.tasks[mesospb.TaskState_TASK_ERROR]++
	s := masterStatus(t.GetTaskId().GetValue(), "", mesospb.TaskState_TASK_ERROR, reason, why.Error())
	s.AgentId = t.AgentId // as it is, even if it is empty
	x.framework.send(updateEvent(s))
}

// operations are the offer operations: what each has to consist of and what it does. Errors are for the framework.
var operations = map[mesospb.Offer_Operation_Type]struct {
	present func(*mesospb.Offer_Operation) bool
	apply   func(*acceptance, *mesospb.Offer_Operation) error
}{
	mesospb.Offer_Operation_LAUNCH:        {func(o *mesospb.Offer_Operation) bool { return o.Launch != nil }, (*acceptance).launch},
	mesospb.Offer_Operation_LAUNCH_GROUP:  {func(o *mesospb.Offer_Operation) bool { return o.LaunchGroup != nil }, (*acceptance).launchGroup},
	mesospb.Offer_Operation_RESERVE:       {func(o *mesospb.Offer_Operation) bool { return o.Reserve != nil }, (*acceptance).reserve},
	mesospb.Offer_Operation_UNRESERVE:     {func(o *mesospb.Offer_Operation) bool { return o.Unreserve != nil }, (*acceptance).unreserve},
	mesospb.Offer_Operation_CREATE:        {func(o *mesospb.Offer_Operation) bool { return o.Create != nil }, (*acceptance).create},
	mesospb.Offer_Operation_DESTROY:       {func(o *mesospb.Offer_Operation) bool { return o.Destroy != nil }, (*acceptance).destroy},
	mesospb.Offer_Operation_GROW_VOLUME:   {func(o *mesospb.Offer_Operation) bool { return o.GrowVolume != nil }, (*acceptance).growVolume},
	mesospb.Offer_Operation_SHRINK_VOLUME: {func(o *mesospb.Offer_Operation) bool { return o.ShrinkVolume != nil }, (*acceptance).shrinkVolume},
	mesospb.Offer_Operation_CREATE_DISK:   {func(o *mesospb.Offer_Operation) bool { return o.CreateDisk != nil }, (*acceptance).createDisk},
	mesospb.Offer_Operation_DESTROY_DISK:  {func(o *mesospb.Offer_Operation) bool { return o.DestroyDisk != nil }, (*acceptance).destroyDisk},
}

// prepare checks an operation's resources, brings them into post-refinement format and fills in what may be left out.
func (x *acceptance) prepare(op *mesospb.Offer_Operation) error {
	k := operations[op.GetType()]
	if k.present == nil {
		return wireErrorf("Unknown operation type %v", op.GetType())
	}
	if !k.present(op) {
		return wireErrorf("A %v offer operation must have the Offer.Operation.%s field set", op.GetType(), fieldOf(op.GetType()))
	}
	if err := normalizeOperation(op); err != nil {
		return err
	}
	if op.GetType() == mesospb.Offer_Operation_RESERVE && len(op.GetReserve().GetSource()) > 0 {
		return wireError("Reservation updates are not yet implemented for the scheduler API.")
	}
	if isLaunch(op) && op.Id != nil {
		return wireErrorf("The 'id' field was set in a %v offer operation, which is not supported", op.GetType())
	}
	for r := range allResources(op) {
		if r.AllocationInfo == nil {
			r.AllocationInfo = x.allocation
		}
	}
	id := &mesospb.FrameworkID{Value: &x.framework.id}
	switch op.GetType() {
	case mesospb.Offer_Operation_LAUNCH:
		for _, t := range tasksOf(op) {
			if t.Executor != nil && t.Executor.FrameworkId == nil {
				t.Executor.FrameworkId = id
			}
		}
	case mesospb.Offer_Operation_LAUNCH_GROUP:
		for _, t := range tasksOf(op) {
			if t.Executor == nil {
				t.Executor = op.LaunchGroup.Executor
			}
		}
	}
	return nil
}

// fieldOf returns the name of the field that belongs to an operation type.
func fieldOf(t mesospb.Offer_Operation_Type) string {
	switch t {
	case mesospb.Offer_Operation_LAUNCH_GROUP:
		return "launch_group"
	case mesospb.Offer_Operation_GROW_VOLUME:
		return "grow_volume"
	case mesospb.Offer_Operation_SHRINK_VOLUME:
		return "shrink_volume"
	case mesospb.Offer_Operation_CREATE_DISK:
		return "create_disk"
	case mesospb.Offer_Operation_DESTROY_DISK:
		return "destroy_disk"
	}
	return lower(t.String())
}

// convert applies what an operation does to the pool and to the agent.
func (x *acceptance) convert(op *mesospb.Offer_Operation) error {
	conversions, err := resources.Conversions(op)
	if err != nil {
		return err
	}
	var trial resources.Pool
	trial.CopyFrom(&x.pool)
	for _, c := range conversions {
		if err := trial.Apply(c); err != nil {
			return err
		}
	}
	if err := x.m.alloc.Convert(x.agent.id, conversions...); err != nil {
		return err
	}
	x.pool.CopyFrom(&trial)
	x.converted = true
	x.m.totalChanged(x.agent) // before a task that is launched on it
	x.m.recordOperation(x.framework, x.agent, op)
	return nil
}

// finish gives back what is left.
func (x *acceptance) finish(filters *mesospb.Filters) {
	x.pool.AddPool(&x.late)
	rest := x.pool.Resources()
	if x.converted {
		fresh := resources.Subtract(rest, x.offered)
		rest = resources.Subtract(rest, fresh)
		x.m.alloc.Recover(x.framework.id, x.agent.id, fresh, nil)
	}
	x.m.alloc.Recover(x.framework.id, x.agent.id, rest, x.m.filter(filters))
}

// totalChanged takes over the agent's total after operations, and makes the agent keep it.
func (m *Master) totalChanged(a *agent) {
	a.desc.Total = m.alloc.Total(a.id)
	a.send(link.Checkpoint{Total: a.desc.Total})
}
