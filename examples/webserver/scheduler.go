package webserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/user"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Scheduler runs one web server on the cluster.
type Scheduler struct {
	// Master is the host:port of a Mesos master.
	Master string
	// Executor is the program that runs on the agent, Command how it is started in its sandbox;
	// empty means ./ and the name of the file.
	Executor, Command string
	// Listen is where the executor is served to agents; it must be an address that they reach.
	Listen string
	// Page is what the web server answers.
	Page string
	// Running, if set, is called with the URL of the page once it is served.
	Running func(url string)
	Logger  *slog.Logger

	artifact string // URL of the executor
	page     string // URL of the page; empty until an offer is taken
}

// need is what a web server takes of an agent; a port comes on top of it.
var need = []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)}

// Run subscribes, launches the web server and keeps an eye on it until ctx ends or the task does.
func (s *Scheduler) Run(ctx context.Context) error {
	stop, err := s.serveExecutor()
	if err != nil {
		return err
	}
	defer stop()

	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: s.Master})
	if err != nil {
		return err
	}
	defer client.Close()
	me, err := user.Current()
	if err != nil {
		return err
	}
	framework := &mesospb.FrameworkInfo{User: &me.Username, Name: proto.String("Web Server Framework (Go)")}
	sub, err := client.Subscribe(ctx, framework, scheduler.SubscribeOptions{})
	if err != nil {
		return err
	}
	defer sub.Close()
	// Whatever happens, the framework and its task do not outlive this function.
	defer sub.Teardown(context.WithoutCancel(ctx))

	for event, err := range sub.Events() {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		switch event.GetType() {
		case schedulerpb.Event_SUBSCRIBED:
			s.Logger.Info("subscribed", "framework", event.GetSubscribed().GetFrameworkId().GetValue())
		case schedulerpb.Event_OFFERS:
			err = s.offers(ctx, sub.Calls, event.GetOffers().GetOffers())
		case schedulerpb.Event_UPDATE:
			err = s.update(ctx, sub.Calls, event.GetUpdate().GetStatus())
		case schedulerpb.Event_FAILURE:
			s.Logger.Warn("an executor or agent is gone", "agent", event.GetFailure().GetAgentId().GetValue())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// serveExecutor makes the executor available to agents over HTTP.
func (s *Scheduler) serveExecutor() (stop func() error, err error) {
	listener, err := net.Listen("tcp", cmp.Or(s.Listen, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	name := filepath.Base(s.Executor)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, s.Executor)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	s.artifact = fmt.Sprintf("http://%s/%s", listener.Addr(), name)
	return server.Close, nil
}

// offers takes the first offer that has everything and declines all others.
func (s *Scheduler) offers(ctx context.Context, calls scheduler.Calls, offers []*mesospb.Offer) error {
	for _, offer := range offers {
		id := scheduler.OfferIDs(offer)
		picked, fits := resources.Find(offer.GetResources(), need, "*")
		port, hasPort := resources.TakePorts(offer.GetResources(), 1)
		if s.page != "" || !fits || !hasPort {
			if err := calls.Decline(ctx, id, scheduler.RefuseSeconds(60)); err != nil {
				return err
			}
			continue
		}
		task := s.task(offer, append(picked, port...))
		s.page = fmt.Sprintf("http://%s:%d/", offer.GetHostname(), resources.Ports(port)[0].Begin)
		s.Logger.Info("launching", "task", task.GetTaskId().GetValue(), "host", offer.GetHostname())
		if err := calls.Accept(ctx, id, nil, scheduler.Launch(task)); err != nil {
			return err
		}
	}
	return nil
}

// task describes the web server for the agent that made the offer.
func (s *Scheduler) task(offer *mesospb.Offer, take []*mesospb.Resource) *mesospb.TaskInfo {
	id := uuid.NewString()
	command := cmp.Or(s.Command, "./"+filepath.Base(s.Executor))
	return &mesospb.TaskInfo{
		Name:      proto.String("web-server-" + id),
		TaskId:    &mesospb.TaskID{Value: &id},
		AgentId:   offer.GetAgentId(),
		Resources: take,
		Data:      []byte(s.Page),
		Executor: &mesospb.ExecutorInfo{
			Type:        mesospb.ExecutorInfo_CUSTOM.Enum(),
			ExecutorId:  &mesospb.ExecutorID{Value: proto.String("web-server-" + id)},
			FrameworkId: offer.GetFrameworkId(),
			Name:        proto.String("Web Server Executor (Go)"),
			Command: &mesospb.CommandInfo{
				Value: &command,
				Uris:  []*mesospb.CommandInfo_URI{{Value: &s.artifact, Executable: proto.Bool(true)}},
			},
		},
	}
}

// update acknowledges what the agent reports of the task, and acts on it.
func (s *Scheduler) update(ctx context.Context, calls scheduler.Calls, status *mesospb.TaskStatus) error {
	s.Logger.Info("status", "task", status.GetTaskId().GetValue(), "state", status.GetState(), "message", status.GetMessage())
	if err := calls.Acknowledge(ctx, status); err != nil {
		return err
	}
	switch status.GetState() {
	case mesospb.TaskState_TASK_STAGING, mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_KILLING:
		return nil
	case mesospb.TaskState_TASK_RUNNING:
		if s.Running != nil {
			s.Running(s.page)
		}
		return nil
	case mesospb.TaskState_TASK_FINISHED:
		return errTaskFinished
	default:
		return fmt.Errorf("the web server ended: %s: %s", status.GetState(), status.GetMessage())
	}
}

var errTaskFinished = errors.New("the web server finished")
