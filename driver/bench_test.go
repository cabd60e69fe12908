package driver

import (
	"context"
	"log/slog"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// instantSession hands its sink to the benchmark and answers every call at once.
type instantSession struct{ sink chan schedulerSink }

func (s instantSession) run(ctx context.Context, sink schedulerSink) error {
	s.sink <- sink
	<-ctx.Done()
	return nil
}

func (s instantSession) call(context.Context, *schedulerpb.Call) error { return nil }

// BenchmarkStatusUpdate is what the driver adds between the session and the callback, and from its return to the acknowledgement.
func BenchmarkStatusUpdate(b *testing.B) {
	for _, explicit := range []bool{false, true} {
		name := map[bool]string{false: "implicit", true: "explicit"}[explicit]
		b.Run(name, func(b *testing.B) {
			done := make(chan struct{}, 1)
			s := instantSession{make(chan schedulerSink, 1)}
			left := b.N
			cfg, err := DriverConfig{
				Master: "m:5050", Framework: &mesospb.FrameworkInfo{Name: proto.String("bench"), User: proto.String("root")},
				ExplicitAcknowledgements: explicit,
				Scheduler: SchedulerFuncs{OnStatusUpdate: func(SchedulerDriver, *mesospb.TaskStatus) {
					if left--; left == 0 {
						done <- struct{}{}
					}
				}},
			}.prepare()
			if err != nil {
				b.Fatal(err)
			}
			d := newSchedulerDriver(cfg, slog.New(slog.DiscardHandler), s)
			if _, err := d.Start(); err != nil {
				b.Fatal(err)
			}
			sink := <-s.sink
			sink.event(subscribed("M1"))
			e := update("T1", mesospb.TaskState_TASK_RUNNING, "0123456789abcdef")
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				sink.event(e)
			}
			<-done
			b.StopTimer()
			_, _ = d.Stop(true)
			_, _ = d.Join()
		})
	}
}
