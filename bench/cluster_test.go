package bench

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// BenchmarkStartToFirstOffer measures from cluster.Start with three agents to the first OFFERS
// event of a scheduler that subscribes when Start has returned. Budget: 50 ms.
func BenchmarkStartToFirstOffer(b *testing.B) {
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		c, err := cluster.Start(ctx, cluster.Config{Agents: cluster.Agents(3, cluster.AgentConfig{Resources: "cpus:1;mem:128;disk:128"})})
		if err != nil {
			b.Fatal(err)
		}
		firstOffer(b, ctx, c.Master())
		b.StopTimer() // closing is not part of it
		cancel()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func firstOffer(b *testing.B, ctx context.Context, master string) {
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: master})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	sub, err := client.Subscribe(ctx, &mesospb.FrameworkInfo{User: proto.String("bench"), Name: proto.String("bench")}, scheduler.SubscribeOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	for event, err := range sub.Events() {
		if err != nil {
			b.Fatal(err)
		}
		if event.GetType() == schedulerpb.Event_OFFERS {
			return
		}
	}
	b.Fatal("no offer")
}

// BenchmarkRunTrue measures the process `mesokit run -- true` from start to exit: an embedded
// cluster, a framework, a task, its end, and cleaning up.
func BenchmarkRunTrue(b *testing.B) {
	mesokit := filepath.Join(b.TempDir(), "mesokit")
	if out, err := exec.Command("go", "build", "-o", mesokit, "../cmd/mesokit").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	for b.Loop() {
		if out, err := exec.Command(mesokit, "run", "--", "true").CombinedOutput(); err != nil {
			b.Fatalf("run: %v\n%s", err, out)
		}
	}
}
