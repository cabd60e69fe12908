package scheduler_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func frameworkInfo() *mesospb.FrameworkInfo {
	return &mesospb.FrameworkInfo{
		User:         proto.String("root"),
		Name:         proto.String("example"),
		Roles:        []string{"*"},
		Capabilities: []*mesospb.FrameworkInfo_Capability{{Type: mesospb.FrameworkInfo_Capability_MULTI_ROLE.Enum()}},
	}
}

// A session declines what it is offered, prints the updates of its tasks, and lives until it is interrupted.
func ExampleSession() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	session, err := scheduler.NewSession(scheduler.SessionConfig{
		Master:          "zk://zk1:2181,zk2:2181/mesos",
		FrameworkInfo:   frameworkInfo(),
		FailoverTimeout: 24 * time.Hour,
		Tracer:          scheduler.LogSessions(slog.Default()),
		Handler: scheduler.HandlerFuncs{
			ConnectedFunc: func(ctx context.Context, s *scheduler.Session, _ scheduler.Connected) error {
				return s.Reconcile(ctx)
			},
			Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
				return s.Decline(ctx, scheduler.OfferIDs(offers...), scheduler.RefuseSeconds(60))
			},
			Update: func(_ context.Context, _ *scheduler.Session, status *mesospb.TaskStatus) error {
				fmt.Println(status.GetTaskId().GetValue(), status.GetState())
				return nil
			},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := session.Run(ctx); err != nil {
		fmt.Println(err)
	}
}

// One subscription, without anything that happens by itself.
func ExampleClient_Subscribe() {
	ctx := context.Background()
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: "127.0.0.1:5050"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	sub, err := client.Subscribe(ctx, frameworkInfo(), scheduler.SubscribeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sub.Close()
	for event, err := range sub.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch event.GetType() {
		case schedulerpb.Event_OFFERS:
			err = sub.Decline(ctx, scheduler.OfferIDs(event.GetOffers().GetOffers()...), nil)
		case schedulerpb.Event_UPDATE:
			err = sub.Acknowledge(ctx, event.GetUpdate().GetStatus())
		}
		if err != nil {
			fmt.Println(err)
		}
	}
}
