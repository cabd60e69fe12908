package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// connectPatience is how long run tries to reach a master before it gives up.
const connectPatience = 5 * time.Second

// killPatience is how long run waits for tasks that it has killed.
const killPatience = 15 * time.Second

// runner is the scheduler of run: it launches the instances, follows them and counts their ends.
// All its state belongs to the goroutine of the event loop.
type runner struct {
	o      runOptions
	out    *sync.Mutex // held while anything is written
	stdout io.Writer
	stderr io.Writer
	emit   func(record) // nil unless -o json
	states bool         // tell the states of tasks on stderr

	tasks   map[string]*runTask // by id
	pending []*runTask          // not launched yet, in order
	left    int                 // tasks that have not ended
	code    int                 // exit code so far
	why     error               // what a person should know of the first failure
	told    string              // why nothing is launched, as last said

	patience *time.Timer // with tasks that were told to end; nil before

	transport  *transport.Client
	hangUp     context.CancelCauseFunc // ends the conversation
	subscribed atomic.Bool
	over       atomic.Bool            // all tasks have ended
	trouble    atomic.Pointer[traced] // what last kept the session from subscribing
}

// traced is an error that a trace told.
type traced struct{ err error }

// runTask is one instance.
type runTask struct {
	name  string
	id    *mesospb.TaskID
	agent *mesospb.AgentID
	host  string // host:port of the agent, as a URL if it speaks https
	dir   string // the sandbox, by its virtual path
	ended bool

	finish func() // completes the output; nil until there is any to follow
}

func newRunner(o runOptions, stdout, stderr io.Writer) *runner {
	r := &runner{o: o, out: &sync.Mutex{}, stdout: stdout, stderr: stderr, tasks: map[string]*runTask{}, left: o.instances}
	if o.json {
		r.emit = recorder(r.out, stdout)
	} else if f, ok := visible.Raw(stderr).(*os.File); o.verbose || ok && term.IsTerminal(int(f.Fd())) {
		r.states = true
	}
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 36) // task ids of several runs must differ
	for i := range o.instances {
		name := o.name
		if o.instances > 1 {
			name += "." + strconv.Itoa(i)
		}
		t := &runTask{name: name, id: &mesospb.TaskID{Value: proto.String(taskID(name) + "." + stamp)}}
		r.tasks[t.id.GetValue()] = t
		r.pending = append(r.pending, t)
	}
	return r
}

// taskID makes a valid task id of a name.
func taskID(name string) string {
	id := []byte(name)
	for i, c := range id {
		if c == '/' || c == '\\' || c < ' ' || c == 127 {
			id[i] = '_'
		}
	}
	return string(id[:min(len(id), 200)])
}

// run returns when all tasks have ended, or have been killed because ctx ended.
func (r *runner) run(ctx context.Context) error {
	// The conversation outlives ctx: it takes part in the kill.
	talk, hangUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer hangUp(nil)
	masters, err := r.o.to.detector(r.o.master, func(line string) { r.say("%s", line) })
	if err != nil {
		return err
	}
	tr, err := r.o.to.transport()
	if err != nil {
		return err
	}
	defer tr.Close()
	r.transport, r.hangUp = tr, hangUp
	session, err := scheduler.NewSession(scheduler.SessionConfig{
		Detector:      masters,
		Transport:     tr,
		FrameworkInfo: r.o.framework(),
		Tracer:        r,
		Handler: scheduler.HandlerFuncs{
			ConnectedFunc: r.connected,
			InfoFunc:      r.interrupted,
			Offers:        r.offers,
			Update:        r.update,
		},
	})
	if err != nil {
		return usagef("--master %q: %w", detector.Redacted(r.o.master), err)
	}
	tooLate := time.AfterFunc(connectPatience, func() {
		if !r.subscribed.Load() {
			hangUp(errors.New("nobody answers as a Mesos master"))
		}
	})
	defer tooLate.Stop()
	stop := context.AfterFunc(ctx, func() {
		if !r.subscribed.Load() {
			hangUp(nil)
			return
		}
		session.Post(struct{}{})
	})
	defer stop()

	_, err = session.Run(talk)
	if r.patience != nil {
		r.patience.Stop()
	}
	switch _, told := errors.AsType[*exitError](err); {
	case ctx.Err() != nil:
		if last := r.trouble.Load(); last != nil && last.err != nil && !r.subscribed.Load() {
			r.say("not subscribed so far: %v", last.err)
		}
		return endOf(ctx)
	case told:
		return err
	case err != nil && !r.subscribed.Load():
		if last := r.trouble.Load(); last != nil && last.err != nil {
			err = last.err
		}
		advice := cmp.Or(r.o.to.refused(err), "--master wants host:port of a Mesos master, or zk://…")
		return fmt.Errorf("cannot subscribe at %s: %w; %s", detector.Redacted(r.o.master), err, advice)
	case err != nil:
		return fmt.Errorf("the conversation with %s ended: %w", detector.Redacted(r.o.master), err)
	case r.code != 0:
		return &exitError{r.code, r.why}
	}
	return nil
}

