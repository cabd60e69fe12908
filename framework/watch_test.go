package framework_test

import (
	"context"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestAControllerDecidesWhatTheEngineSees(t *testing.T) {
	c := start(t)
	offered := make(chan struct{}, 1000)
	var updates atomic.Int64
	var withheld atomic.Bool
	withheld.Store(true)
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{service("web", 1)},
		Controller: framework.ControllerFunc(func(ctx context.Context, calls scheduler.Calls, e *schedulerpb.Event, next func(*schedulerpb.Event)) error {
			switch e.GetType() {
			case schedulerpb.Event_OFFERS:
				offered <- struct{}{}
				if withheld.Load() { // an answer of its own
					return calls.Decline(ctx, scheduler.OfferIDs(e.GetOffers().GetOffers()...), &mesospb.Filters{RefuseSeconds: new(float64)})
				}
			case schedulerpb.Event_UPDATE:
				updates.Add(1)
			}
			next(e)
			return nil
		})})
	for range 2 {
		<-offered
	}
	if n := r.Snapshot().App("web").Counts.Up; n != 0 {
		t.Errorf("%d instances run without an offer", n)
	}
	withheld.Store(false)
	r.until(up("web", 1))
	if updates.Load() == 0 {
		t.Error("the controller saw no update")
	}
}

// spanNames is a tracer that only counts.
type spanNames struct {
	embedded.TracerProvider
	seen chan map[string]int
}

func (s *spanNames) Tracer(string, ...trace.TracerOption) trace.Tracer { return counting{s: s} }

type counting struct {
	embedded.Tracer
	s *spanNames
}

func (c counting) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	seen := <-c.s.seen
	seen[name]++
	c.s.seen <- seen
	return noop.Tracer{}.Start(ctx, name, o...)
}

// measured returns the sums of all metrics by name and labels.
func measured(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != "framework" {
					labels = append(labels, l.GetValue())
				} else if l.GetValue() != "measured" {
					t.Errorf("%s is of framework %q", f.GetName(), l.GetValue())
				}
			}
			got[strings.Join(append([]string{f.GetName()}, labels...), " ")] += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return got
}

func TestMetricsAndSpansTellWhatTheEngineDoes(t *testing.T) {
	c := start(t)
	registry := prometheus.NewPedanticRegistry()
	names := &spanNames{seen: make(chan map[string]int, 1)}
	names.seen <- map[string]int{}
	r := run(t, framework.Config{Name: "measured", Master: c.Master(), Apps: []*app.App{service("web", 2)}, Metrics: registry, Traces: names})
	r.until(up("web", 2))
	got := measured(t, registry)
	for end := time.After(patience); got["mesokit_call_seconds ACKNOWLEDGE"] == 0; got = measured(t, registry) { // counted when it is answered
		select {
		case <-time.After(5 * time.Millisecond):
		case <-end:
			t.Fatal("no acknowledgement was counted")
		}
	}
	for name, want := range map[string]float64{"mesokit_leading": 1, "mesokit_subscribed": 1, "mesokit_instances_wanted web": 2, "mesokit_placed_total": 2, "mesokit_apps": 1, "mesokit_inputs_total SUBSCRIBED": 1} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{"mesokit_round_seconds", "mesokit_commit_seconds", "mesokit_placement_seconds", "mesokit_call_seconds ACCEPT", "mesokit_call_seconds ACKNOWLEDGE", "mesokit_inputs_total OFFERS"} {
		if got[name] == 0 {
			t.Errorf("%s counted nothing; there are %v", name, got)
		}
	}
	shared := <-names.seen
	seen := maps.Clone(shared)
	names.seen <- shared
	for _, name := range []string{"round", "placement", "commit", "call ACCEPT", "call ACKNOWLEDGE"} {
		if seen[name] == 0 {
			t.Errorf("no span %q; there are %v", name, seen)
		}
	}
	if _, err := framework.New(framework.Config{Name: "measured", Master: c.Master(), Metrics: registry}); err == nil {
		t.Error("two frameworks of one name share a registry")
	}
}
