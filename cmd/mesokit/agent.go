package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// agentOperating is operating for one agent.
type agentOperating struct {
	operating
	agent string // --agent
}

func newAgent() *cobra.Command {
	var o agentOperating
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Look at an agent: containers, tasks, files; run commands in its containers",
		Long: `agent makes the calls of the operator API of an agent. --agent names it: by host:port, for which no master is asked, or by its id, the end
of it such as S0, or its hostname, which the master knows. Without --agent it is the agent of the TASK, or the only one there is.

TASK is the id of a task, the beginning of it, or its name, where only one fits.`,
		Example: `  mesokit agent state --agent S0
  mesokit agent containers --agent 10.0.0.7:5051
  mesokit agent files tail -f --task web.0 stdout
  mesokit agent exec -t web.0 -- bash`,
	}
	o.flags(cmd)
	cmd.PersistentFlags().StringVar(&o.agent, "agent", "", "the agent: host:port, URL, id, end of the id such as S0, or hostname (default: that of the task, or the only one)")
	open := func(follows bool, run nodeRun) func(*cobra.Command, []string) error {
		return o.withAgent(follows, func(cmd *cobra.Command, a *operator.Agent, args []string) error { return run(cmd, a, args) })
	}
	cmd.AddCommand(newAgentState(&o), newAgentTasks(&o), newAgentContainers(&o), newAgentFiles(&o), newAgentExec(&o), newAgentAttach(&o))
	cmd.AddCommand(nodeCommands("agent", open)...)
	o.completions(cmd)
	return cmd
}

// withAgent runs a command with the agent that --agent names.
func (o *agentOperating) withAgent(follows bool, run func(cmd *cobra.Command, a *operator.Agent, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return o.opened(cmd, follows, func() error {
			a, err := o.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			return run(cmd, a, args)
		})
	}
}

// direct tells whether --agent says where the agent is.
func (o *agentOperating) direct() bool { return strings.Contains(o.agent, ":") }

// open returns a client of the agent that --agent names.
func (o *agentOperating) open(ctx context.Context) (*operator.Agent, error) {
	if o.direct() {
		o.where = "is there an agent? An --agent by id or hostname is looked up at the master"
		return o.at(o.agent, o.to.scheme)
	}
	m, err := o.newMaster()
	if err != nil {
		return nil, err
	}
	defer m.Close()
	list, err := m.GetAgents(ctx)
	if err != nil {
		return nil, err
	}
	if o.agent == "" {
		if len(list.GetAgents()) != 1 {
			var known []string
			for _, a := range list.GetAgents()[:min(10, len(list.GetAgents()))] {
				known = append(known, fmt.Sprintf("%s (%s)", a.GetAgentInfo().GetId().GetValue(), a.GetAgentInfo().GetHostname()))
			}
			return nil, usagef("which agent? Name one of %d with --agent: %s", len(list.GetAgents()), strings.Join(known, ", "))
		}
		o.agent = list.GetAgents()[0].GetAgentInfo().GetId().GetValue()
	}
	a, err := pickAgent(list, o.agent)
	if err != nil {
		return nil, err
	}
	scheme, _, _ := strings.Cut(m.Leader(), "://")
	return o.at(a.GetPid(), scheme)
}

func (o *agentOperating) at(address, scheme string) (*operator.Agent, error) {
	a, err := operator.NewAgent(operator.AgentConfig{Address: address, Scheme: scheme, Transport: o.tr})
	if err != nil {
		return nil, usagef("--agent %q: %w", address, err)
	}
	return a, nil
}

// place finds a task and its agent. The caller closes the agent.
func (o *agentOperating) place(ctx context.Context, ref string) (*operator.Agent, *operator.TaskPlace, error) {
	if o.agent != "" {
		a, err := o.open(ctx)
		if err != nil {
			return nil, nil, err
		}
		p, err := placeOn(ctx, a, ref)
		if err != nil {
			a.Close()
			return nil, nil, err
		}
		return a, p, nil
	}
	m, err := o.newMaster()
	if err != nil {
		return nil, nil, err
	}
	defer m.Close()
	tasks, err := m.GetTasks(ctx)
	if err != nil {
		return nil, nil, err
	}
	t, err := pickTask(ref, tasks.GetTasks(), tasks.GetCompletedTasks())
	if err != nil {
		return nil, nil, err
	}
	p, err := m.FindTask(ctx, t.GetFrameworkId().GetValue(), t.GetTaskId().GetValue())
	if err != nil {
		return nil, nil, err
	}
	if p.Agent == "" {
		return nil, nil, fmt.Errorf("the agent %s of task %s is not registered", p.AgentID, t.GetTaskId().GetValue())
	}
	a, err := o.at(p.Agent, o.to.scheme)
	return a, p, err
}

