package link

import (
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// From an agent to its master.
type (
	// Register introduces an agent that has no id yet.
	Register struct {
		Agent Description
	}

	// Reregister introduces an agent that has one: after a restart, a lost connection or a
	// change of master. It brings everything the agent knows, and the master adopts it.
	Reregister struct {
		Agent      Description // Info.Id is set
		Tasks      []*mesospb.Task
		Executors  []Executor // custom and default executors, not those of command tasks
		Frameworks []*mesospb.FrameworkInfo
		Operations []*mesospb.Operation
	}

	// Unregister says that the agent shuts down for good.
	Unregister struct{}

	// StatusUpdate carries the status of a task: the oldest unacknowledged one of its stream.
	StatusUpdate struct {
		FrameworkID string
		ExecutorID  string
		// Status has a uuid, agent_id, source and timestamp.
		Status *mesospb.TaskStatus
		// Latest is the newest state that the agent knows; resources are freed by it.
		Latest mesospb.TaskState
	}

	// ExecutorMessage carries bytes from an executor to its framework.
	ExecutorMessage struct {
		FrameworkID string
		ExecutorID  string
		Data        []byte
	}

	// ExecutorExited says that an executor ended. Command tasks' executors are not reported.
	ExecutorExited struct {
		FrameworkID string
		ExecutorID  string
		// Status is the wait status of the process, -1 if it is not known.
		Status int32
	}

	// OperationStatus carries the status of an operation that the agent applied.
	OperationStatus struct {
		FrameworkID string // empty for operators
		OperationID []byte // the operation's uuid
		Status      *mesospb.OperationStatus
	}

	// UpdateAgent replaces what the master knows of the agent's resources.
	UpdateAgent struct {
		Total []*mesospb.Resource
	}

	// Pong answers a Ping.
	Pong struct{}
)

// Description is what an agent says of itself.
type Description struct {
	Info         *mesospb.AgentInfo
	Version      string
	PID          string // slave(1)@127.0.0.1:5051
	Address      string // host:port of its HTTP endpoints
	HTTPS        bool   // they are behind TLS
	Capabilities []mesospb.AgentInfo_Capability_Type
	// Total holds all resources, dynamic reservations and volumes included.
	Total []*mesospb.Resource
}

// Executor is an executor that runs on an agent.
type Executor struct {
	FrameworkID string
	Info        *mesospb.ExecutorInfo
}

// From a master to an agent.
type (
	// Registered answers Register and gives the agent its id.
	Registered struct {
		AgentID  string
		Master   *mesospb.MasterInfo
		PingWait time.Duration // no Ping for this long: the agent looks for a master again
	}

	// Reregistered answers Reregister.
	Reregistered struct {
		AgentID  string
		Master   *mesospb.MasterInfo
		PingWait time.Duration
		// Reconcile lists tasks that the master knows and the agent did not report: the
		// agent answers with a status update for each that it does not know.
		Reconcile []*mesospb.Task
	}

	// Refused answers Register and Reregister of an agent that must not join; it shuts down.
	Refused struct {
		Message string
	}

	// RunTask launches one task.
	RunTask struct {
		Framework *mesospb.FrameworkInfo // id is set
		// Task has its executor (with framework_id) or its command, and allocation_info
		// on all resources.
		Task *mesospb.TaskInfo
	}

	// RunTaskGroup launches a group in one executor.
	RunTaskGroup struct {
		Framework *mesospb.FrameworkInfo
		Executor  *mesospb.ExecutorInfo
		Group     *mesospb.TaskGroupInfo
	}

	// KillTask kills one task.
	KillTask struct {
		FrameworkID string
		TaskID      string
		Policy      *mesospb.KillPolicy // of the call; nil if it had none
	}

	// ShutdownExecutor ends an executor and its tasks.
	ShutdownExecutor struct {
		FrameworkID string
		ExecutorID  string
	}

	// ShutdownFramework ends all executors of a framework that was removed.
	ShutdownFramework struct {
		FrameworkID string
	}

	// UpdateFramework tells that the framework is there (again) and what its info is now:
	// the agent sends the heads of its update streams again.
	UpdateFramework struct {
		Framework *mesospb.FrameworkInfo
	}

	// AcknowledgeStatus tells that the framework (or the master in its place) has taken
	// note of a status update.
	AcknowledgeStatus struct {
		FrameworkID string
		TaskID      string
		UUID        []byte
	}

	// FrameworkMessage carries bytes from a scheduler to an executor.
	FrameworkMessage struct {
		FrameworkID string
		ExecutorID  string
		Data        []byte
	}

	// Checkpoint makes the agent keep its resources as they are after operations that the
	// master applied: reservations made and undone, volumes created and destroyed.
	Checkpoint struct {
		Total []*mesospb.Resource
	}

	// KeepOperation makes the agent remember an operation that the master applied and that its framework has not
	// acknowledged, for a master to come.
	KeepOperation struct {
		Operation *mesospb.Operation
	}

	// ForgetOperation ends that.
	ForgetOperation struct {
		OperationID []byte // the operation's uuid
	}

	// Drain makes the agent kill its tasks within the grace period and take no new ones.
	Drain struct {
		MaxGrace *time.Duration
		MarkGone bool
	}

	// Shutdown makes the agent end all executors and itself: it was removed.
	Shutdown struct {
		Message string
	}

	// Ping asks for a Pong. Connected tells whether the master holds the agent to be
	// registered: if not, the agent registers again.
	Ping struct {
		Connected bool
	}
)

func (Register) message()        {}
func (Reregister) message()      {}
func (Unregister) message()      {}
func (StatusUpdate) message()    {}
func (ExecutorMessage) message() {}
func (ExecutorExited) message()  {}
func (OperationStatus) message() {}
func (UpdateAgent) message()     {}
func (Pong) message()            {}

func (Registered) message()        {}
func (Reregistered) message()      {}
func (Refused) message()           {}
func (RunTask) message()           {}
func (RunTaskGroup) message()      {}
func (KillTask) message()          {}
func (ShutdownExecutor) message()  {}
func (ShutdownFramework) message() {}
func (UpdateFramework) message()   {}
func (AcknowledgeStatus) message() {}
func (FrameworkMessage) message()  {}
func (Checkpoint) message()        {}
func (KeepOperation) message()     {}
func (ForgetOperation) message()   {}
func (Drain) message()             {}
func (Shutdown) message()          {}
func (Ping) message()              {}
