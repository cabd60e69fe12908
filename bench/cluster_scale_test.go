package bench

import (
	"testing"
	"time"

	"github.com/mesokit/mesokit/internal/endtoend"
	"github.com/mesokit/mesokit/mesos/codec"
)

var codecs = []codec.Codec{codec.JSON, codec.Protobuf}

// BenchmarkStartToFirstOffer10000 measures from cluster.Start with 10,000 simulated agents to the first OFFERS event of a
// scheduler that subscribes when Start has returned, and until there was an offer of each. Budget: 2 s to the first.
func BenchmarkStartToFirstOffer10000(b *testing.B) {
	const agents = 10_000
	var first, all, closing time.Duration
	var bytes uint64
	n := 0
	for b.Loop() {
		s, err := endtoend.Start(b.Context(), endtoend.StartConfig{Agents: endtoend.SimulatedAgents(agents, 8), All: true})
		if err != nil {
			b.Fatal(err)
		}
		first, all, bytes = first+s.First, all+s.All, bytes+s.Bytes
		ended := time.Now()
		if err := s.Close(); err != nil {
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
	const tasks = 50_000
	for _, media := range codecs {
		b.Run("codec="+endtoend.Short(media), func(b *testing.B) {
			var took time.Duration
			var bytes uint64
			n := 0
			for b.Loop() {
				r, err := endtoend.Tasks(b.Context(), endtoend.TasksConfig{Codec: media, Tasks: tasks, Agents: 1_000})
				if err != nil {
					b.Fatal(err)
				}
				took, bytes = took+r.Took, bytes+r.Bytes
				n++
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(took.Seconds()/float64(n), "s/run")
			b.ReportMetric(float64(tasks*n)/took.Seconds(), "tasks/s")
			b.ReportMetric(float64(bytes)/float64(tasks*n), "B/task")
		})
	}
}

// BenchmarkOffers measures how many offers a master makes and a scheduler takes in: 1,000 simulated agents, all declined without a
// filter as they come.
func BenchmarkOffers(b *testing.B) {
	for _, media := range codecs {
		b.Run("codec="+endtoend.Short(media), func(b *testing.B) {
			o, err := endtoend.NewOffers(b.Context(), media, 1_000)
			if err != nil {
				b.Fatal(err)
			}
			offers := 0
			for b.Loop() {
				n, err := o.Next()
				if err != nil {
					b.Fatal(err)
				}
				offers += n
			}
			b.ReportMetric(float64(offers)/b.Elapsed().Seconds(), "offers/s")
			if err := o.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
