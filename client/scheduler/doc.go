// Package scheduler is for writers of Mesos schedulers: it holds the conversation with the leading master through the
// v1 scheduler API. It has two levels.
//
// # One subscription
//
// Client.Subscribe opens one event stream; Subscription.Events iterates over it and the methods of Calls send
// calls that belong to it. Nothing happens behind the caller's back, except that SUBSCRIBE follows redirects to
// the leader, where the calls go from then on.
//
//	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: "127.0.0.1:5050"})
//	...
//	sub, err := client.Subscribe(ctx, &mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("hello")}, scheduler.SubscribeOptions{})
//	...
//	defer sub.Close()
//	for event, err := range sub.Events() {
//		if err != nil {
//			return err
//		}
//		switch event.GetType() {
//		case schedulerpb.Event_OFFERS:
//			err = sub.Accept(ctx, scheduler.OfferIDs(event.GetOffers().GetOffers()...), nil, scheduler.Launch(task))
//		case schedulerpb.Event_UPDATE:
//			err = sub.Acknowledge(ctx, event.GetUpdate().GetStatus())
//		}
//	}
//
// # A session
//
// Session runs for years: it detects the leader, subscribes, watches heartbeats, reconnects, keeps the framework
// id, acknowledges updates, and hands everything to one Handler in order.
//
// # Calls
//
// Every call exists as a function that builds the message (Accept, Decline, Kill, ...), free of any connection, and
// as a method of Calls that sends it; every offer operation as a function (Launch, Reserve, Create, ...). Names and
// arguments are those of the Mesos scheduler API documentation.
//
// Behaviour follows docs/behaviour.md (Mesos: src/master/http.cpp, src/scheduler/scheduler.cpp,
// include/mesos/v1/scheduler/scheduler.proto).
package scheduler
