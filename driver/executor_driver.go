package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ExecutorDriver is what an Executor works with: MesosExecutorDriver, or a fake of your own in tests. Every method returns the status of
// the driver, and an error if it did nothing or failed. All are safe for concurrent use and may be called in callbacks, but for
// Join and Run.
type ExecutorDriver interface {
	// Start subscribes and begins with the callbacks. It does not wait for the subscription.
	Start() (mesospb.Status, error)
	// Stop ends the driver when the agent has acknowledged all updates. It does not wait; Join does.
	Stop() (mesospb.Status, error)
	// Abort ends the callbacks; the executor stays subscribed, and updates that were sent are still delivered.
	Abort() (mesospb.Status, error)
	// Join waits for Stop or Abort and what is left to be done after it. The error is what aborted the driver, or kept Stop
	// from its work.
	Join() (mesospb.Status, error)
	// Run is Start and Join. With ExecutorDriverConfig.OwnLoop it runs the callbacks in the calling goroutine meanwhile.
	Run() (mesospb.Status, error)

	// SendStatusUpdate tells the state of a task. The driver keeps the update until the agent has acknowledged it, over lost connections and
	// restarts of the agent. uuid, timestamp and source are filled in. TASK_STAGING, which is not for executors,
	// aborts the driver.
	SendStatusUpdate(status *mesospb.TaskStatus) (mesospb.Status, error)
	// SendFrameworkMessage sends data to the scheduler. It may get lost.
	SendFrameworkMessage(data []byte) (mesospb.Status, error)
}

// ExecutorDriverConfig says what a MesosExecutorDriver is made of. Only Executor is required.
type ExecutorDriverConfig struct {
	// Executor gets the callbacks.
	Executor Executor
	// Client says who the executor is and where its agent is; nil means what the agent put into the environment. Its Logger and
	// tracer default to the driver's.
	Client *executor.Config

	// OwnLoop leaves it to the caller to run the callbacks that Callbacks delivers, on a goroutine of his choice.
	OwnLoop bool
	// CallTimeout bounds each call; 0 means DefaultCallTimeout.
	CallTimeout time.Duration
	// StopTimeout bounds the calls that are under way at Stop; 0 means DefaultStopTimeout. Acknowledgements are waited for as
	// Client.FinishTimeout says.
	StopTimeout time.Duration

	// Logger gets the log; nil means text to standard error, the file stderr of the sandbox.
	Logger *slog.Logger
	// LogLevel is the least level to log to standard error; nil means MESOKIT_LOG, and warnings if that is not set. A
	// Logger decides for itself.
	LogLevel slog.Leveler
	// Trace logs every message in both directions at the debug level, with secrets masked. MESOKIT_TRACE=1 does the same.
	Trace bool
}

func (cfg ExecutorDriverConfig) prepare() (ExecutorDriverConfig, error) {
	var errs []error
	if cfg.Executor == nil {
		errs = append(errs, &ConfigError{Field: "ExecutorDriverConfig.Executor", Err: errors.New("is nil; it gets the callbacks")})
	}
	for field, d := range map[string]time.Duration{"CallTimeout": cfg.CallTimeout, "StopTimeout": cfg.StopTimeout} {
		if d < 0 {
			errs = append(errs, &ConfigError{Field: "ExecutorDriverConfig." + field, Err: fmt.Errorf("%v is negative", d)})
		}
	}
	cfg.CallTimeout = cmp.Or(cfg.CallTimeout, DefaultCallTimeout)
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, DefaultStopTimeout)
	if cfg.Client == nil {
		client, err := executor.FromEnvironment()
		if err != nil {
			errs = append(errs, err)
		}
		cfg.Client = &client
	} else {
		client := *cfg.Client
		cfg.Client = &client
	}
	return cfg, errors.Join(errs...)
}

// MesosExecutorDriver is an ExecutorDriver that speaks to a Mesos agent.
type MesosExecutorDriver struct {
	core    *core
	cfg     ExecutorDriverConfig
	session executorSession
	log     *slog.Logger

	registered bool        // used by the session's goroutine alone
	ending     atomic.Bool // a shutdown was announced
}

var _ ExecutorDriver = (*MesosExecutorDriver)(nil)

