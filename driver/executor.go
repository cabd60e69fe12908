package driver

import "github.com/mesokit/mesokit/mesos/mesospb"

// Executor is what a custom executor makes of the callbacks of an ExecutorDriver. Embed NopExecutor to write only those that
// matter, or use ExecutorFuncs. The messages belong to the callback, which may keep and change them.
type Executor interface {
	// Registered is called when the executor is subscribed to its agent for the first time.
	Registered(driver ExecutorDriver, executor *mesospb.ExecutorInfo, framework *mesospb.FrameworkInfo, agent *mesospb.AgentInfo)
	// Reregistered is called when it is subscribed again, for instance to an agent that was restarted.
	Reregistered(driver ExecutorDriver, agent *mesospb.AgentInfo)
	// Disconnected is called when the subscription is lost. If the framework checkpoints, the driver subscribes again;
	// otherwise Shutdown follows.
	Disconnected(driver ExecutorDriver)
	// LaunchTask is called with a task to run. No other callback runs until it returns, so tasks of some length run on goroutines of
	// their own.
	LaunchTask(driver ExecutorDriver, task *mesospb.TaskInfo)
	// KillTask is called when a task is to end; send its TASK_KILLED.
	KillTask(driver ExecutorDriver, taskID *mesospb.TaskID)
	// FrameworkMessage is called with what the scheduler sent. Such messages are not reliable.
	FrameworkMessage(driver ExecutorDriver, data []byte)
	// Shutdown is called when all tasks are to end. Updates can be sent until Stop is called or the grace period is over, at which the
	// driver stops by itself; shortly afterwards the agent kills what is left.
	Shutdown(driver ExecutorDriver)
	// Error is called when the driver cannot go on; it is aborted already and this is the last callback.
	Error(driver ExecutorDriver, err error)
}

// TaskGroupExecutor is an Executor that launches the tasks of a group as one. For others LaunchTask is called with each task.
type TaskGroupExecutor interface {
	// LaunchTaskGroup is called with a group of tasks to run.
	LaunchTaskGroup(driver ExecutorDriver, group *mesospb.TaskGroupInfo)
}

// KillPolicyExecutor is an Executor that wants to know how a task is to be killed. KillTask is not called then.
type KillPolicyExecutor interface {
	// KillTaskWithPolicy is called when a task is to end; policy is the one given with the call, nil if there was none.
	KillTaskWithPolicy(driver ExecutorDriver, taskID *mesospb.TaskID, policy *mesospb.KillPolicy)
}

// NopExecutor is an Executor that does nothing; it is there to be embedded.
type NopExecutor struct{}

var _ Executor = NopExecutor{}

// Registered does nothing.
func (NopExecutor) Registered(ExecutorDriver, *mesospb.ExecutorInfo, *mesospb.FrameworkInfo, *mesospb.AgentInfo) {
}

// Reregistered does nothing.
func (NopExecutor) Reregistered(ExecutorDriver, *mesospb.AgentInfo) {}

// Disconnected does nothing.
func (NopExecutor) Disconnected(ExecutorDriver) {}

// LaunchTask does nothing. Tasks stay in TASK_STAGING.
func (NopExecutor) LaunchTask(ExecutorDriver, *mesospb.TaskInfo) {}

// KillTask does nothing.
func (NopExecutor) KillTask(ExecutorDriver, *mesospb.TaskID) {}

// FrameworkMessage does nothing.
func (NopExecutor) FrameworkMessage(ExecutorDriver, []byte) {}

// Shutdown stops the driver.
func (NopExecutor) Shutdown(driver ExecutorDriver) { _, _ = driver.Stop() }

// Error does nothing.
func (NopExecutor) Error(ExecutorDriver, error) {}

// ExecutorFuncs is an Executor made of functions, each of which may be nil. Without OnShutdown a shutdown stops the driver.
type ExecutorFuncs struct {
	OnRegistered       func(driver ExecutorDriver, executor *mesospb.ExecutorInfo, framework *mesospb.FrameworkInfo, agent *mesospb.AgentInfo)
	OnReregistered     func(driver ExecutorDriver, agent *mesospb.AgentInfo)
	OnDisconnected     func(driver ExecutorDriver)
	OnLaunchTask       func(driver ExecutorDriver, task *mesospb.TaskInfo)
	OnKillTask         func(driver ExecutorDriver, taskID *mesospb.TaskID)
	OnFrameworkMessage func(driver ExecutorDriver, data []byte)
	OnShutdown         func(driver ExecutorDriver)
	OnError            func(driver ExecutorDriver, err error)
}

var _ Executor = ExecutorFuncs{}

// Registered calls OnRegistered.
func (e ExecutorFuncs) Registered(d ExecutorDriver, executor *mesospb.ExecutorInfo, framework *mesospb.FrameworkInfo, agent *mesospb.AgentInfo) {
	if e.OnRegistered != nil {
		e.OnRegistered(d, executor, framework, agent)
	}
}

// Reregistered calls OnReregistered.
func (e ExecutorFuncs) Reregistered(d ExecutorDriver, agent *mesospb.AgentInfo) {
	if e.OnReregistered != nil {
		e.OnReregistered(d, agent)
	}
}

// Disconnected calls OnDisconnected.
func (e ExecutorFuncs) Disconnected(d ExecutorDriver) {
	if e.OnDisconnected != nil {
		e.OnDisconnected(d)
	}
}

// LaunchTask calls OnLaunchTask.
func (e ExecutorFuncs) LaunchTask(d ExecutorDriver, task *mesospb.TaskInfo) {
	if e.OnLaunchTask != nil {
		e.OnLaunchTask(d, task)
	}
}

// KillTask calls OnKillTask.
func (e ExecutorFuncs) KillTask(d ExecutorDriver, id *mesospb.TaskID) {
	if e.OnKillTask != nil {
		e.OnKillTask(d, id)
	}
}

// FrameworkMessage calls OnFrameworkMessage.
func (e ExecutorFuncs) FrameworkMessage(d ExecutorDriver, data []byte) {
	if e.OnFrameworkMessage != nil {
		e.OnFrameworkMessage(d, data)
	}
}

// Shutdown calls OnShutdown, or stops the driver.
func (e ExecutorFuncs) Shutdown(d ExecutorDriver) {
	if e.OnShutdown != nil {
		e.OnShutdown(d)
		return
	}
	_, _ = d.Stop()
}

// Error calls OnError.
func (e ExecutorFuncs) Error(d ExecutorDriver, err error) {
	if e.OnError != nil {
		e.OnError(d, err)
	}
}
