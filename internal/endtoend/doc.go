// Package endtoend measures the toolkit from end to end on embedded clusters: the code that the benchmarks of package bench and
// mesokit bench have in common. Everything runs in the process of the caller, which starts nothing else meanwhile.
package endtoend

import (
	"context"
	"fmt"
	"runtime"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// SimulatedAgents describes n agents, each with room for so many of the tasks that are launched here.
func SimulatedAgents(n, tasks int) []cluster.AgentConfig {
	return cluster.Agents(n, cluster.AgentConfig{
		Resources: fmt.Sprintf("cpus:%d;mem:%d;disk:10000;ports:[31000-31999]", tasks, 32*tasks), Simulated: true,
	})
}

// SmallAgents describes three agents that run processes.
func SmallAgents() []cluster.AgentConfig {
	return cluster.Agents(3, cluster.AgentConfig{Resources: "cpus:1;mem:128;disk:128"})
}

// Short is the name of a codec in names of benchmarks: json or x-protobuf.
func Short(c codec.Codec) string { return c.MediaType()[len("application/"):] }

// subscription is one with the clients below it.
type subscription struct {
	*scheduler.Subscription
	client *scheduler.Client
	tr     *transport.Client
}

// subscribe subscribes a framework.
func subscribe(ctx context.Context, master string, media codec.Codec) (*subscription, error) {
	tr, err := transport.New(transport.Config{Codec: media, ShareMemory: true})
	if err != nil {
		return nil, err
	}
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: master, Transport: tr})
	if err != nil {
		tr.Close()
		return nil, err
	}
	sub, err := client.Subscribe(ctx, &mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("bench"), FailoverTimeout: proto.Float64(60)}, scheduler.SubscribeOptions{})
	if err != nil {
		client.Close()
		tr.Close()
		return nil, err
	}
	return &subscription{sub, client, tr}, nil
}

func (s *subscription) close() {
	s.Subscription.Close()
	s.client.Close()
	s.tr.Close()
}

// memory is what the process has on the heap and stacks, in bytes.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc + s.StackInuse
}