// endOf turns the end of a context into an exit code.
func endOf(ctx context.Context) error {
	if coded, ok := errors.AsType[*exitError](context.Cause(ctx)); ok {
		return coded
	}
	return &exitError{exitInterrupted, errors.New("interrupted")}
}

// TraceSession implements scheduler.SessionTracer: it tells about masters that do not answer.
func (r *runner) TraceSession(_ context.Context, t scheduler.SessionTrace) {
	switch t.Kind {
	case scheduler.TraceSubscribeFailed, scheduler.TraceDisconnected:
		r.trouble.Store(&traced{t.Err})
		if _, bad := errors.AsType[*tls.CertificateVerificationError](t.Err); bad && !r.subscribed.Load() {
			r.hangUp(t.Err) // it won't get better by waiting
		}
		if r.subscribed.Load() && !r.over.Load() {
			r.say("%s: %v; trying again", t.Master, t.Err)
		}
	}
}

// connected asks, after a new beginning, what became of the tasks meanwhile.
func (r *runner) connected(ctx context.Context, s *scheduler.Session, c scheduler.Connected) error {
	r.subscribed.Store(true)
	if !c.Reconnected {
		return nil
	}
	var ask []*schedulerpb.Call_Reconcile_Task
	for _, t := range r.tasks {
		if t.agent != nil && !t.ended {
			ask = append(ask, scheduler.ReconcileTask(t.id, t.agent))
		}
	}
	if len(ask) == 0 {
		return nil
	}
	return unlessDisconnected(s.Reconcile(ctx, ask...))
}

// unlessDisconnected forgives calls that a lost connection swallowed: the session finds a new
// one, and what was missed is reconciled then.
func unlessDisconnected(err error) error {
	if errors.Is(err, scheduler.ErrDisconnected) {
		return nil
	}
	if _, unanswered := errors.AsType[*transport.ExchangeError](err); unanswered {
		return nil
	}
	return err
}

