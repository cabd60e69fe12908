package framework

import (
	"errors"
	"strings"
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
	apps   []appGauge
	state  *prometheus.Desc
}

type appGauge struct {
	desc  *prometheus.Desc
	value func(a *core.App) int
}

type stateGauge struct {
	desc  *prometheus.Desc
	value func(Status, *core.Snapshot) int
}

func newStateCollector(f *Framework, labels prometheus.Labels) *stateCollector {
	c := &stateCollector{f: f, state: prometheus.NewDesc("mesokit_app_state",
		"1 for the state of each application: ok, or that of its worst condition, such as failing, no-fit or stalled, and how bad that is.", []string{"app", "state", "severity"}, labels)}
	perApp := func(name, help string, value func(a *core.App) int) {
		c.apps = append(c.apps, appGauge{prometheus.NewDesc("mesokit_"+name, help, []string{"app"}, labels), value})
	}
	perApp("instances_wanted", "Instances that are to run, by application.", func(a *core.App) int {
		if a.Definition != nil && a.Definition.Daemon {
			return a.Counts.Instances
		}
		return a.Instances
	})
	perApp("instances_up", "Instances that run and are as healthy as asked for.", func(a *core.App) int { return a.Counts.Up })
	perApp("instances_unready", "Instances that run and are not up.", func(a *core.App) int { return a.Counts.State(core.Running) - a.Counts.Up })
	perApp("instances_waiting", "Instances of which nothing runs and something should, failing ones included.", func(a *core.App) int { return a.Counts.Waiting })
	perApp("instances_failing", "Instances that have failed and wait until they are tried again.", func(a *core.App) int { return a.Counts.Failing })
	perApp("instances_unreachable", "Instances on agents that are cut off.", func(a *core.App) int {
		return a.Counts.State(core.Unreachable) + a.Counts.State(core.Stranded)
	})
	perApp("instances_reached", "Instances that have reached their goal.", func(a *core.App) int { return a.Counts.Reached })
	perApp("instances_given_up", "Instances that failed too often.", func(a *core.App) int { return a.Counts.GivenUp })
	perApp("deployment_active", "Whether a deployment is under way, stalled and paused ones included.", func(a *core.App) int { return truth(a.Deployment.Active()) })
	perApp("deployment_stalled", "Whether a deployment has failed and waits for somebody.", func(a *core.App) int {
		return truth(a.Deployment != nil && a.Deployment.State == core.DeploymentStalled)
	})
	gauge := func(name, help string, value func(Status, *core.Snapshot) int) {
		c.gauges = append(c.gauges, stateGauge{prometheus.NewDesc("mesokit_"+name, help, nil, labels), value})
	}
	gauge("leading", "Whether this process leads.", func(st Status, _ *core.Snapshot) int { return truth(st.Leading) })
	gauge("subscribed", "Whether the framework is subscribed.", func(_ Status, s *core.Snapshot) int { return truth(s.Connected) })
	gauge("master_lost", "Whether this process leads and has no master.", func(st Status, _ *core.Snapshot) int { return truth(st.Leading && st.Master == "") })
	gauge("store_failing", "Whether what is to be remembered cannot be written, as to a full disk.", func(st Status, _ *core.Snapshot) int {
		return truth(strings.Contains(st.Trouble, fromStore+": "))
	})
	gauge("agents_draining", "Agents that are to be left.", func(_ Status, s *core.Snapshot) int {
		n := 0
		for a := range s.Agents() {
			n += truth(a.Draining)
		}
		return n
	})
	gauge("apps_set_aside", "Applications that could not be restored.", func(_ Status, s *core.Snapshot) int { return len(s.Aside) })
	gauge("guarded", "Whether the engine refuses to act because its state is lost.", func(_ Status, s *core.Snapshot) int { return truth(s.Guard != nil) })
	gauge("offers", "Offers in hand.", func(_ Status, s *core.Snapshot) int { return s.Offers })
	gauge("orphans", "Tasks of this framework that the engine does not know.", func(_ Status, s *core.Snapshot) int { return len(s.Orphans) })
	gauge("unanswered", "Tasks that the master was asked for and has not answered.", func(_ Status, s *core.Snapshot) int { return s.Unanswered })
	gauge("apps", "Applications.", func(_ Status, s *core.Snapshot) int { return len(s.Apps) })
	return c
}

// truth is 1 for true.
func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.state
	for _, g := range c.apps {
		ch <- g.desc
	}
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
		for _, g := range c.apps {
			ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(g.value(a)), a.Name)
		}
		state, worst := s.State(a)
		severity := "ok"
		if worst != nil {
			severity = string(worst.Severity)
		}
		ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, 1, a.Name, state, severity)
	}
}
