// Package hello is the smallest scheduler: it launches one command on the first offer that fits
// and returns when it has ended. It is the one that the README shows.
package hello

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Run runs a shell command on the Mesos cluster of a master and returns its last status.
func Run(ctx context.Context, master, command string) (*mesospb.TaskStatus, error) {
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: master})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	sub, err := client.Subscribe(ctx, &mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("hello")}, scheduler.SubscribeOptions{})
	if err != nil {
		return nil, err
	}
	defer sub.Close()

	launched := false
	for event, err := range sub.Events() {
		if err != nil {
			return nil, err
		}
		switch event.GetType() {
		case schedulerpb.Event_OFFERS:
			for _, offer := range event.GetOffers().GetOffers() {
				need := []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)}
				picked, fits := resources.Find(offer.GetResources(), need, "*")
				if launched || !fits {
					err = sub.Decline(ctx, scheduler.OfferIDs(offer), nil)
				} else {
					launched = true
					err = sub.Accept(ctx, scheduler.OfferIDs(offer), nil, scheduler.Launch(&mesospb.TaskInfo{
						Name:      proto.String("hello"),
						TaskId:    &mesospb.TaskID{Value: proto.String(uuid.NewString())},
						AgentId:   offer.GetAgentId(),
						Resources: picked,
						Command:   &mesospb.CommandInfo{Value: &command},
					}))
				}
				if err != nil {
					return nil, err
				}
			}
		case schedulerpb.Event_UPDATE:
			status := event.GetUpdate().GetStatus()
			if err := sub.Acknowledge(ctx, status); err != nil {
				return nil, err
			}
			switch status.GetState() {
			case mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING:
			default:
				return status, sub.Teardown(ctx)
			}
		}
	}
	return nil, fmt.Errorf("the master %s ended the subscription", master)
}