// persist repeats a call that the master had no time for, and did not act on: the offers that it is about would stay with us for good.
func (r *runner) persist(ctx context.Context, call func() error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := call()
		if !errors.Is(err, transport.ErrUnavailable) && !errors.Is(err, transport.ErrTooManyRequests) {
			return err
		}
		r.say("%v; trying again", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// interrupted kills all tasks. Those that were not launched end here.
func (r *runner) interrupted(ctx context.Context, s *scheduler.Session, _ any) error {
	r.left -= len(r.pending)
	r.pending = nil
	if r.left == 0 {
		return r.teardown(ctx, s)
	}
	for _, t := range r.tasks {
		if t.agent != nil && !t.ended {
			if err := unlessDisconnected(s.Kill(ctx, t.id, t.agent, nil)); err != nil {
				return err
			}
		}
	}
	// What does not end in time goes with the framework.
	r.patience = time.AfterFunc(killPatience, func() {
		bounded, cancel := context.WithTimeout(ctx, connectPatience)
		defer cancel()
		if s.Teardown(bounded) != nil {
			s.Stop(nil)
		}
	})
	return nil
}

// teardown ends the framework, and with it the session.
func (r *runner) teardown(ctx context.Context, s *scheduler.Session) error {
	r.over.Store(true)
	return s.Teardown(ctx)
}

// offers launches what is pending on what is offered.
func (r *runner) offers(ctx context.Context, calls *scheduler.Session, offers []*mesospb.Offer) error {
	for _, offer := range offers {
		var launch []*mesospb.TaskInfo
		rest := offer.GetResources()
		for len(r.pending) > 0 {
			picked, fits := resources.Find(rest, r.o.need(), r.o.role)
			if !fits {
				break
			}
			rest = resources.Subtract(rest, picked)
			launch = append(launch, r.launch(r.pending[0], offer, picked))
			r.pending = r.pending[1:]
		}
		var err error
		switch {
		case len(launch) > 0:
			err = r.persist(ctx, func() error {
				return calls.Accept(ctx, scheduler.OfferIDs(offer), nil, scheduler.Launch(launch...))
			})
		case r.o.embedded && r.left > 0 && len(r.pending) == r.left:
			// Nothing runs and nobody else is there: there will be no larger offer.
			r.over.Store(true)
			return usagef("no offer can fit a task that needs %s: this machine offers %s", resources.Describe(r.o.need()),
				resources.Describe(resources.Unallocate(offer.GetResources())))
		default:
			r.wait(offer)
			err = r.persist(ctx, func() error { return calls.Decline(ctx, scheduler.OfferIDs(offer), nil) })
		}
		if err := unlessDisconnected(err); err != nil {
			return err
		}
	}
	if len(r.pending) == 0 {
		return unlessDisconnected(calls.Suppress(ctx))
	}
	return nil
}

// launch describes a task on the agent that made the offer.
func (r *runner) launch(t *runTask, offer *mesospb.Offer, picked []*mesospb.Resource) *mesospb.TaskInfo {
	t.agent = offer.GetAgentId()
	address := offer.GetUrl().GetAddress()
	t.host = net.JoinHostPort(cmp.Or(address.GetIp(), address.GetHostname(), offer.GetHostname()), strconv.Itoa(int(cmp.Or(address.GetPort(), 5051))))
	if r.o.to.scheme == "https" || offer.GetUrl().GetScheme() == "https" {
		t.host = "https://" + t.host
	}
	t.dir = fmt.Sprintf("/frameworks/%s/executors/%s/runs/latest", offer.GetFrameworkId().GetValue(), t.id.GetValue())
	return &mesospb.TaskInfo{
		Name: &t.name, TaskId: t.id, AgentId: t.agent, Resources: picked, Command: r.o.command(),
	}
}

// wait tells why the pending tasks wait, once for each reason.
func (r *runner) wait(offer *mesospb.Offer) {
	if len(r.pending) == 0 {
		return
	}
	why := fmt.Sprintf("%d of %d tasks wait: each needs %s; %s offers %s", len(r.pending), r.o.instances,
		resources.Describe(r.o.need()), offer.GetHostname(), resources.Describe(resources.Unallocate(offer.GetResources())))
	if why != r.told {
		r.told = why
		r.say("%s", why)
	}
}

// say tells something on stderr.
func (r *runner) say(format string, args ...any) {
	r.out.Lock()
	defer r.out.Unlock()
	fmt.Fprintf(r.stderr, "mesokit: "+format+"\n", args...)
}

// update takes note of a status.
func (r *runner) update(ctx context.Context, s *scheduler.Session, status *mesospb.TaskStatus) error {
	t := r.tasks[status.GetTaskId().GetValue()]
	if t == nil || t.ended {
		return nil
	}
	r.tell(t, status)
	switch status.GetState() {
	case mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING:
		if t.finish == nil {
			t.finish = r.follow(ctx, t)
		}
	case mesospb.TaskState_TASK_STAGING, mesospb.TaskState_TASK_KILLING, mesospb.TaskState_TASK_UNREACHABLE:
	default:
		r.end(ctx, t, status)
	}
	if r.left == 0 {
		return r.teardown(ctx, s)
	}
	return nil
}

// tell shows a state.
func (r *runner) tell(t *runTask, status *mesospb.TaskStatus) {
	if r.emit != nil {
		reason := ""
		if status.Reason != nil {
			reason = status.GetReason().String()
		}
		r.emit(record{Task: t.name, Type: "state", State: status.GetState().String(), Reason: reason,
			Text: status.GetMessage(), Agent: t.agent.GetValue()})
	}
	if r.states {
		r.say("%s", describeEnd(t.name, status))
	}
}

// end counts a task that has ended.
func (r *runner) end(ctx context.Context, t *runTask, status *mesospb.TaskStatus) {
	t.ended = true
	r.left--
	launched := status.GetState() != mesospb.TaskState_TASK_ERROR && t.host != ""
	if t.finish == nil && launched {
		t.finish = r.follow(ctx, t) // a fetch that failed tells why in the sandbox
	}
	if t.finish != nil {
		t.finish()
	}
	if code := taskExitCode(status); code != 0 && r.code == 0 {
		r.code = code
		if _, plain := exitCodeOf(status.GetMessage()); !plain && !r.states {
			r.why = errors.New(describeEnd(t.name, status))
		}
	}
}
