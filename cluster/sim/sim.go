// Package sim makes runners: what decides how the tasks of simulated agents go, without any process.
//
//	cluster.Config{Agents: cluster.Agents(10_000, cluster.AgentConfig{
//		Resources: "cpus:4;mem:8192;disk:10000;ports:[31000-31999]",
//		Simulated: true,
//		Runner: sim.First(
//			sim.Commands(),                                     // sleep 10; exit 1
//			sim.Funcs(map[string]sim.Func{"worker": work}),     // Go functions of this program
//			sim.Seeded(7, sim.Spread{For: sim.Between(time.Second, time.Minute), Fail: 0.1}),
//		),
//	})}
//
// A runner is asked about each task of an agent, also those of task groups and custom executors. It runs on the goroutine of
// the agents: it must be quick and must not wait. Runners of this package are safe for concurrent use, so that all agents can share one.
package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/cluster/agent"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Runner decides how a task runs; it passes over those for which it returns nil.
type Runner = agent.Runner

// Run is how a task runs: for how long, and how it ends, or as which function.
type Run = agent.Run

// Task is what a function that runs as a task can know and do.
type Task = agent.FuncTask

// Func is a function that runs as a task. The task finishes if it returns nil, and fails with the error's text if not. When the task is
// killed or its agent ends ctx ends, and the function must return.
type Func = func(ctx context.Context, task Task) error

// Always lets all tasks run in one way. Always(Run{}) keeps them until they are killed.
func Always(run Run) Runner {
	return func(*mesospb.FrameworkInfo, *mesospb.TaskInfo) *Run { return &run }
}

// First asks one runner after the other until one takes the task.
func First(runners ...Runner) Runner {
	return func(f *mesospb.FrameworkInfo, t *mesospb.TaskInfo) *Run {
		for _, r := range runners {
			if run := r(f, t); run != nil {
				return run
			}
		}
		return nil
	}
}

// Funcs runs tasks as functions: those whose command, or whose executor's, is the name of one. The name is the value of the command.
func Funcs(funcs map[string]Func) Runner {
	runs := make(map[string]*Run, len(funcs))
	for name, f := range funcs {
		runs[name] = &Run{Func: f}
	}
	return func(_ *mesospb.FrameworkInfo, t *mesospb.TaskInfo) *Run { return runs[command(t).GetValue()] }
}

// command returns what a task would run.
func command(t *mesospb.TaskInfo) *mesospb.CommandInfo {
	if t.Command != nil {
		return t.Command
	}
	return t.GetExecutor().GetCommand()
}

// Range is a span of time, from which Spread picks with equal chances; its zero value is no time.
type Range struct{ Min, Max time.Duration }

// Between returns the Range from lo to hi.
func Between(lo, hi time.Duration) Range { return Range{lo, hi} }

func (r Range) pick(random *rand.Rand) time.Duration {
	if r.Max <= r.Min {
		return r.Min
	}
	return r.Min + time.Duration(random.Int64N(int64(r.Max-r.Min)+1))
}

// Spread says how tasks differ. The chances must not be more than 1 together.
type Spread struct {
	// Start is the time from STARTING to RUNNING, For that from RUNNING to the end, KillTakes that from KILL to KILLED. If For is
	// no time, tasks that do not fail run until they are killed.
	Start, For, KillTakes Range
	// Fail is the chance of TASK_FAILED instead of TASK_FINISHED, Never the one that the task stays in TASK_STAGING.
	Fail, Never float64
	// Message and Reason are those of failures.
	Message string
	Reason  *mesospb.TaskStatus_Reason
}

// Seeded picks from a Spread for each task, by the seed and the id of the task alone: the same task always goes the same way, whatever
// runs beside it.
func Seeded(seed uint64, s Spread) Runner {
	return func(_ *mesospb.FrameworkInfo, t *mesospb.TaskInfo) *Run {
		h := fnv.New64a()
		h.Write([]byte(t.GetTaskId().GetValue()))
		random := rand.New(rand.NewPCG(seed, h.Sum64()))
		run := &Run{Start: s.Start.pick(random), For: s.For.pick(random), KillTakes: s.KillTakes.pick(random)}
		switch chance := random.Float64(); {
		case chance < s.Fail:
			run.End, run.Message, run.Reason = mesospb.TaskState_TASK_FAILED, s.Message, s.Reason
		case chance < s.Fail+s.Never:
			run.Never = true
		}
		return run
	}
}

// Commands understands the simplest shell commands, and does what a process would be seen to do, in no time or in the time of a
// testing/synctest bubble: "true", "false", ":", "echo …", "exit N", "sleep SECONDS" and "sleep infinity", joined by ";" and "&&". It
// passes over everything else, and over functions, whose names are not among these.
func Commands() Runner {
	return func(_ *mesospb.FrameworkInfo, t *mesospb.TaskInfo) *Run {
		c := command(t)
		line := c.GetValue()
		if !c.GetShell() {
			if line = strings.Join(c.GetArguments(), " "); line == "" {
				line = c.GetValue()
			}
			line = line[strings.LastIndexByte(line[:strings.IndexByte(line+" ", ' ')], '/')+1:]
			if strings.ContainsAny(line, ";&") {
				return nil // no shell, no lists
			}
		}
		return parse(line)
	}
}

// parse returns what a command line does, nil if it is not known.
func parse(line string) *Run {
	run, status := &Run{}, 0
	exited, forever := false, false
	for list := range strings.SplitSeq(line, ";") {
		skip := false
		for word := range strings.SplitSeq(list, "&&") {
			fields := strings.Fields(word)
			if len(fields) == 0 || strings.ContainsAny(word, "|&<>$`\"'\\(){}*?#~") {
				return nil
			}
			now, d, exit, ok := step(fields, status)
			if !ok {
				return nil
			}
			if exited || forever || skip {
				continue
			}
			if d < 0 {
				forever = true
				continue
			}
			run.For, status, exited = min(run.For+d, 1<<62), now, exit
			skip = status != 0
		}
	}
	switch {
	case forever:
		run.For = 0
	case status != 0:
		run.End, run.Message = mesospb.TaskState_TASK_FAILED, fmt.Sprintf("Command exited with status %d", status)
	default:
		run.End, run.Message = mesospb.TaskState_TASK_FINISHED, "Command exited with status 0"
	}
	return run
}

// step returns the status of one command after another's, how long it takes, -1 for ever, and whether it ends the shell.
func step(fields []string, before int) (status int, d time.Duration, exit, ok bool) {
	args := fields[1:]
	switch fields[0] {
	case "true", ":", "echo":
		return 0, 0, false, true
	case "false":
		return 1, 0, false, true
	case "exit":
		if len(args) == 0 {
			return before, 0, true, true
		}
		n, err := strconv.ParseUint(args[0], 10, 8)
		return int(n), 0, true, err == nil && len(args) == 1
	case "sleep":
		if len(args) != 1 {
			return 0, 0, false, false
		}
		if args[0] == "infinity" {
			return 0, -1, false, true
		}
		s, err := strconv.ParseFloat(args[0], 64)
		if err != nil || !(s >= 0 && s < 1e8) {
			return 0, 0, false, false
		}
		return 0, time.Duration(s * float64(time.Second)), false, true
	}
	return 0, 0, false, false
}
