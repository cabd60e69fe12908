package bench

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// session runs a session against masters until the end of the benchmark.
func session(b *testing.B, masters string, media codec.Codec, h scheduler.HandlerFuncs) *scheduler.Session {
	b.Helper()
	tr, err := transport.New(transport.Config{Codec: media, ShareMemory: true})
	if err != nil {
		b.Fatal(err)
	}
	connected := make(chan struct{})
	once := sync.OnceFunc(func() { close(connected) })
	then := h.ConnectedFunc
	h.ConnectedFunc = func(ctx context.Context, s *scheduler.Session, c scheduler.Connected) error {
		once()
		if then != nil {
			return then(ctx, s, c)
		}
		return nil
	}
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Master: masters, Transport: tr, Handler: h,
		FrameworkInfo: &mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("bench"), FailoverTimeout: proto.Float64(60)},
	})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(context.WithoutCancel(b.Context()))
	}()
	b.Cleanup(func() {
		s.Stop(nil)
		<-done
		tr.Close()
	})
	<-connected
	return s
}

func startCluster(b *testing.B) *cluster.Cluster {
	b.Helper()
	c, err := cluster.Start(b.Context(), cluster.Config{AllocationInterval: 10 * time.Millisecond,
		Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:64;mem:65536"})})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkCalls measures calls over loopback, from the method to the answer, the embedded master's share included.
func BenchmarkCalls(b *testing.B) {
	for _, media := range []codec.Codec{codec.JSON, codec.Protobuf} {
		for _, goroutines := range []int{1, 8, 64} {
			b.Run("codec="+media.MediaType()[len("application/"):]+"/goroutines="+strconv.Itoa(goroutines), func(b *testing.B) {
				s := session(b, startCluster(b).Master(), media, scheduler.HandlerFuncs{})
				task := scheduler.ReconcileTask(&mesospb.TaskID{Value: proto.String("nobody")}, nil)
				work := make(chan struct{})
				var wg sync.WaitGroup
				for range goroutines {
					wg.Go(func() {
						for range work {
							if err := s.Reconcile(b.Context(), task); err != nil {
								b.Error(err)
							}
						}
					})
				}
				b.ReportAllocs()
				for b.Loop() {
					work <- struct{}{}
				}
				close(work)
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			})
		}
	}
}

// BenchmarkEventToAcknowledge measures from the arrival of a status update at the handler to the answer to its
// acknowledgement, with real command tasks behind it.
func BenchmarkEventToAcknowledge(b *testing.B) {
	c := startCluster(b)
	ended := make(chan struct{}, 1)
	next := make(chan string, 1)
	var took []time.Duration
	s := session(b, c.Master(), codec.Protobuf, scheduler.HandlerFuncs{
		Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
			for _, offer := range offers {
				select {
				case id := <-next:
					picked, _ := resources.Find(offer.GetResources(), []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)}, "*")
					if err := s.Accept(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0), scheduler.Launch(&mesospb.TaskInfo{
						Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: offer.GetAgentId(), Resources: picked,
						Command: &mesospb.CommandInfo{Value: proto.String("true")},
					})); err != nil {
						return err
					}
				default:
					if err := s.Decline(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0)); err != nil {
						return err
					}
				}
			}
			return nil
		},
		Update: func(ctx context.Context, s *scheduler.Session, status *mesospb.TaskStatus) error {
			began := time.Now()
			if err := s.Acknowledge(ctx, status); err != nil {
				return err
			}
			took = append(took, time.Since(began))
			if status.GetState() == mesospb.TaskState_TASK_FINISHED {
				ended <- struct{}{}
			}
			return nil
		},
	})
	_ = s
	i := 0
	for b.Loop() {
		i++
		next <- "task-" + strconv.Itoa(i)
		<-ended
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkLeaderDeathToResubscribed measures from the end of a master to the subscription at the next one of the list, the
// session's own backoff (500 ms at the most for the first attempt, by chance) included.
func BenchmarkLeaderDeathToResubscribed(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		first, second := startCluster(b), startCluster(b)
		again := make(chan struct{}, 1)
		session(b, first.Master()+","+second.Master(), codec.Protobuf, scheduler.HandlerFuncs{
			ConnectedFunc: func(_ context.Context, _ *scheduler.Session, c scheduler.Connected) error {
				if c.Reconnected {
					again <- struct{}{}
				}
				return nil
			},
		})
		b.StartTimer()
		if err := first.Close(); err != nil {
			b.Fatal(err)
		}
		<-again
	}
}
