package agent

// Drain: all tasks are killed and no new ones taken.
//
//   - max_grace caps each task's own grace period.
//   - Draining ends when no framework is left on the agent; the master keeps it from getting offers
//     until it is reactivated.
//   - KILLING and KILLED statuses that follow carry REASON_AGENT_DRAINING; with mark_gone, KILLED
//     becomes GONE_BY_OPERATOR for frameworks that are partition aware.

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func (a *Agent) onDrain(m link.Drain) {
	a.drain = &m
	a.drainedFrom = time.Now()
	a.endDrainIfIdle()
	for _, f := range sorted(a.frameworks) {
		if f.terminating {
			continue
		}
		for _, t := range sorted(f.tasks) {
			if t.live() {
				a.killTask(t, drainPolicy(t, m.MaxGrace))
			}
		}
	}
}

// endDrainIfIdle ends draining when nothing is left to drain.
func (a *Agent) endDrainIfIdle() {
	if len(a.frameworks) == 0 {
		a.drain = nil
	}
}

// drainPolicy returns the kill policy of a drained task, nil for its own.
func drainPolicy(t *task, most *time.Duration) *mesospb.KillPolicy {
	if most == nil {
		return nil
	}
	if own := t.info.GetKillPolicy().GetGracePeriod(); own != nil && time.Duration(own.GetNanoseconds()) <= *most {
		return nil
	}
	if t.info.GetKillPolicy().GetGracePeriod() == nil && defaultKillGrace <= *most {
		return nil
	}
	return &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(*most))}}
}

// markDraining gives the reason for a task's end while the agent drains.
func (a *Agent) markDraining(f *framework, status *mesospb.TaskStatus) {
	if a.drain == nil {
		return
	}
	switch status.GetState() {
	case mesospb.TaskState_TASK_KILLING:
	case mesospb.TaskState_TASK_KILLED:
		if a.drain.MarkGone && f.partitionAware() {
			status.State = mesospb.TaskState_TASK_GONE_BY_OPERATOR.Enum()
		}
	default:
		return
	}
	status.Reason = mesospb.TaskStatus_REASON_AGENT_DRAINING.Enum()
}
