package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func newMaster() *cobra.Command {
	var o operating
	cmd := &cobra.Command{
		Use:   "master",
		Short: "Look at a cluster and run it: agents, tasks, frameworks, roles, drains, maintenance, quota",
		Long: `master makes the calls of the operator API of the leading master. --master may name any of the masters: the call finds its way.

AGENT is the id of an agent, the end of it such as S0, its hostname or its address; FRAMEWORK the id of a framework, the end of
it such as 0001, or its name. With -o json the answers of Mesos come as they are, one object a line.`,
		Example: `  mesokit master state
  mesokit master tasks --framework web
  mesokit master drain S3 --max-grace-period 1m
  mesokit master maintenance schedule add node7 --start 2h --duration 30m`,
	}
	o.flags(cmd)
	open := func(follows bool, run nodeRun) func(*cobra.Command, []string) error {
		return o.masterRun(follows, func(cmd *cobra.Command, m *operator.Master, args []string) error { return run(cmd, m, args) })
	}
	cmd.AddCommand(newMasterState(&o), newMasterAgents(&o), newMasterTasks(&o), newMasterFrameworks(&o), newMasterRoles(&o), newMasterOperations(&o), newMasterLeader(&o),
		newMasterTeardown(&o), newMasterDrain(&o), newMasterMaintenance(&o), newMasterQuota(&o), newMasterWeights(&o),
		newMasterReserve(&o), newMasterUnreserve(&o), newMasterVolumes(&o), newMasterEvents(&o))
	cmd.AddCommand(newMasterAgentCommands(&o)...)
	cmd.AddCommand(nodeCommands("master", open)...)
	cmd.AddCommand(newFiles("master", `  mesokit master files ls /master
  mesokit master files tail -f /master/log`,
		func(follows bool, run func(*cobra.Command, node, pathOf, []string) error) func(*cobra.Command, []string) error {
			return open(follows, func(cmd *cobra.Command, n node, args []string) error {
				return run(cmd, n, func(arg string) string { return arg }, args)
			})
		}))
	o.completions(cmd)
	return cmd
}

func newMasterLeader(o *operating) *cobra.Command {
	return &cobra.Command{
		Use: "leader", Short: "Show which master leads", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			info, err := m.GetMaster(cmd.Context())
			if err != nil {
				return err
			}
			if structured(cmd) {
				return emitMessage(cmd, info, nil)
			}
			return emit(cmd, nil, "%s leads (%s), elected %s", m.Leader(), info.GetMasterInfo().GetId(), ago(seconds(info.GetElectedTime())))
		}),
	}
}

// seconds reads a time of Mesos that is a number of seconds.
func seconds(s float64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(s * 1e6))
}

// countTasks counts tasks that have not ended.
func countTasks(tasks *masterpb.Response_GetTasks, of func(*mesospb.Task) bool) int {
	n := 0
	for _, t := range slices.Concat(tasks.GetTasks(), tasks.GetUnreachableTasks()) {
		if of(t) {
			n++
		}
	}
	return n
}

func newMasterTeardown(o *operating) *cobra.Command {
	cmd := &cobra.Command{
		Use: "teardown FRAMEWORK", Short: "Remove a framework for good, and kill its tasks", Args: cobra.ExactArgs(1),
		Long: "teardown kills all tasks of a framework and removes it. Its id cannot be used again: a scheduler that comes back with it is refused.",
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, args []string) error {
			list, err := m.GetFrameworks(cmd.Context())
			if err != nil {
				return err
			}
			f, err := findFramework(list.GetFrameworks(), args[0])
			if err != nil {
				return err
			}
			id := f.GetId().GetValue()
			tasks, err := m.GetTasks(cmd.Context())
			if err != nil {
				return err
			}
			n := countTasks(tasks, func(t *mesospb.Task) bool { return t.GetFrameworkId().GetValue() == id })
			if err := confirm(cmd, "teardown kills %s of framework %s (%s) and removes it for good", plural(n, "task"), f.GetName(), id); err != nil {
				return err
			}
			if err := m.Teardown(cmd.Context(), id); err != nil {
				return err
			}
			return tell(cmd, map[string]string{"framework": id}, "tore down framework %s (%s)", f.GetName(), id)
		}),
	}
	confirmFlag(cmd)
	return cmd
}

