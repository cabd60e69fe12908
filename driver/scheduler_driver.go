package driver

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// SchedulerDriver is what a Scheduler works with: MesosSchedulerDriver, or a fake of your own in tests. Every method returns the status of the
// driver, and an error if it did nothing or failed. All are safe for concurrent use and may be called in callbacks, but for Join
// and Run.
type SchedulerDriver interface {
	// Start subscribes and begins with the callbacks. It does not wait for the subscription.
	Start() (mesospb.Status, error)
	// Stop ends the driver. Without failover the framework ends with it: its tasks are killed. With failover it is left to
	// another driver with the same framework id. It does not wait; Join does.
	Stop(failover bool) (mesospb.Status, error)
	// Abort ends the callbacks; the framework stays registered and gets no offers.
	Abort() (mesospb.Status, error)
	// Join waits for Stop or Abort and what is left to be done after it. The error is what aborted the driver, or kept Stop
	// from its work.
	Join() (mesospb.Status, error)
	// Run is Start and Join. With DriverConfig.OwnLoop it runs the callbacks in the calling goroutine meanwhile.
	Run() (mesospb.Status, error)

	// RequestResources asks for resources. Mesos' own allocator ignores it.
	RequestResources(requests []*mesospb.Request) (mesospb.Status, error)
	// LaunchTasks launches tasks on offers of one agent; what they leave of the offers is refused as filters say (nil: for five
	// seconds). Without tasks the offers are declined. If the call does not reach a master or is refused, tasks get a TASK_LOST, or
	// TASK_DROPPED for PARTITION_AWARE frameworks, beside the error, and the offers are given back.
	LaunchTasks(offerIDs []*mesospb.OfferID, tasks []*mesospb.TaskInfo, filters *mesospb.Filters) (mesospb.Status, error)
	// AcceptOffers performs operations on offers of one agent, in their order; otherwise it is like LaunchTasks.
	AcceptOffers(offerIDs []*mesospb.OfferID, operations []*mesospb.Offer_Operation, filters *mesospb.Filters) (mesospb.Status, error)
	// DeclineOffer gives an offer back. It does not come again for as long as filters say (nil: five seconds).
	DeclineOffer(offerID *mesospb.OfferID, filters *mesospb.Filters) (mesospb.Status, error)
	// KillTask kills a task; status updates tell of its end. An unknown task is answered by TASK_LOST or TASK_UNKNOWN.
	KillTask(taskID *mesospb.TaskID) (mesospb.Status, error)
	// ReviveOffers removes filters and asks for offers again, for some roles or all.
	ReviveOffers(roles ...string) (mesospb.Status, error)
	// SuppressOffers stops offers until ReviveOffers, for some roles or all.
	SuppressOffers(roles ...string) (mesospb.Status, error)
	// AcknowledgeStatusUpdate acknowledges a status, so that the next one of the task can come. A status without uuid
	// needs none and none is sent. Needs DriverConfig.ExplicitAcknowledgements.
	AcknowledgeStatusUpdate(status *mesospb.TaskStatus) (mesospb.Status, error)
	// SendFrameworkMessage sends data to an executor. It may get lost.
	SendFrameworkMessage(executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, data []byte) (mesospb.Status, error)
	// ReconcileTasks asks for the status of tasks, of all that the master knows if there are none. Task id and agent id of the
	// statuses are used.
	ReconcileTasks(statuses []*mesospb.TaskStatus) (mesospb.Status, error)

	// AcceptInverseOffers agrees to give agents back. (Not in classic drivers, as all that follows.)
	AcceptInverseOffers(offerIDs []*mesospb.OfferID, filters *mesospb.Filters) (mesospb.Status, error)
	// DeclineInverseOffers refuses to give agents back.
	DeclineInverseOffers(offerIDs []*mesospb.OfferID, filters *mesospb.Filters) (mesospb.Status, error)
	// ShutdownExecutor ends an executor with all its tasks.
	ShutdownExecutor(executorID *mesospb.ExecutorID, agentID *mesospb.AgentID) (mesospb.Status, error)
	// AcknowledgeOperationStatus acknowledges the status of an operation. The rules of AcknowledgeStatusUpdate hold.
	AcknowledgeOperationStatus(status *mesospb.OperationStatus) (mesospb.Status, error)
	// ReconcileOperations asks for the status of operations, of all if there are none.
	ReconcileOperations(operations []*schedulerpb.Call_ReconcileOperations_Operation) (mesospb.Status, error)
	// UpdateFramework changes the framework: roles, capabilities, failover timeout and so on. Suppressed roles and offer constraints are
	// replaced too. User, principal and checkpointing cannot change.
	UpdateFramework(info *mesospb.FrameworkInfo, suppressedRoles []string, constraints *schedulerpb.OfferConstraints) (mesospb.Status, error)
}

// MesosSchedulerDriver is a SchedulerDriver that speaks to a Mesos master.
type MesosSchedulerDriver struct {
	core      *core
	cfg       DriverConfig
	session   schedulerSession
	log       *slog.Logger
	partition bool // PARTITION_AWARE

	registered bool // used by the session's goroutine alone
	repeats    repeats

	mu        sync.Mutex
	connected chan struct{}       // closed while subscribed
	attached  bool                // the master knows the framework
	offers    map[string]struct{} // that the framework holds
}

var _ SchedulerDriver = (*MesosSchedulerDriver)(nil)