// NewMesosExecutorDriver returns a driver that Start or Run starts. The error joins one error for each field or environment variable
// that makes no sense.
func NewMesosExecutorDriver(cfg ExecutorDriverConfig) (*MesosExecutorDriver, error) {
	log, tracer, logErr := logging{logger: cfg.Logger, level: cfg.LogLevel, trace: cfg.Trace, lookup: os.LookupEnv, stderr: os.Stderr}.open()
	cfg, err := cfg.prepare()
	if err = errors.Join(err, logErr); err != nil {
		return nil, err
	}
	if cfg.Client.Logger == nil {
		cfg.Client.Logger = log
	}
	if tracer != nil && cfg.Client.Transport.Tracer == nil {
		cfg.Client.Transport.Tracer = tracer
	}
	session, err := newExecutorSession(cfg)
	if err != nil {
		return nil, err
	}
	return newExecutorDriver(cfg, log, session), nil
}

func newExecutorDriver(cfg ExecutorDriverConfig, log *slog.Logger, session executorSession) *MesosExecutorDriver {
	return &MesosExecutorDriver{
		core: newCore(log, cfg.OwnLoop, cfg.CallTimeout, cfg.StopTimeout),
		cfg:  cfg, session: session, log: log,
	}
}

// Start implements ExecutorDriver.
func (d *MesosExecutorDriver) Start() (mesospb.Status, error) { return d.core.start(d.converse) }

// Stop implements ExecutorDriver.
func (d *MesosExecutorDriver) Stop() (mesospb.Status, error) { return d.core.stop(false) }

// Abort implements ExecutorDriver.
func (d *MesosExecutorDriver) Abort() (mesospb.Status, error) { return d.core.abort() }

// Join implements ExecutorDriver.
func (d *MesosExecutorDriver) Join() (mesospb.Status, error) { return d.core.join() }

// Run implements ExecutorDriver.
func (d *MesosExecutorDriver) Run() (mesospb.Status, error) {
	if status, err := d.Start(); err != nil {
		return status, err
	}
	for cb := range d.Callbacks() {
		cb.Call()
	}
	return d.Join()
}

// Callbacks returns the callbacks that are due, one after another: the next comes when Call of the last has returned. The channel is closed after
// the last one. Without ExecutorDriverConfig.OwnLoop it is closed from the beginning, as the driver runs the callbacks itself.
func (d *MesosExecutorDriver) Callbacks() <-chan *Callback { return d.core.callbacks() }

// Status returns the status of the driver.
func (d *MesosExecutorDriver) Status() mesospb.Status { return d.core.current() }

// SendStatusUpdate implements ExecutorDriver.
func (d *MesosExecutorDriver) SendStatusUpdate(update *mesospb.TaskStatus) (mesospb.Status, error) {
	const op = "SendStatusUpdate"
	ctx, leave, status, err := d.core.enter(op)
	if err != nil {
		return status, err
	}
	defer leave()
	if update.State != nil && update.GetState() == mesospb.TaskState_TASK_STAGING {
		err := fmt.Errorf("%s: task %q: TASK_STAGING is for Mesos itself; begin with TASK_STARTING or TASK_RUNNING", op, update.GetTaskId().GetValue())
		d.fail(err)
		return status, err
	}
	if err := d.session.update(ctx, update); err != nil {
		return status, fmt.Errorf("%s: %w", op, err)
	}
	return status, nil
}

// SendFrameworkMessage implements ExecutorDriver.
func (d *MesosExecutorDriver) SendFrameworkMessage(data []byte) (mesospb.Status, error) {
	const op = "SendFrameworkMessage"
	ctx, leave, status, err := d.core.enter(op)
	if err != nil {
		return status, err
	}
	defer leave()
	if err := d.session.message(ctx, data); err != nil {
		return status, fmt.Errorf("%s: %w", op, err)
	}
	return status, nil
}

// inExecutorCallback is the driver as callbacks get it.
type inExecutorCallback struct{ *MesosExecutorDriver }

func (d inExecutorCallback) Join() (mesospb.Status, error) { return d.Status(), ErrInCallback }
func (d inExecutorCallback) Run() (mesospb.Status, error)  { return d.Status(), ErrInCallback }

