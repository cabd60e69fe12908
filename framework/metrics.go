package framework

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// metrics are those of one framework. They exist whether they are registered or not.
type metrics struct {
	registry prometheus.Registerer
	all      []prometheus.Collector

	inputs     *prometheus.CounterVec
	rounds     prometheus.Histogram
	placements prometheus.Histogram
	placed     prometheus.Counter
	commits    prometheus.Histogram
	commitOps  prometheus.Counter
	commitErrs prometheus.Counter
	calls      *prometheus.HistogramVec
	callErrs   *prometheus.CounterVec
	notes      *prometheus.CounterVec
}

// quick are the buckets of what takes microseconds to seconds.
var quick = prometheus.ExponentialBuckets(50e-6, 4, 10)

func newMetrics(r prometheus.Registerer, f *Framework) (*metrics, error) {
	labels := prometheus.Labels{"framework": f.cfg.Name}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "mesokit", Name: name, Help: help, ConstLabels: labels})
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "mesokit", Name: name, Help: help, ConstLabels: labels}, []string{label})
	}
	times := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "mesokit", Name: name, Help: help, ConstLabels: labels, Buckets: quick}
	}
	m := &metrics{
		registry:   r,
		inputs:     counters("inputs_total", "What went into the engine, by kind.", "kind"),
		rounds:     prometheus.NewHistogram(times("round_seconds", "Duration of one round of the engine.")),
		placements: prometheus.NewHistogram(times("placement_seconds", "Duration of one placement cycle.")),
		placed:     counter("placed_total", "Tasks that were given a place."),
		commits:    prometheus.NewHistogram(times("commit_seconds", "Duration of one commit to the store.")),
		commitOps:  counter("commit_operations_total", "Records written or deleted."),
		commitErrs: counter("commit_errors_total", "Commits that failed and were tried again."),
		calls:      prometheus.NewHistogramVec(times("call_seconds", "Duration of calls to the master, by type."), []string{"call"}),
		callErrs:   counters("call_errors_total", "Calls to the master that failed, by type.", "call"),
		notes:      counters("notes_total", "Notes of the engine, by kind.", "kind"),
	}
	m.all = []prometheus.Collector{m.inputs, m.rounds, m.placements, m.placed, m.commits, m.commitOps, m.commitErrs, m.calls, m.callErrs, m.notes, newStateCollector(f, labels)}
	if r == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := r.Register(c); err != nil {
			for _, c := range m.all[:i] {
				r.Unregister(c)
			}
			var already prometheus.AlreadyRegisteredError
			if errors.As(err, &already) {
				return nil, errors.New("framework.Config.Metrics has the metrics of a framework of this name already: give each a registry, or a name of its own")
			}
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registry != nil {
		for _, c := range m.all {
			m.registry.Unregister(c)
		}
	}
}

func (m *metrics) round(inputs []core.Input, e *core.Effects, took time.Duration) {
	for _, in := range inputs {
		m.inputs.WithLabelValues(kindOf(in)).Inc()
	}
	m.rounds.Observe(took.Seconds())
	for _, n := range e.Notes {
		m.notes.WithLabelValues(string(n.Kind)).Inc()
	}
}

func kindOf(in core.Input) string {
	switch in := in.(type) {
	case core.MesosEvent:
		return in.Event.GetType().String()
	case core.Disconnected:
		return "disconnected"
	case core.CallFailed:
		return "call-failed"
	case core.Command:
		return "command"
	}
	return "other"
}

func (m *metrics) commit(ops int, took time.Duration, err error) {
	m.commits.Observe(took.Seconds())
	if err != nil {
		m.commitErrs.Inc()
		return
	}
	m.commitOps.Add(float64(ops))
}

func (m *metrics) call(kind schedulerpb.Call_Type, took time.Duration, err error) {
	m.calls.WithLabelValues(kind.String()).Observe(took.Seconds())
	if err != nil {
		m.callErrs.WithLabelValues(kind.String()).Inc()
	}
}

// stateCollector reports the state of the engine when it is asked.
type stateCollector struct {
	f      *Framework
	gauges []stateGauge
	wanted *prometheus.Desc
}

type stateGauge struct {
	desc  *prometheus.Desc
	value func(Status, *core.Snapshot) int
}

func newStateCollector(f *Framework, labels prometheus.Labels) *stateCollector {
	c := &stateCollector{f: f, wanted: prometheus.NewDesc("mesokit_instances_wanted", "Instances that are to run, by application.", []string{"app"}, labels)}
	gauge := func(name, help string, value func(Status, *core.Snapshot) int) {
		c.gauges = append(c.gauges, stateGauge{prometheus.NewDesc("mesokit_"+name, help, nil, labels), value})
	}
	truth := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	gauge("leading", "Whether this process leads.", func(st Status, _ *core.Snapshot) int { return truth(st.Leading) })
	gauge("subscribed", "Whether the framework is subscribed.", func(_ Status, s *core.Snapshot) int { return truth(s.Connected) })
	gauge("guarded", "Whether the engine refuses to act because its state is lost.", func(_ Status, s *core.Snapshot) int { return truth(s.Guard != nil) })
	gauge("offers", "Offers in hand.", func(_ Status, s *core.Snapshot) int { return s.Offers })
	gauge("orphans", "Tasks of this framework that the engine does not know.", func(_ Status, s *core.Snapshot) int { return len(s.Orphans) })
	gauge("unanswered", "Tasks that the master was asked for and has not answered.", func(_ Status, s *core.Snapshot) int { return s.Unanswered })
	gauge("apps", "Applications.", func(_ Status, s *core.Snapshot) int { return len(s.Apps) })
	return c
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.wanted
	for _, g := range c.gauges {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	status, s := c.f.Status(), c.f.Snapshot()
	for _, g := range c.gauges {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(g.value(status, s)))
	}
	for _, a := range s.Apps {
		ch <- prometheus.MustNewConstMetric(c.wanted, prometheus.GaugeValue, float64(a.Instances), a.Name)
	}
}