// NewMesosSchedulerDriver returns a driver that Start or Run starts. The error joins one *ConfigError for each field that makes no
// sense.
func NewMesosSchedulerDriver(cfg DriverConfig) (*MesosSchedulerDriver, error) {
	log, tracer, logErr := logging{logger: cfg.Logger, level: cfg.LogLevel, trace: cfg.Trace, lookup: os.LookupEnv, stderr: os.Stderr}.open()
	cfg, err := cfg.prepare()
	if err = errors.Join(err, logErr); err != nil {
		return nil, err
	}
	if tracer != nil && cfg.Transport.Tracer == nil {
		cfg.Transport.Tracer = tracer
	}
	session, err := newSchedulerSession(cfg, log)
	if err != nil {
		return nil, err
	}
	return newSchedulerDriver(cfg, log, session), nil
}

func newSchedulerDriver(cfg DriverConfig, log *slog.Logger, session schedulerSession) *MesosSchedulerDriver {
	d := &MesosSchedulerDriver{
		core: newCore(log, cfg.OwnLoop, cfg.CallTimeout, cfg.StopTimeout),
		cfg:  cfg, session: session, log: log,
		connected: make(chan struct{}),
		attached:  cfg.Framework.GetId().GetValue() != "",
		offers:    make(map[string]struct{}),
	}
	for _, c := range cfg.Framework.GetCapabilities() {
		d.partition = d.partition || c.GetType() == mesospb.FrameworkInfo_Capability_PARTITION_AWARE
	}
	return d
}

// Start implements SchedulerDriver.
func (d *MesosSchedulerDriver) Start() (mesospb.Status, error) { return d.core.start(d.converse) }

// Stop implements SchedulerDriver.
func (d *MesosSchedulerDriver) Stop(failover bool) (mesospb.Status, error) {
	return d.core.stop(failover)
}

// Abort implements SchedulerDriver.
func (d *MesosSchedulerDriver) Abort() (mesospb.Status, error) { return d.core.abort() }

// Join implements SchedulerDriver.
func (d *MesosSchedulerDriver) Join() (mesospb.Status, error) { return d.core.join() }

// Run implements SchedulerDriver.
func (d *MesosSchedulerDriver) Run() (mesospb.Status, error) {
	if status, err := d.Start(); err != nil {
		return status, err
	}
	for cb := range d.Callbacks() {
		cb.Call()
	}
	return d.Join()
}

// Callbacks returns the callbacks that are due, one after another: the next comes when Call of the last has returned. The channel is closed after
// the last one. Without DriverConfig.OwnLoop it is closed from the beginning, as the driver runs the callbacks itself.
func (d *MesosSchedulerDriver) Callbacks() <-chan *Callback { return d.core.callbacks() }

// Status returns the status of the driver.
func (d *MesosSchedulerDriver) Status() mesospb.Status { return d.core.current() }

// inSchedulerCallback is the driver as callbacks get it.
type inSchedulerCallback struct{ *MesosSchedulerDriver }

func (d inSchedulerCallback) Join() (mesospb.Status, error) { return d.Status(), ErrInCallback }
func (d inSchedulerCallback) Run() (mesospb.Status, error)  { return d.Status(), ErrInCallback }

// converse holds the conversation with the master, from Start until there is nothing left to do.
func (d *MesosSchedulerDriver) converse() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.session.run(ctx, d) }() // ends with ctx, and is waited for on every way out
	for halted := d.core.halted; ; halted = nil {
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("the session with the master ended")
			}
			d.core.loseConversation(err)
			d.fail(err)
			return
		case <-halted:
			if d.core.current() == mesospb.Status_DRIVER_ABORTED {
				d.deactivate()
			}
		case <-d.core.stopping:
			d.core.calls.Wait()
			d.leave(ended)
			cancel()
			<-ended
			return
		}
	}
}

func (d *MesosSchedulerDriver) fail(err error) {
	d.core.fail(err, func(err error) { d.cfg.Scheduler.Error(inSchedulerCallback{d}, err) })
}

// leave tells the master that the framework has ended, if it has.
func (d *MesosSchedulerDriver) leave(ended chan error) {
	d.mu.Lock()
	connected, attached := d.connected, d.attached
	d.mu.Unlock()
	if d.core.failover || !attached {
		return
	}
	select {
	case <-connected:
	default:
		// The master will keep the tasks for the failover timeout; it is worth to wait a little for the next subscription.
		select {
		case <-connected:
		case err := <-ended:
			ended <- err
			d.core.setEndErr(errors.Join(errTeardown, err))
			return
		case <-d.core.ctx.Done():
			d.core.setEndErr(errors.Join(errTeardown, ErrDisconnected))
			return
		}
	}
	if err := d.session.call(d.core.ctx, scheduler.Teardown()); err != nil {
		d.core.setEndErr(errors.Join(errTeardown, err))
	}
}

var errTeardown = errors.New("the framework was not torn down; the master keeps its tasks for the failover timeout")

// deactivate is what the master does for an aborted classic driver, by way of V1 calls: no offers to nobody, those there
// are go back. The subscription stays, for without it the failover timeout would begin.
func (d *MesosSchedulerDriver) deactivate() {
	d.mu.Lock()
	var held []*mesospb.OfferID
	for id := range d.offers {
		held = append(held, &mesospb.OfferID{Value: proto.String(id)})
	}
	clear(d.offers)
	d.mu.Unlock()
	d.send(scheduler.Suppress())
	if len(held) > 0 {
		d.send(scheduler.Decline(held, nil))
	}
}

// hold notes offers that the framework has now.
func (d *MesosSchedulerDriver) hold(offers []*mesospb.Offer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range offers {
		d.offers[strings.Clone(o.GetId().GetValue())] = struct{}{} // not a part of the frame of all offers
	}
}

// spend notes offers that the framework has no more.
func (d *MesosSchedulerDriver) spend(ids ...*mesospb.OfferID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		delete(d.offers, id.GetValue())
	}
}