// newMasterAgentCommands returns what is done to agents in one call.
func newMasterAgentCommands(o *operating) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range []struct {
		name, short, long, done string
		final                   bool // cannot be undone
		do                      func(m *operator.Master, cmd *cobra.Command, id string) error
	}{
		{"deactivate", "Stop offers of agents; their tasks go on", "", "deactivated", false,
			func(m *operator.Master, cmd *cobra.Command, id string) error {
				return m.DeactivateAgent(cmd.Context(), id)
			}},
		{"reactivate", "End what deactivate and drain did", "reactivate lets agents be offered again. One that is being drained is refused until it is drained.", "reactivated", false,
			func(m *operator.Master, cmd *cobra.Command, id string) error {
				return m.ReactivateAgent(cmd.Context(), id)
			}},
		{"mark-gone", "Declare that agents and their tasks never come back", "mark-gone cannot be undone: an agent that comes back with the id is refused. AGENT may be one that is unreachable.", "marked gone", true,
			func(m *operator.Master, cmd *cobra.Command, id string) error {
				return m.MarkAgentGone(cmd.Context(), id)
			}},
	} {
		cmd := &cobra.Command{
			Use: c.name + " AGENT…", Short: c.short, Long: c.long, Args: cobra.MinimumNArgs(1),
			RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, refs []string) error {
				ids, err := agentIDs(cmd.Context(), m, refs)
				if err != nil {
					return err
				}
				if c.final {
					if err := confirmGone(cmd, m, c.name, ids); err != nil {
						return err
					}
				}
				for _, id := range ids {
					if err := c.do(m, cmd, id); err != nil {
						return err
					}
					if err := tell(cmd, map[string]string{"agent": id}, "%s %s", c.done, id); err != nil {
						return err
					}
				}
				return nil
			}),
		}
		if c.final {
			confirmFlag(cmd)
		}
		list = append(list, cmd)
	}
	return list
}

// confirmGone asks before agents are marked gone.
func confirmGone(cmd *cobra.Command, m *operator.Master, what string, ids []string) error {
	tasks, err := m.GetTasks(cmd.Context())
	if err != nil {
		return err
	}
	n := countTasks(tasks, func(t *mesospb.Task) bool { return slices.Contains(ids, t.GetAgentId().GetValue()) })
	return confirm(cmd, "%s ends %s, %s and the volumes on them for good: %s", what, plural(len(ids), "agent"), plural(n, "task"), strings.Join(ids, ", "))
}

// plural is a number of things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func newMasterDrain(o *operating) *cobra.Command {
	var grace time.Duration
	var cfg operator.DrainConfig
	var wait bool
	cmd := &cobra.Command{
		Use: "drain AGENT…", Short: "Kill the tasks of agents, and give them no work until reactivate", Args: cobra.MinimumNArgs(1),
		Long: `drain deactivates agents and kills their tasks, each within its kill grace period. mesokit master agents shows how far they are; with
--wait the command ends when they are drained. Frameworks start what they still want elsewhere.`,
		Example: "  mesokit master drain S3 --max-grace-period 1m --wait\n  mesokit master reactivate S3",
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("max-grace-period") {
				if grace < 0 {
					return usagef("--max-grace-period %v: want 0 or more", grace)
				}
				cfg.MaxGracePeriod = &grace
			}
			return o.masterRun(wait, func(cmd *cobra.Command, m *operator.Master, refs []string) error {
				ids, err := agentIDs(cmd.Context(), m, refs)
				if err != nil {
					return err
				}
				if cfg.MarkGone {
					if err := confirmGone(cmd, m, "drain --mark-gone", ids); err != nil {
						return err
					}
				}
				for _, id := range ids {
					if err := m.DrainAgent(cmd.Context(), id, cfg); err != nil {
						return err
					}
					if err := tell(cmd, map[string]string{"agent": id}, "draining %s", id); err != nil {
						return err
					}
				}
				if !wait {
					return nil
				}
				return waitDrained(cmd, m, ids, cfg.MarkGone)
			})(cmd, args)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&grace, "max-grace-period", 0, "no task gets more time than this to end (default: what each task's kill policy says)")
	f.BoolVar(&cfg.MarkGone, "mark-gone", false, "mark the agents gone when they are drained, which cannot be undone")
	f.BoolVar(&wait, "wait", false, "wait until they are drained; --timeout bounds it")
	confirmFlag(cmd)
	return cmd
}

// drainPoll is the time between two looks at agents that are being drained: no event tells the end.
const drainPoll = 200 * time.Millisecond

// waitDrained waits until agents are drained, or the master has no such agents any more.
func waitDrained(cmd *cobra.Command, m *operator.Master, ids []string, markGone bool) error {
	ctx := cmd.Context()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for len(ids) > 0 {
		list, err := m.GetAgents(ctx)
		if err != nil {
			return err
		}
		var left []string
		for _, id := range ids {
			a, err := pickAgent(list, id)
			_, gone := errors.AsType[*operator.NotFoundError](err)
			switch {
			case err != nil && !gone:
				return err
			case !gone && stateOfAgent(a) != "drained":
				left = append(left, id)
				continue
			}
			how := "drained"
			if gone {
				how = "no longer registered:"
				if markGone {
					how = "drained, and gone:"
				}
			}
			if err := tell(cmd, map[string]string{"agent": id}, "%s %s", how, id); err != nil {
				return err
			}
		}
		if ids = left; len(ids) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
