package endtoend

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// TasksConfig of Tasks.
type TasksConfig struct {
	Codec codec.Codec
	// Tasks on Agents simulated agents, which have room for just as many each, rounded up.
	Tasks, Agents int
}

// TasksResult is what Tasks measured.
type TasksResult struct {
	// Took is from the first ACCEPT to the acknowledgement of the last RUNNING.
	Took time.Duration
	// Bytes is how much more memory the process has then, cluster and clients together.
	Bytes uint64
}

// callers is how many calls a scheduler makes at once.
const callers = 8

// Tasks launches tasks with a plain subscription, over loopback: each is a launch and two statuses, STARTING and RUNNING, with two calls to
// acknowledge them.
func Tasks(ctx context.Context, cfg TasksConfig) (result TasksResult, err error) {
	perAgent := (cfg.Tasks + cfg.Agents - 1) / cfg.Agents
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c, err := cluster.Start(ctx, cluster.Config{Agents: SimulatedAgents(cfg.Agents, perAgent)})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	sub, err := subscribe(ctx, c.Master(), cfg.Codec)
	if err != nil {
		return result, err
	}
	defer sub.close()
	before := memory()
	began := time.Now()
	l := &launcher{ctx: ctx, fail: cancel, sub: sub, perAgent: perAgent, total: cfg.Tasks, calls: make(chan func() error, 1<<10), done: make(chan struct{}), seen: map[string]bool{}}
	var wg, reader sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for call := range l.calls {
				if err := call(); err != nil {
					cancel(err)
				}
			}
		})
	}
	reader.Go(l.read)
	select {
	case <-l.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	result.Took = time.Since(began)
	_ = sub.Subscription.Close()
	reader.Wait()
	close(l.calls)
	wg.Wait()
	result.Bytes = memory() - before
	return result, err
}

// launcher is the scheduler of Tasks. Its goroutine that reads owns it but for running.
type launcher struct {
	ctx             context.Context
	fail            context.CancelCauseFunc
	sub             *subscription
	perAgent, total int
	launched        int
	calls           chan func() error
	seen            map[string]bool // statuses, by uuid
	running         atomic.Int64
	done            chan struct{} // closed when all run
}

// read reads until the stream is closed.
func (l *launcher) read() {
	for event, err := range l.sub.Events() {
		if err != nil {
			l.fail(err) // no more than a formality once all run
			return
		}
		switch event.GetType() {
		case schedulerpb.Event_OFFERS:
			for _, offer := range event.GetOffers().GetOffers() {
				l.accept(offer)
			}
		case schedulerpb.Event_UPDATE:
			l.acknowledge(event.GetUpdate().GetStatus())
		}
	}
}

func (l *launcher) accept(offer *mesospb.Offer) {
	tasks := fill(offer, min(l.perAgent, l.total-l.launched), l.launched)
	l.launched += len(tasks)
	if len(tasks) == 0 {
		return
	}
	l.calls <- func() error {
		return l.sub.Accept(l.ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(3600), scheduler.Launch(tasks...))
	}
}

func (l *launcher) acknowledge(status *mesospb.TaskStatus) {
	if s := status.GetState(); s != mesospb.TaskState_TASK_STARTING && s != mesospb.TaskState_TASK_RUNNING {
		l.fail(fmt.Errorf("a task did not run: %v", status))
		return
	}
	uuid := string(status.GetUuid())
	if l.seen[uuid] {
		return // sent again, as this machine is too slow for the patience of agents
	}
	l.seen[uuid] = true
	l.calls <- func() error {
		err := l.sub.Acknowledge(l.ctx, status)
		if err == nil && status.GetState() == mesospb.TaskState_TASK_RUNNING && l.running.Add(1) == int64(l.total) {
			close(l.done)
		}
		return err
	}
}

// fill makes n tasks for an offer.
func fill(offer *mesospb.Offer, n, from int) []*mesospb.TaskInfo {
	tasks := make([]*mesospb.TaskInfo, n)
	for i := range tasks {
		id := "task-" + strconv.Itoa(from+i)
		tasks[i] = &mesospb.TaskInfo{
			Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: offer.GetAgentId(),
			Resources: []*mesospb.Resource{resources.NewCPUs(1), resources.NewMem(32)},
			Command:   &mesospb.CommandInfo{Value: proto.String("work")},
		}
	}
	return tasks
}