// placeOn finds a task of an agent.
func placeOn(ctx context.Context, a *operator.Agent, ref string) (*operator.TaskPlace, error) {
	tasks, err := a.GetTasks(ctx)
	if err != nil {
		return nil, err
	}
	t, err := pickTask(ref, tasks.GetLaunchedTasks(), slices.Concat(tasks.GetTerminatedTasks(), tasks.GetCompletedTasks()))
	if err != nil {
		return nil, err
	}
	p := &operator.TaskPlace{Task: t, FrameworkID: t.GetFrameworkId().GetValue(), ExecutorID: t.GetExecutorId().GetValue(), AgentID: t.GetAgentId().GetValue()}
	if p.ExecutorID == "" {
		p.ExecutorID = t.GetTaskId().GetValue()
	}
	for _, status := range t.GetStatuses() {
		if id := status.GetContainerStatus().GetContainerId(); id != nil {
			p.ContainerID = id
		}
	}
	return p, nil
}

func newAgentState(o *agentOperating) *cobra.Command {
	return &cobra.Command{
		Use: "state", Short: "Show the agent at a glance", Args: cobra.NoArgs,
		Long: "state describes the agent and counts what runs on it. With -o json it prints the whole state.",
		RunE: o.withAgent(false, func(cmd *cobra.Command, a *operator.Agent, _ []string) error {
			s, err := a.GetState(cmd.Context())
			if err != nil {
				return err
			}
			if structured(cmd) {
				return emitMessage(cmd, s, nil)
			}
			self, err := a.GetAgent(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, nil, "%s", agentText(strings.TrimSuffix(a.URL(), "/slave(1)"), self, s))
		}),
	}
}

// unacknowledged is what the tasks are that an agent calls terminated: they have ended, and their framework has not acknowledged it yet. Their state is
// the last one that was acknowledged.
const unacknowledged = "ended, not acknowledged"

func agentText(url string, self *agentpb.Response_GetAgent, s *agentpb.Response_GetState) string {
	info := self.GetAgentInfo()
	attributes, _ := resources.FormatAttributes(info.GetAttributes())
	var tasks tally
	used := new(resources.Quantities)
	for _, t := range slices.Concat(s.GetGetTasks().GetPendingTasks(), s.GetGetTasks().GetQueuedTasks(), s.GetGetTasks().GetLaunchedTasks()) {
		tasks.count(t.GetState().String())
		used.Add(t.GetResources())
	}
	for range s.GetGetTasks().GetTerminatedTasks() { // they use nothing any more
		tasks.count(unacknowledged)
	}
	lines := []string{
		"agent       " + info.GetId().GetValue(),
		"address     " + url,
		"hostname    " + info.GetHostname(),
		"resources   " + resources.Describe(info.GetResources()),
		"used        " + used.String() + " by tasks",
	}
	if extra := strings.TrimSpace(attributes + " " + domainOf(info)); extra != "" {
		lines = append(lines, "attributes  "+extra)
	}
	if self.GetDrainConfig() != nil {
		lines = append(lines, "draining    since "+ago(timeOf(self.GetEstimatedDrainStartTime())))
	}
	lines = append(lines,
		fmt.Sprintf("frameworks  %d", len(s.GetGetFrameworks().GetFrameworks())),
		fmt.Sprintf("executors   %d", len(s.GetGetExecutors().GetExecutors())),
		"tasks       "+tasks.String())
	return strings.Join(each(lines, visible.Line), "\n")
}

