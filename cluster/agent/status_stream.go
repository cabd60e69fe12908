package agent

// Streams of status updates, one for each task.
//
//   - A stream is first in, first out; only its head is on its way. The next follows when the head
//     is acknowledged with its uuid.
//   - An unacknowledged head is sent again after 10 s, then after twice as long, up to 10 min. When
//     the agent has registered again, or the framework is back, heads are sent at once and the
//     wait begins again.
//   - A message says the latest state too, so that the master can free resources before the
//     scheduler has caught up.
//   - The acknowledgement of a terminal status ends the stream; the task is completed.

import (
	"bytes"
	"slices"
	"time"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

type streamKey struct{ framework, task string }

// stream is the unacknowledged statuses of a task.
type stream struct {
	key      streamKey
	seq      uint64
	queue    []queuedStatus
	seen     seen
	latest   mesospb.TaskState
	terminal bool // no status follows the last of queue
	timer    *loop.Timer
	wait     time.Duration // before the head is sent again
}

type queuedStatus struct {
	status   *mesospb.TaskStatus
	executor string
}

// seen is the uuids of all statuses of a task: mostly few.
type seen struct {
	few  [3][16]byte
	n    int
	more map[string]bool
}

func (s *seen) add(uuid []byte) {
	if len(uuid) == 16 && s.n < len(s.few) {
		s.few[s.n] = [16]byte(uuid)
		s.n++
		return
	}
	if s.more == nil {
		s.more = map[string]bool{}
	}
	s.more[string(uuid)] = true
}

func (s *seen) has(uuid []byte) bool {
	return len(uuid) == 16 && slices.Contains(s.few[:s.n], [16]byte(uuid)) || s.more[string(uuid)]
}

func (s *stream) order() uint64 { return s.seq }

// store appends a status to the stream of its task, and sends it if it is the head.
func (a *Agent) store(key streamKey, executorID string, status *mesospb.TaskStatus) {
	s := a.streams[key]
	if s == nil {
		s = &stream{key: key, seq: a.nextSeq()}
		a.streams[key] = s
	}
	s.seen.add(status.GetUuid())
	s.latest = status.GetState()
	s.terminal = isTerminal(status.GetState())
	s.queue = append(s.queue, queuedStatus{status, executorID})
	a.changed()
	if len(s.queue) == 1 {
		s.wait = a.cfg.UpdateRetryMin
		a.forward(s)
	}
}

// forward sends the head of a stream and arranges for it to be sent again.
func (a *Agent) forward(s *stream) {
	s.timer.Stop()
	if !a.registered || a.closing {
		return // resumeStreams sends it
	}
	head := s.queue[0]
	if f := a.frameworks[s.key.framework]; f != nil {
		if t := f.tasks[s.key.task]; t != nil {
			t.wire.StatusUpdateState = head.status.State
			t.wire.StatusUpdateUuid = head.status.GetUuid()
		}
	}
	a.send(link.StatusUpdate{FrameworkID: s.key.framework, ExecutorID: head.executor, Status: head.status, Latest: s.latest})
	s.timer = a.loop.After(s.wait, func() {
		s.wait = min(2*s.wait, a.cfg.UpdateRetryMax)
		a.forward(s)
	})
}

// resumeStreams sends all heads again, those of one framework if it is named.
func (a *Agent) resumeStreams(framework string) {
	var list []*stream
	for key, s := range a.streams {
		if (framework == "" || key.framework == framework) && len(s.queue) > 0 {
			list = append(list, s)
		}
	}
	sortByOrder(list)
	for _, s := range list {
		s.wait = a.cfg.UpdateRetryMin
		a.forward(s)
	}
}

func (a *Agent) stopStreams() {
	for _, s := range a.streams {
		s.timer.Stop()
	}
}

// dropStreams forgets the streams of a framework that was removed.
func (a *Agent) dropStreams(framework string) {
	for key, s := range a.streams {
		if key.framework == framework {
			s.timer.Stop()
			delete(a.streams, key)
			a.changed()
		}
	}
}

func (a *Agent) onAcknowledgeStatus(m link.AcknowledgeStatus) {
	key := streamKey{m.FrameworkID, m.TaskID}
	s := a.streams[key]
	if s == nil || len(s.queue) == 0 || !bytes.Equal(s.queue[0].status.GetUuid(), m.UUID) {
		a.log.Debug("acknowledgement of a status that is not on its way", "framework", m.FrameworkID, "task", m.TaskID)
		return
	}
	a.changed()
	s.queue[0] = queuedStatus{}
	s.queue = s.queue[1:]
	s.timer.Stop()
	if len(s.queue) > 0 {
		s.wait = a.cfg.UpdateRetryMin
		a.forward(s)
		return
	}
	if !s.terminal {
		return
	}
	delete(a.streams, key)
	if f := a.frameworks[m.FrameworkID]; f != nil {
		if t := f.tasks[m.TaskID]; t != nil {
			a.completeTask(t)
		}
	}
}

// completeTask moves a task whose end is known to everybody to the past.
func (a *Agent) completeTask(t *task) {
	e := t.executor
	t.stage = taskCompleted
	delete(e.tasks, t.id())
	delete(e.framework.tasks, t.id())
	e.completed = appendBounded(e.completed, t, maxCompletedTasks)
	a.forgetExecutorIfDone(e)
}
