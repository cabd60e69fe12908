package bench

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

var codecs = []codec.Codec{codec.JSON, codec.Protobuf}

func short(c codec.Codec) string { return c.MediaType()[len("application/"):] }

// simulatedAgents describes n agents, each with room for so many tasks of the benchmarks.
func simulatedAgents(n, tasks int) []cluster.AgentConfig {
	return cluster.Agents(n, cluster.AgentConfig{
		Resources: fmt.Sprintf("cpus:%d;mem:%d;disk:10000;ports:[31000-31999]", tasks, 32*tasks), Simulated: true,
	})
}

// subscribe subscribes a framework until the end of the benchmark, or of ctx.
func subscribe(b *testing.B, ctx context.Context, master string, media codec.Codec, name string) *scheduler.Subscription {
	b.Helper()
	tr, err := transport.New(transport.Config{Codec: media})
	if err != nil {
		b.Fatal(err)
	}
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: master, Transport: tr})
	if err != nil {
		b.Fatal(err)
	}
	sub, err := client.Subscribe(ctx, &mesospb.FrameworkInfo{User: proto.String("bench"), Name: &name, FailoverTimeout: proto.Float64(60)}, scheduler.SubscribeOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sub.Close(); client.Close(); tr.Close() })
	return sub
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc + s.StackInuse
}

// BenchmarkStartToFirstOffer10000 measures from cluster.Start with 10,000 simulated agents to the first OFFERS event of a
// scheduler that subscribes when Start has returned, and until there was an offer of each. Budget: 2 s to the first.
func BenchmarkStartToFirstOffer10000(b *testing.B) {
	const agents = 10_000
	var first, all, closing time.Duration
	var bytes uint64
	n := 0
	for b.Loop() {
		before := memory()
		began := time.Now()
		ctx, cancel := context.WithCancel(b.Context())
		c, err := cluster.Start(ctx, cluster.Config{Agents: simulatedAgents(agents, 8)})
		if err != nil {
			b.Fatal(err)
		}
		sub := subscribe(b, ctx, c.Master(), codec.Protobuf, "bench")
		offers := 0
		for event, err := range sub.Events() {
			if err != nil {
				b.Fatal(err)
			}
			if event.GetType() != schedulerpb.Event_OFFERS {
				continue
			}
			if offers == 0 {
				first += time.Since(began)
			}
			if offers += len(event.GetOffers().GetOffers()); offers >= agents {
				break
			}
		}
		all += time.Since(began)
		sub.Close()
		bytes += memory() - before
		ended := time.Now()
		cancel()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		closing += time.Since(ended)
		n++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(first.Seconds()*1000/float64(n), "ms/first")
	b.ReportMetric(all.Seconds()*1000/float64(n), "ms/all")
	b.ReportMetric(closing.Seconds()*1000/float64(n), "ms/close")
	b.ReportMetric(float64(bytes)/agents/float64(n), "B/agent")
}

// BenchmarkTasks measures 50,000 tasks on 1,000 simulated agents from the first ACCEPT to the acknowledgement of the last RUNNING, over
// loopback, client and cluster in this process: each task is a launch and two statuses, STARTING and RUNNING, with two calls to
// acknowledge them. Budget: 10 s.
func BenchmarkTasks(b *testing.B) {
	for _, media := range codecs {
		b.Run("codec="+short(media), func(b *testing.B) { benchmarkTasks(b, media, 1_000, 50) })
	}
}

func benchmarkTasks(b *testing.B, media codec.Codec, agents, perAgent int) {
	total := agents * perAgent
	var took time.Duration
	var bytes uint64
	n := 0
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		c, err := cluster.Start(ctx, cluster.Config{Agents: simulatedAgents(agents, perAgent)})
		if err != nil {
			b.Fatal(err)
		}
		sub := subscribe(b, ctx, c.Master(), media, "bench")
		before := memory()
		began := time.Now()
		var wg sync.WaitGroup
		calls := make(chan func(), 1<<10)
		var running atomic.Int64
		done := make(chan struct{})
		for range 8 {
			wg.Go(func() {
				for call := range calls {
					call()
				}
			})
		}
		launched := 0
		again := map[string]bool{}
		reader := make(chan struct{})
		go func() {
			defer close(reader)
			for event, err := range sub.Events() {
				if err != nil {
					return // closed
				}
				switch event.GetType() {
				case schedulerpb.Event_OFFERS:
					for _, offer := range event.GetOffers().GetOffers() {
						tasks := fill(offer, min(perAgent, total-launched), launched)
						launched += len(tasks)
						if len(tasks) == 0 {
							continue
						}
						calls <- func() {
							if err := sub.Accept(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(3600), scheduler.Launch(tasks...)); err != nil {
								b.Error(err)
							}
						}
					}
				case schedulerpb.Event_UPDATE:
					status := event.GetUpdate().GetStatus()
					if s := status.GetState(); s != mesospb.TaskState_TASK_STARTING && s != mesospb.TaskState_TASK_RUNNING {
						b.Errorf("a task did not run: %v", status)
						continue
					}
					uuid := string(status.GetUuid())
					if again[uuid] {
						continue // sent again, as this machine is too slow for the patience of agents
					}
					again[uuid] = true
					calls <- func() {
						if err := sub.Acknowledge(ctx, status); err != nil {
							b.Error(err)
						}
						if status.GetState() == mesospb.TaskState_TASK_RUNNING && running.Add(1) == int64(total) {
							close(done)
						}
					}
				}
			}
		}()
		<-done
		took += time.Since(began)
		sub.Close()
		<-reader
		close(calls)
		wg.Wait()
		bytes += memory() - before
		cancel()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took.Seconds()/float64(n), "s/run")
	b.ReportMetric(float64(total*n)/took.Seconds(), "tasks/s")
	b.ReportMetric(float64(bytes)/float64(total*n), "B/task")
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

// BenchmarkOffers measures how many offers a master makes and a scheduler takes in: 1,000 simulated agents, all declined without a
// filter as they come.
func BenchmarkOffers(b *testing.B) {
	for _, media := range codecs {
		b.Run("codec="+short(media), func(b *testing.B) {
			c, err := cluster.Start(b.Context(), cluster.Config{Agents: simulatedAgents(1_000, 8), AllocationInterval: time.Millisecond})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { c.Close() })
			ctx, cancel := context.WithCancel(context.Background())
			b.Cleanup(cancel)
			sub := subscribe(b, ctx, c.Master(), media, "bench")
			offers := 0
			next := make(chan []*mesospb.Offer)
			var wg sync.WaitGroup
			wg.Go(func() {
				for event, err := range sub.Events() {
					if err != nil {
						return
					}
					if event.GetType() == schedulerpb.Event_OFFERS {
						select {
						case next <- event.GetOffers().GetOffers():
						case <-ctx.Done():
							return
						}
					}
				}
			})
			for b.Loop() {
				list := <-next
				offers += len(list)
				if err := sub.Decline(ctx, scheduler.OfferIDs(list...), scheduler.RefuseSeconds(0)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(offers)/b.Elapsed().Seconds(), "offers/s")
			cancel()
			wg.Wait()
		})
	}
}