func newAgentTasks(o *agentOperating) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "tasks", Short: "Show tasks on the agent", Args: cobra.NoArgs,
		RunE: o.withAgent(false, func(cmd *cobra.Command, a *operator.Agent, _ []string) error {
			tasks, err := a.GetTasks(cmd.Context())
			if err != nil {
				return err
			}
			frameworks, err := a.GetFrameworks(cmd.Context())
			if err != nil {
				return err
			}
			if !all {
				tasks.CompletedTasks = nil
			}
			names := map[string]string{}
			for _, f := range slices.Concat(frameworks.GetFrameworks(), frameworks.GetCompletedFrameworks()) {
				names[f.GetFrameworkInfo().GetId().GetValue()] = f.GetFrameworkInfo().GetName()
			}
			return emitMessage(cmd, tasks, func() string {
				t := newTable(cmd, "task", "name", "state", "framework", "resources", "since", "last")
				for k, task := range slices.Concat(tasks.TerminatedTasks, tasks.PendingTasks, tasks.QueuedTasks, tasks.LaunchedTasks, tasks.CompletedTasks) {
					since, last := lastStatus(task)
					state := task.GetState().String()
					if k < len(tasks.TerminatedTasks) {
						state = unacknowledged
					}
					t.AppendRow(table.Row{task.GetTaskId().GetValue(), task.GetName(), state, names[task.GetFrameworkId().GetValue()],
						quantities(task.GetResources()), ago(since), last})
				}
				return t.Render()
			})
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "show those that have ended, too, as far as the agent remembers them")
	return cmd
}

func newAgentContainers(o *agentOperating) *cobra.Command {
	var cfg operator.ContainersConfig
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "containers", Short: "Show containers, with what they use", Args: cobra.NoArgs,
		RunE: o.withAgent(false, func(cmd *cobra.Command, a *operator.Agent, _ []string) error {
			list, err := a.GetContainers(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return emitMessage(cmd, &agentpb.Response_GetContainers{Containers: list}, func() string {
				t := newTable(cmd, "container", "executor", "framework", "pid", "cpus", "memory", "processes")
				for _, c := range list {
					t.AppendRow(containerRow(c))
				}
				return t.Render()
			})
		}),
	}
	cmd.Flags().BoolVar(&cfg.Nested, "nested", false, "show containers within others, too")
	cmd.Flags().BoolVar(&cfg.Standalone, "standalone", false, "show containers without an executor, too")
	return cmd
}

// containerRow leaves out what the agent does not tell.
func containerRow(c *agentpb.Response_GetContainers_Container) table.Row {
	row := table.Row{containerName(c.GetContainerId()), c.GetExecutorId().GetValue(), c.GetFrameworkId().GetValue(), "", "", "", ""}
	if pid := c.GetContainerStatus().GetExecutorPid(); pid != 0 {
		row[3] = pid
	}
	s := c.GetResourceStatistics()
	if s.GetCpusLimit() != 0 {
		row[4] = fmt.Sprintf("of %g", s.GetCpusLimit())
	}
	switch mib := func(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }; {
	case s != nil && s.MemRssBytes != nil && s.MemLimitBytes != nil:
		row[5] = mib(s.GetMemRssBytes()) + " of " + mib(s.GetMemLimitBytes())
	case s != nil && s.MemLimitBytes != nil:
		row[5] = "of " + mib(s.GetMemLimitBytes())
	}
	if s != nil && s.Processes != nil {
		row[6] = s.GetProcesses()
	}
	return row
}

// containerName is a container's id with those it is within.
func containerName(id *mesospb.ContainerID) string {
	if id.GetParent() == nil {
		return id.GetValue()
	}
	return containerName(id.GetParent()) + "." + id.GetValue()
}

func newAgentFiles(o *agentOperating) *cobra.Command {
	var task string
	group := newFiles("agent", `  mesokit agent files ls --task web.0
  mesokit agent files tail -f --task web.0 stdout
  mesokit agent files cat --agent S0 /slave/log`,
		func(follows bool, run func(*cobra.Command, node, pathOf, []string) error) func(*cobra.Command, []string) error {
			return func(cmd *cobra.Command, args []string) error {
				if task == "" && len(args) == 0 {
					return usagef("whose files? Name a --task, or a PATH such as /slave/log")
				}
				if task == "" {
					return o.withAgent(follows, func(cmd *cobra.Command, a *operator.Agent, args []string) error {
						return run(cmd, a, func(arg string) string { return arg }, args)
					})(cmd, args)
				}
				return o.opened(cmd, follows, func() error {
					a, p, err := o.place(cmd.Context(), task)
					if err != nil {
						return err
					}
					defer a.Close()
					return run(cmd, a, func(arg string) string { return path.Join(p.Sandbox(), arg) }, args)
				})
			}
		})
	group.PersistentFlags().StringVar(&task, "task", "", "files in the sandbox of this task: PATH begins there")
	return group
}
