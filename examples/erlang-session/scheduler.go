package erlangsession

import (
	"context"
	"fmt"
	"log/slog"
	"os/user"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Options are the scheduler options of mesos-erlang, by their old names.
type Options struct {
	MasterHosts            []string      // master_hosts
	HeartbeatTimeoutWindow time.Duration // heartbeat_timeout_window
	MaxNumResubscribe      int           // max_num_resubscribe
	ResubscribeInterval    time.Duration // resubscribe_interval
}

// Submit is an application message, to be posted to the session: run one more task. (erl: what handle_info/3 gets.)
type Submit struct{ Name string }

// Handler is a scheduler. Its fields are the State of the Erlang behaviour; its methods are called one at a time.
type Handler struct {
	Executor *mesospb.ExecutorInfo
	Log      *slog.Logger
	// Finish ends the framework after so many tasks.
	Finish int
	// OnTerminate, if set, is called last.
	OnTerminate func(value any, err error)

	waiting  []string
	finished []string
}

var _ scheduler.Handler = (*Handler)(nil)

// NewSession is init/1 and start_scheduler/4.
func NewSession(ref string, h *Handler, o Options) (*scheduler.Session, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	return scheduler.NewSession(scheduler.SessionConfig{
		Name:            ref,
		Master:          strings.Join(o.MasterHosts, ","),
		FrameworkInfo:   &mesospb.FrameworkInfo{User: &me.Username, Name: proto.String("erlang-session")},
		Handler:         h,
		HeartbeatWindow: o.HeartbeatTimeoutWindow,
		MaxResubscribes: o.MaxNumResubscribe,
		Backoff:         scheduler.Constant(o.ResubscribeInterval),
	})
}

// Connected is registered/3 and reregistered/2.
func (h *Handler) Connected(ctx context.Context, s *scheduler.Session, c scheduler.Connected) error {
	h.Log.Info("connected", "framework", c.FrameworkID.GetValue(), "again", c.Reconnected)
	if c.Reconnected {
		return s.Reconcile(ctx)
	}
	return nil
}

// Disconnected is disconnected/2. The session subscribes again by itself.
func (h *Handler) Disconnected(_ context.Context, _ *scheduler.Session, d scheduler.Disconnected) error {
	h.Log.Warn("disconnected", "error", d.Err)
	return nil
}

// Event is resource_offers/3, offer_rescinded/3, status_update/3, framework_message/3, slave_lost/3, executor_lost/3 and error/3.
// scheduler.HandlerFuncs has a function for each instead.
func (h *Handler) Event(ctx context.Context, s *scheduler.Session, event *schedulerpb.Event) error {
	switch event.GetType() {
	case schedulerpb.Event_OFFERS:
		for _, offer := range event.GetOffers().GetOffers() {
			if err := h.offer(ctx, s, offer); err != nil {
				h.Log.Warn("call failed", "error", err)
				// Not the end. The master may still hold the offer for us; it ignores one that is used or void.
				_ = s.Decline(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0))
			}
		}
	case schedulerpb.Event_UPDATE: // the session acknowledges when Event returns
		status := event.GetUpdate().GetStatus()
		h.Log.Info("status", "task", status.GetTaskId().GetValue(), "state", status.GetState())
		if status.GetState() != mesospb.TaskState_TASK_FINISHED {
			return nil
		}
		h.finished = append(h.finished, status.GetTaskId().GetValue())
		if len(h.finished) == h.Finish {
			if err := s.Teardown(ctx); err != nil {
				return err
			}
			return scheduler.StopWith(h.finished) // {stop, NewState}
		}
	case schedulerpb.Event_FAILURE:
		h.Log.Warn("lost", "agent", event.GetFailure().GetAgentId().GetValue(), "executor", event.GetFailure().GetExecutorId().GetValue())
	case schedulerpb.Event_ERROR:
		h.Log.Error("refused", "message", event.GetError().GetMessage())
	}
	return nil
}

// Info is handle_info/3.
func (h *Handler) Info(ctx context.Context, s *scheduler.Session, message any) error {
	submit, ok := message.(Submit)
	if !ok {
		return fmt.Errorf("unknown message %v", message)
	}
	h.waiting = append(h.waiting, submit.Name)
	if err := s.Revive(ctx); err != nil {
		h.Log.Warn("revive", "error", err) // not connected yet: offers come with the subscription
	}
	return nil
}

// Terminate is terminate/3.
func (h *Handler) Terminate(_ *scheduler.Session, value any, err error) {
	if h.OnTerminate != nil {
		h.OnTerminate(value, err)
	}
}

// offer launches the next waiting task, if there is one and the offer has room.
func (h *Handler) offer(ctx context.Context, s *scheduler.Session, offer *mesospb.Offer) error {
	need := []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(16)}
	_, fits := resources.Find(offer.GetResources(), resources.Add(need, h.Executor.GetResources()), "*")
	if len(h.waiting) == 0 || !fits {
		return s.Decline(ctx, scheduler.OfferIDs(offer), nil)
	}
	name := h.waiting[0]
	err := s.Accept(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0), scheduler.Launch(&mesospb.TaskInfo{
		Name: &name, TaskId: &mesospb.TaskID{Value: &name}, AgentId: offer.GetAgentId(), Resources: need, Executor: h.Executor,
	}))
	if err == nil {
		h.waiting = h.waiting[1:] // if not, it has another try: a master refuses a task id that is taken
	}
	return err
}

// NewExecutorInfo describes an executor that agents fetch from a URI.
func NewExecutorInfo(uri, command string) *mesospb.ExecutorInfo {
	return &mesospb.ExecutorInfo{
		ExecutorId: &mesospb.ExecutorID{Value: proto.String("worker")},
		Command:    &mesospb.CommandInfo{Value: &command, Uris: []*mesospb.CommandInfo_URI{{Value: &uri, Executable: proto.Bool(true)}}},
		Resources:  []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)},
	}
}
