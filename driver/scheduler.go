package driver

import "github.com/mesokit/mesokit/mesos/mesospb"

// Scheduler is what a framework makes of the callbacks of a SchedulerDriver. Embed NopScheduler to write only those that matter, or use
// SchedulerFuncs. The messages belong to the callback, which may keep and change them.
type Scheduler interface {
	// Registered is called for the first subscription. The framework id is to be kept where it outlives the process, before the
	// first offer is used: with it in DriverConfig.Framework the next process takes the framework over.
	Registered(driver SchedulerDriver, frameworkID *mesospb.FrameworkID, master *mesospb.MasterInfo)
	// Reregistered is called when the driver is subscribed again. Events may have been missed: reconcile.
	Reregistered(driver SchedulerDriver, master *mesospb.MasterInfo)
	// Disconnected is called when the subscription is lost. Offers are void; the driver subscribes again by itself.
	Disconnected(driver SchedulerDriver)
	// ResourceOffers is called with new offers. Each stays with the framework until it is used, declined or rescinded.
	ResourceOffers(driver SchedulerDriver, offers []*mesospb.Offer)
	// OfferRescinded is called when an offer is no longer valid. Tasks launched on it meanwhile become TASK_LOST or TASK_DROPPED.
	OfferRescinded(driver SchedulerDriver, offerID *mesospb.OfferID)
	// StatusUpdate is called with the status of a task. Unless acknowledgements are explicit it is acknowledged when the callback
	// returns, and never comes twice; with explicit ones it comes again for as long as it is not acknowledged.
	StatusUpdate(driver SchedulerDriver, status *mesospb.TaskStatus)
	// FrameworkMessage is called with what an executor sent. Such messages are not reliable.
	FrameworkMessage(driver SchedulerDriver, executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, data []byte)
	// AgentLost is called when an agent is removed. (SlaveLost in older bindings.)
	AgentLost(driver SchedulerDriver, agentID *mesospb.AgentID)
	// ExecutorLost is called when a custom executor has ended. status is its wait status as the operating system gave it, -1 if
	// unknown. Its tasks have status updates of their own.
	ExecutorLost(driver SchedulerDriver, executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, status int)
	// Error is called when the driver cannot go on; it is aborted already and this is the last callback. err is a
	// *scheduler.EventError (package client/scheduler) if the master said why.
	Error(driver SchedulerDriver, err error)
}

// InverseOfferScheduler is a Scheduler that hears of maintenance. Others leave inverse offers unanswered.
type InverseOfferScheduler interface {
	// InverseOffers is called when agents are wanted back; answer with AcceptInverseOffers or DeclineInverseOffers.
	InverseOffers(driver SchedulerDriver, offers []*mesospb.InverseOffer)
	// InverseOfferRescinded is called when an inverse offer is no longer valid.
	InverseOfferRescinded(driver SchedulerDriver, offerID *mesospb.OfferID)
}

// OperationScheduler is a Scheduler that hears of offer operations that were given an id.
type OperationScheduler interface {
	// OperationStatusUpdate is called with the status of an operation; it is acknowledged as StatusUpdate says.
	OperationStatusUpdate(driver SchedulerDriver, status *mesospb.OperationStatus)
}

// NopScheduler is a Scheduler that does nothing; it is there to be embedded.
type NopScheduler struct{}

var _ Scheduler = NopScheduler{}

// Registered does nothing.
func (NopScheduler) Registered(SchedulerDriver, *mesospb.FrameworkID, *mesospb.MasterInfo) {}

// Reregistered does nothing.
func (NopScheduler) Reregistered(SchedulerDriver, *mesospb.MasterInfo) {}

// Disconnected does nothing.
func (NopScheduler) Disconnected(SchedulerDriver) {}

// ResourceOffers does nothing. Offers are held until they are rescinded.
func (NopScheduler) ResourceOffers(SchedulerDriver, []*mesospb.Offer) {}

// OfferRescinded does nothing.
func (NopScheduler) OfferRescinded(SchedulerDriver, *mesospb.OfferID) {}

// StatusUpdate does nothing.
func (NopScheduler) StatusUpdate(SchedulerDriver, *mesospb.TaskStatus) {}

// FrameworkMessage does nothing.
func (NopScheduler) FrameworkMessage(SchedulerDriver, *mesospb.ExecutorID, *mesospb.AgentID, []byte) {
}

// AgentLost does nothing.
func (NopScheduler) AgentLost(SchedulerDriver, *mesospb.AgentID) {}

// ExecutorLost does nothing.
func (NopScheduler) ExecutorLost(SchedulerDriver, *mesospb.ExecutorID, *mesospb.AgentID, int) {}

// Error does nothing.
func (NopScheduler) Error(SchedulerDriver, error) {}