// converse holds the conversation with the agent, from Start until there is nothing left to do.
func (d *MesosExecutorDriver) converse() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.session.run(ctx, d) }() // is waited for on both ways out
	select {
	case err := <-ended:
		switch {
		case d.ending.Load():
			d.core.setEndErr(err)
			if d.Status() == mesospb.Status_DRIVER_RUNNING {
				_, _ = d.Stop()
			}
		case err != nil:
			d.fail(err)
		default:
			d.fail(errors.New("the session with the agent ended"))
		}
	case <-d.core.stopping:
		d.core.calls.Wait()
		d.session.finish()
		d.core.setEndErr(<-ended)
	}
}

func (d *MesosExecutorDriver) fail(err error) {
	d.core.fail(err, func(err error) { d.cfg.Executor.Error(inExecutorCallback{d}, err) })
}

// due queues a callback of the executor.
func (d *MesosExecutorDriver) due(name string, run func(Executor, ExecutorDriver)) {
	d.core.enqueue(&Callback{Name: name, run: func() { run(d.cfg.Executor, inExecutorCallback{d}) }})
}

// event implements executorSink.
func (d *MesosExecutorDriver) event(e *executorpb.Event) {
	switch e.GetType() {
	case executorpb.Event_SUBSCRIBED:
		s := e.GetSubscribed()
		if !d.registered {
			d.registered = true
			d.due("Registered", func(x Executor, xd ExecutorDriver) {
				x.Registered(xd, s.GetExecutorInfo(), s.GetFrameworkInfo(), s.GetAgentInfo())
			})
			return
		}
		d.due("Reregistered", func(x Executor, xd ExecutorDriver) { x.Reregistered(xd, s.GetAgentInfo()) })
	case executorpb.Event_LAUNCH:
		d.launch(e.GetLaunch().GetTask())
	case executorpb.Event_LAUNCH_GROUP:
		group := e.GetLaunchGroup().GetTaskGroup()
		if x, ok := d.cfg.Executor.(TaskGroupExecutor); ok {
			d.due("LaunchTaskGroup", func(_ Executor, xd ExecutorDriver) { x.LaunchTaskGroup(xd, group) })
			return
		}
		for _, task := range group.GetTasks() {
			d.launch(task)
		}
	case executorpb.Event_KILL:
		kill := e.GetKill()
		if x, ok := d.cfg.Executor.(KillPolicyExecutor); ok {
			d.due("KillTaskWithPolicy", func(_ Executor, xd ExecutorDriver) {
				x.KillTaskWithPolicy(xd, kill.GetTaskId(), kill.GetKillPolicy())
			})
			return
		}
		d.due("KillTask", func(x Executor, xd ExecutorDriver) { x.KillTask(xd, kill.GetTaskId()) })
	case executorpb.Event_MESSAGE:
		data := e.GetMessage().GetData()
		d.due("FrameworkMessage", func(x Executor, xd ExecutorDriver) { x.FrameworkMessage(xd, data) })
	case executorpb.Event_ERROR, executorpb.Event_SHUTDOWN: // told by problem and shutdown
	case executorpb.Event_ACKNOWLEDGED, executorpb.Event_HEARTBEAT: // the session's own business
	default:
		d.log.Debug("event without a callback", "type", e.GetType().String())
	}
}

func (d *MesosExecutorDriver) launch(task *mesospb.TaskInfo) {
	d.due("LaunchTask", func(x Executor, xd ExecutorDriver) { x.LaunchTask(xd, task) })
}

// disconnected implements executorSink.
func (d *MesosExecutorDriver) disconnected(error) {
	d.due("Disconnected", func(x Executor, xd ExecutorDriver) { x.Disconnected(xd) })
}

// shutdown implements executorSink.
func (d *MesosExecutorDriver) shutdown(error) {
	d.ending.Store(true)
	d.due("Shutdown", func(x Executor, xd ExecutorDriver) { x.Shutdown(xd) })
}

// problem implements executorSink.
func (d *MesosExecutorDriver) problem(err error) {
	var agent *executor.AgentError
	if errors.As(err, &agent) {
		d.fail(err)
		return
	}
	d.log.Warn("problem with the agent", "error", err)
}
