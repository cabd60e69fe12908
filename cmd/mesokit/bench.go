package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mesokit/mesokit/internal/endtoend"
	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/codec"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	tasks, agents int
	codec         string
	offersFor     time.Duration
	codecs        []codec.Codec
	say           func(format string, args ...any)
}

// measure is one figure.
type measure struct {
	Benchmark string  `json:"benchmark"`
	What      string  `json:"what"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Size      int     `json:"size,omitempty"` // how many agents or tasks it was measured with
	// Budget is what the value should be below, of a run of BudgetSize; 0 if there is none.
	Budget     float64 `json:"budget,omitempty"`
	BudgetSize int     `json:"budget_size,omitempty"`
}

// verdict compares with the budget, where sizes let it: more in less time is within it, too.
func (m *measure) verdict() string {
	switch {
	case m.Budget == 0:
	case m.Value <= m.Budget && m.Size >= m.BudgetSize:
		return "within"
	case m.Value > m.Budget && m.Size <= m.BudgetSize:
		return "over"
	}
	return ""
}

// benchmark is one of those that bench runs.
type benchmark struct {
	name, short string
	run         func(ctx context.Context, o *benchOptions) ([]measure, error)
}

func benchmarks() []benchmark {
	return []benchmark{
		{"start", "start of a cluster with three agents to the first offer", benchStart},
		{"start-simulated", "the same with 10,000 simulated agents", benchStartSimulated},
		{"offers", "offers that a master makes and a scheduler declines", benchOffers},
		{"tasks", "tasks launched by a plain scheduler, to RUNNING and acknowledged", benchTasks},
		{"engine", "an application of so many tasks on the whole engine, and a restart", benchEngine},
	}
}

func newBench() *cobra.Command {
	var o benchOptions
	all := benchmarks()
	names := each(all, func(b benchmark) string { return b.name })
	long := "bench measures from end to end, on embedded clusters in this process, and prints the figures with their budgets beside them:\n\n"
	for _, b := range all {
		long += fmt.Sprintf("  %-16s %s\n", b.name, b.short)
	}
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "bench [flags] [NAME…]", Short: "Run the end-to-end benchmarks",
		Long: long + `
Without a NAME all run, which takes about a minute. What else the machine does shows in the figures; the load average before is told. Budgets are those
that this toolkit has set itself, for runs of the sizes they name: "within" and "over" are said where the size allows it. In a checkout, make bench
runs these and finer benchmarks in a form that benchstat reads.`,
		Example:   "  mesokit bench\n  mesokit bench tasks --codec protobuf --tasks 10000 --agents 100\n  mesokit bench -o json > figures.json",
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if !slices.Contains(names, name) {
					return usagef("there is no benchmark %q: want %s", name, strings.Join(names, ", "))
				}
			}
			if err := o.validate(); err != nil {
				return err
			}
			o.say = func(string, ...any) {}
			if f, ok := visible.Raw(cmd.ErrOrStderr()).(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				o.say = func(format string, args ...any) { fmt.Fprintf(f, format+"\n", args...) }
			}
			load := loadAverage()
			var measures []measure
			for _, b := range all {
				if len(args) > 0 && !slices.Contains(args, b.name) {
					continue
				}
				list, err := b.run(cmd.Context(), &o)
				if cmd.Context().Err() != nil {
					return endOf(cmd.Context())
				}
				if err != nil {
					return fmt.Errorf("%s: %w", b.name, err)
				}
				for i := range list {
					list[i].Benchmark = b.name
				}
				measures = append(measures, list...)
			}
			return emitMeasures(cmd, measures, load)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.tasks, "tasks", 50_000, "how many tasks to launch")
	f.IntVar(&o.agents, "agents", 0, "how many simulated agents (default: 10,000 for start-simulated, 1,000 for others)")
	f.StringVar(&o.codec, "codec", "both", "media type of offers and tasks: json, protobuf or both")
	f.DurationVar(&o.offersFor, "offers-for", 2*time.Second, "how long offers are counted")
	return cmd
}

func (o *benchOptions) validate() error {
	switch o.codec {
	case "json":
		o.codecs = []codec.Codec{codec.JSON}
	case "protobuf":
		o.codecs = []codec.Codec{codec.Protobuf}
	case "both":
		o.codecs = []codec.Codec{codec.JSON, codec.Protobuf}
	default:
		return usagef("--codec %q: want json, protobuf or both", o.codec)
	}
	switch {
	case o.tasks < 1:
		return usagef("--tasks %d: want 1 or more", o.tasks)
	case o.agents < 0:
		return usagef("--agents %d: want 1 or more", o.agents)
	case o.offersFor <= 0:
		return usagef("--offers-for %v: want more than 0", o.offersFor)
	}
	return nil
}

// agentsOr returns --agents, or what is usual.
func (o *benchOptions) agentsOr(usual int) int {
	if o.agents > 0 {
		return o.agents
	}
	return usual
}

// loadAverage tells how busy the machine has been for the last minute; "" where the system does not say.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

func emitMeasures(cmd *cobra.Command, measures []measure, load string) error {
	if structured(cmd) {
		return emit(cmd, struct {
			Go       string    `json:"go"`
			CPUs     int       `json:"cpus"`
			Load     string    `json:"load_before,omitempty"`
			Measures []measure `json:"measures"`
		}{runtime.Version(), runtime.GOMAXPROCS(0), load, measures}, "")
	}
	t := newTable(cmd, "benchmark", "what", "measured", "budget", "")
	for _, m := range measures {
		budget := ""
		if m.Budget > 0 {
			budget = figure(m.Budget) + " " + m.Unit
			if m.BudgetSize > 0 && m.BudgetSize != m.Size {
				budget += " with " + strconv.Itoa(m.BudgetSize)
			}
		}
		t.AppendRow(table.Row{m.Benchmark, m.What, figure(m.Value) + " " + m.Unit, budget, m.verdict()})
	}
	machine := fmt.Sprintf("%s, %d CPUs", runtime.Version(), runtime.GOMAXPROCS(0))
	if load != "" {
		machine += ", load average before " + load
	}
	return emit(cmd, nil, "%s\n%s", t.Render(), machine)
}

// figure is a number in three digits, large ones whole.
func figure(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// codecName is a codec as --codec names it.
func codecName(c codec.Codec) string { return strings.TrimPrefix(endtoend.Short(c), "x-") }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func benchStart(ctx context.Context, o *benchOptions) ([]measure, error) {
	const runs = 15 // of a millisecond or so
	o.say("start: %d times", runs)
	var took []time.Duration
	for range runs {
		s, err := endtoend.Start(ctx, endtoend.StartConfig{Agents: endtoend.SmallAgents()})
		if err != nil {
			return nil, err
		}
		took = append(took, s.First)
		if err := s.Close(); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return []measure{{What: "first offer, 3 agents", Value: milliseconds(took[runs/2]), Unit: "ms", Size: 3, Budget: 50, BudgetSize: 3}}, nil
}

func benchStartSimulated(ctx context.Context, o *benchOptions) ([]measure, error) {
	const usual = 10_000
	n := o.agentsOr(usual)
	o.say("start-simulated: %d agents", n)
	s, err := endtoend.Start(ctx, endtoend.StartConfig{Agents: endtoend.SimulatedAgents(n, 8), All: true})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf(", %d agents", n)
	return []measure{
		{What: "first offer" + what, Value: milliseconds(s.First), Unit: "ms", Size: n, Budget: 2000, BudgetSize: usual},
		{What: "all offers" + what, Value: milliseconds(s.All), Unit: "ms", Size: n},
		{What: "memory" + what, Value: float64(s.Bytes) / (1 << 20), Unit: "MiB", Size: n},
	}, s.Close()
}

func benchOffers(ctx context.Context, o *benchOptions) (list []measure, err error) {
	n := o.agentsOr(1000)
	for _, media := range o.codecs {
		o.say("offers: %s, %d agents, %v", codecName(media), n, o.offersFor)
		rate, err := offersPerSecond(ctx, media, n, o.offersFor)
		if err != nil {
			return nil, err
		}
		list = append(list, measure{What: fmt.Sprintf("%s, %d agents", codecName(media), n), Value: rate, Unit: "offers/s", Size: n})
	}
	return list, nil
}

func offersPerSecond(ctx context.Context, media codec.Codec, agents int, d time.Duration) (float64, error) {
	s, err := endtoend.NewOffers(ctx, media, agents)
	if err != nil {
		return 0, err
	}
	offers := 0
	for began := time.Now(); ; {
		n, err := s.Next()
		if err != nil {
			return 0, errors.Join(err, s.Close())
		}
		offers += n
		if took := time.Since(began); took >= d {
			return float64(offers) / took.Seconds(), s.Close()
		}
	}
}

func benchTasks(ctx context.Context, o *benchOptions) (list []measure, err error) {
	n := o.agentsOr(1000)
	for _, media := range o.codecs {
		o.say("tasks: %s, %d tasks, %d agents", codecName(media), o.tasks, n)
		r, err := endtoend.Tasks(ctx, endtoend.TasksConfig{Codec: media, Tasks: o.tasks, Agents: n})
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("%s, %d tasks, %d agents", codecName(media), o.tasks, n)
		list = append(list,
			measure{What: what, Value: r.Took.Seconds(), Unit: "s", Size: o.tasks, Budget: 10, BudgetSize: 50_000},
			measure{What: what, Value: float64(o.tasks) / r.Took.Seconds(), Unit: "tasks/s", Size: o.tasks})
	}
	return list, nil
}

func benchEngine(ctx context.Context, o *benchOptions) (list []measure, err error) {
	n := o.agentsOr(1000)
	o.say("engine: %d tasks, %d agents", o.tasks, n)
	dir, err := os.MkdirTemp("", "mesokit-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, err := endtoend.Engine(ctx, endtoend.EngineConfig{Tasks: o.tasks, Agents: n, Dir: dir})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf(", %d tasks, %d agents", o.tasks, n)
	return []measure{
		{What: "launch" + what, Value: r.Launch.Seconds(), Unit: "s", Size: o.tasks, Budget: 10, BudgetSize: 50_000},
		{What: "launch" + what, Value: float64(o.tasks) / r.Launch.Seconds(), Unit: "tasks/s", Size: o.tasks},
		{What: "restart" + what, Value: r.Restart.Seconds(), Unit: "s", Size: o.tasks, Budget: 5, BudgetSize: 100_000},
	}, nil
}