// SchedulerFuncs is a Scheduler made of functions, each of which may be nil.
type SchedulerFuncs struct {
	OnRegistered            func(driver SchedulerDriver, frameworkID *mesospb.FrameworkID, master *mesospb.MasterInfo)
	OnReregistered          func(driver SchedulerDriver, master *mesospb.MasterInfo)
	OnDisconnected          func(driver SchedulerDriver)
	OnResourceOffers        func(driver SchedulerDriver, offers []*mesospb.Offer)
	OnOfferRescinded        func(driver SchedulerDriver, offerID *mesospb.OfferID)
	OnStatusUpdate          func(driver SchedulerDriver, status *mesospb.TaskStatus)
	OnFrameworkMessage      func(driver SchedulerDriver, executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, data []byte)
	OnAgentLost             func(driver SchedulerDriver, agentID *mesospb.AgentID)
	OnExecutorLost          func(driver SchedulerDriver, executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, status int)
	OnError                 func(driver SchedulerDriver, err error)
	OnInverseOffers         func(driver SchedulerDriver, offers []*mesospb.InverseOffer)
	OnInverseOfferRescinded func(driver SchedulerDriver, offerID *mesospb.OfferID)
	OnOperationStatusUpdate func(driver SchedulerDriver, status *mesospb.OperationStatus)
}

var (
	_ Scheduler             = SchedulerFuncs{}
	_ InverseOfferScheduler = SchedulerFuncs{}
	_ OperationScheduler    = SchedulerFuncs{}
)

// Registered calls OnRegistered.
func (s SchedulerFuncs) Registered(d SchedulerDriver, id *mesospb.FrameworkID, master *mesospb.MasterInfo) {
	if s.OnRegistered != nil {
		s.OnRegistered(d, id, master)
	}
}

// Reregistered calls OnReregistered.
func (s SchedulerFuncs) Reregistered(d SchedulerDriver, master *mesospb.MasterInfo) {
	if s.OnReregistered != nil {
		s.OnReregistered(d, master)
	}
}

// Disconnected calls OnDisconnected.
func (s SchedulerFuncs) Disconnected(d SchedulerDriver) {
	if s.OnDisconnected != nil {
		s.OnDisconnected(d)
	}
}

// ResourceOffers calls OnResourceOffers.
func (s SchedulerFuncs) ResourceOffers(d SchedulerDriver, offers []*mesospb.Offer) {
	if s.OnResourceOffers != nil {
		s.OnResourceOffers(d, offers)
	}
}

// OfferRescinded calls OnOfferRescinded.
func (s SchedulerFuncs) OfferRescinded(d SchedulerDriver, id *mesospb.OfferID) {
	if s.OnOfferRescinded != nil {
		s.OnOfferRescinded(d, id)
	}
}

// StatusUpdate calls OnStatusUpdate.
func (s SchedulerFuncs) StatusUpdate(d SchedulerDriver, status *mesospb.TaskStatus) {
	if s.OnStatusUpdate != nil {
		s.OnStatusUpdate(d, status)
	}
}

// FrameworkMessage calls OnFrameworkMessage.
func (s SchedulerFuncs) FrameworkMessage(d SchedulerDriver, executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, data []byte) {
	if s.OnFrameworkMessage != nil {
		s.OnFrameworkMessage(d, executorID, agentID, data)
	}
}

// AgentLost calls OnAgentLost.
func (s SchedulerFuncs) AgentLost(d SchedulerDriver, id *mesospb.AgentID) {
	if s.OnAgentLost != nil {
		s.OnAgentLost(d, id)
	}
}

// ExecutorLost calls OnExecutorLost.
func (s SchedulerFuncs) ExecutorLost(d SchedulerDriver, executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, status int) {
	if s.OnExecutorLost != nil {
		s.OnExecutorLost(d, executorID, agentID, status)
	}
}

// Error calls OnError.
func (s SchedulerFuncs) Error(d SchedulerDriver, err error) {
	if s.OnError != nil {
		s.OnError(d, err)
	}
}

// InverseOffers calls OnInverseOffers.
func (s SchedulerFuncs) InverseOffers(d SchedulerDriver, offers []*mesospb.InverseOffer) {
	if s.OnInverseOffers != nil {
		s.OnInverseOffers(d, offers)
	}
}

// InverseOfferRescinded calls OnInverseOfferRescinded.
func (s SchedulerFuncs) InverseOfferRescinded(d SchedulerDriver, id *mesospb.OfferID) {
	if s.OnInverseOfferRescinded != nil {
		s.OnInverseOfferRescinded(d, id)
	}
}

// OperationStatusUpdate calls OnOperationStatusUpdate.
func (s SchedulerFuncs) OperationStatusUpdate(d SchedulerDriver, status *mesospb.OperationStatus) {
	if s.OnOperationStatusUpdate != nil {
		s.OnOperationStatusUpdate(d, status)
	}
}
