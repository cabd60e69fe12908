package agent

import (
	"fmt"

	"github.com/mesokit/mesokit/cluster/internal/link"
)

// receive dispatches what a master sends. Each kind is implemented in the file named beside it.
func (a *Agent) receive(m link.Message) {
	if a.closing {
		return
	}
	switch m := m.(type) {
	case link.Registered: // register.go
		a.onRegistered(m)
	case link.Reregistered: // register.go
		a.onReregistered(m)
	case link.Refused: // register.go
		a.onRefused(m)
	case link.Ping: // register.go
		a.onPing(m)
	case link.RunTask: // msg_run_task.go
		a.onRunTask(m)
	case link.RunTaskGroup: // msg_run_task_group.go
		a.onRunTaskGroup(m)
	case link.KillTask: // msg_kill_task.go
		a.onKillTask(m)
	case link.ShutdownExecutor: // msg_shutdown.go
		a.onShutdownExecutor(m)
	case link.ShutdownFramework: // msg_shutdown.go
		a.onShutdownFramework(m)
	case link.Shutdown: // msg_shutdown.go
		a.onShutdown(m)
	case link.UpdateFramework: // msg_framework.go
		a.onUpdateFramework(m)
	case link.FrameworkMessage: // msg_framework.go
		a.onFrameworkMessage(m)
	case link.AcknowledgeStatus: // status_stream.go
		a.onAcknowledgeStatus(m)
	case link.Checkpoint: // msg_checkpoint.go
		a.onCheckpoint(m)
	case link.KeepOperation: // msg_operation.go
		a.onKeepOperation(m)
	case link.ForgetOperation: // msg_operation.go
		a.onForgetOperation(m)
	case link.Drain: // msg_drain.go
		a.onDrain(m)
	default:
		a.log.Warn("the master sent a message that agents do not know", "type", fmt.Sprintf("%T", m))
	}
}
