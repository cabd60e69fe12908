package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func newMasterState(o *operating) *cobra.Command {
	return &cobra.Command{
		Use: "state", Short: "Show the cluster at a glance", Args: cobra.NoArgs,
		Long: "state counts agents, frameworks, tasks and resources. With -o json it prints the whole state, which is many megabytes in a big cluster.",
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			s, err := m.GetState(cmd.Context())
			if err != nil {
				return err
			}
			if structured(cmd) {
				return emitMessage(cmd, s, nil)
			}
			info, err := m.GetMaster(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, nil, "%s", stateText(cmd, m.Leader(), info, s))
		}),
	}
}

func stateText(cmd *cobra.Command, leader string, info *masterpb.Response_GetMaster, s *masterpb.Response_GetState) string {
	var agents, frameworks, tasks tally
	total, used, offered := new(resources.Quantities), new(resources.Quantities), new(resources.Quantities)
	for _, a := range s.GetGetAgents().GetAgents() {
		agents.count(stateOfAgent(a))
		total.Add(a.GetTotalResources())
		used.Add(a.GetAllocatedResources())
		offered.Add(a.GetOfferedResources())
	}
	for range s.GetGetAgents().GetRecoveredAgents() {
		agents.count("recovered")
	}
	for _, f := range s.GetGetFrameworks().GetFrameworks() {
		frameworks.count(stateOfFramework(f))
	}
	for _, t := range s.GetGetTasks().GetTasks() {
		tasks.count(t.GetState().String())
	}
	for range s.GetGetTasks().GetUnreachableTasks() {
		tasks.count(mesospb.TaskState_TASK_UNREACHABLE.String())
	}
	t := newTable(cmd, "resource", "total", "used", "offered")
	for name := range total.All() {
		t.AppendRow(table.Row{name, total.Scalar(name), used.Scalar(name), offered.Scalar(name)})
	}
	master := fmt.Sprintf("master      %s, Mesos %s, elected %s", leader, info.GetMasterInfo().GetVersion(), ago(seconds(info.GetElectedTime())))
	return strings.Join([]string{master, "agents      " + agents.String(), "frameworks  " + frameworks.String(), "tasks       " + tasks.String(), t.Render()}, "\n")
}

// tally counts by state.
type tally struct {
	states []string
	n      map[string]int
}

func (t *tally) count(state string) {
	if t.n == nil {
		t.n = map[string]int{}
	}
	if t.n[state]++; t.n[state] == 1 {
		t.states = append(t.states, state)
	}
}

func (t *tally) String() string {
	if len(t.states) == 0 {
		return "none"
	}
	return strings.Join(each(t.states, func(s string) string { return fmt.Sprintf("%d %s", t.n[s], s) }), ", ")
}

// stateOfAgent is how a master sees an agent that is registered.
func stateOfAgent(a *masterpb.Response_GetAgents_Agent) string {
	switch {
	case a.GetDrainInfo().GetState() == mesospb.DrainState_DRAINED:
		return "drained"
	case a.GetDrainInfo() != nil:
		return "draining"
	case a.GetDeactivated():
		return "deactivated"
	case !a.GetActive():
		return "disconnected"
	}
	return "active"
}

func newMasterAgents(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "agents [AGENT…]", Short: "Show agents: state, resources, attributes",
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, refs []string) error {
			list, err := m.GetAgents(cmd.Context())
			if err != nil {
				return err
			}
			if len(refs) > 0 {
				some := new(masterpb.Response_GetAgents)
				for _, ref := range refs {
					a, err := pickAgent(list, ref)
					if err != nil {
						return err
					}
					some.Agents = append(some.Agents, a)
				}
				list = some
			}
			return emitMessage(cmd, list, func() string { return agentTable(cmd, list) })
		}),
	}
}

func agentTable(cmd *cobra.Command, list *masterpb.Response_GetAgents) string {
	t := newTable(cmd, "agent", "hostname", "state", "resources", "used", "offered", "attributes", "registered", nameColumn("id"))
	for _, a := range list.GetAgents() {
		info := a.GetAgentInfo()
		attributes, _ := resources.FormatAttributes(info.GetAttributes())
		t.AppendRow(table.Row{agentAddress(a), info.GetHostname(), stateOfAgent(a), quantities(a.GetTotalResources()),
			quantities(a.GetAllocatedResources()), quantities(a.GetOfferedResources()), strings.TrimSpace(attributes + " " + domainOf(info)),
			ago(timeOf(a.GetRegisteredTime())), info.GetId().GetValue()})
	}
	for _, info := range list.GetRecoveredAgents() {
		t.AppendRow(table.Row{"", info.GetHostname(), "recovered", quantities(info.GetResources()), "", "", "", "", info.GetId().GetValue()})
	}
	return t.Render()
}

// domainOf is a fault domain as REGION/ZONE.
func domainOf(info *mesospb.AgentInfo) string {
	d := info.GetDomain().GetFaultDomain()
	if d == nil {
		return ""
	}
	return d.GetRegion().GetName() + "/" + d.GetZone().GetName()
}

// quantities is how much there is of each scalar.
func quantities(list []*mesospb.Resource) string { return resources.QuantitiesOf(list).String() }

func newMasterFrameworks(o *operating) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "frameworks", Short: "Show frameworks", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			list, err := m.GetFrameworks(cmd.Context())
			if err != nil {
				return err
			}
			if !all {
				list.CompletedFrameworks = nil
			}
			return emitMessage(cmd, list, func() string {
				t := newTable(cmd, "framework", "roles", "state", "used", "offered", wide("principal"), wide("host"), "since", nameColumn("id"))
				for _, f := range append(slices.Clone(list.GetFrameworks()), list.GetCompletedFrameworks()...) {
					info := f.GetFrameworkInfo()
					since := timeOf(f.GetRegisteredTime())
					if f.GetUnregisteredTime() != nil {
						since = timeOf(f.GetUnregisteredTime())
					} else if f.GetReregisteredTime() != nil {
						since = timeOf(f.GetReregisteredTime())
					}
					t.AppendRow(table.Row{info.GetName(), strings.Join(rolesOf(info), ","), stateOfFramework(f), quantities(f.GetAllocatedResources()),
						quantities(f.GetOfferedResources()), info.GetPrincipal(), info.GetHostname(), ago(since), info.GetId().GetValue()})
				}
				return t.Render()
			})
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "show those that are gone, too, as far as the master remembers them")
	return cmd
}

func rolesOf(info *mesospb.FrameworkInfo) []string {
	if len(info.GetRoles()) > 0 {
		return info.GetRoles()
	}
	return []string{info.GetRole()} //lint:ignore SA1019 frameworks without MULTI_ROLE have it
}

// stateOfFramework is how a master sees a framework.
func stateOfFramework(f *masterpb.Response_GetFrameworks_Framework) string {
	switch {
	case f.GetUnregisteredTime().GetNanoseconds() != 0:
		return "completed"
	case f.GetRecovered():
		return "recovered"
	case !f.GetConnected():
		return "disconnected"
	case !f.GetActive():
		return "inactive"
	}
	return "active"
}

// taskFilter is what the flags of tasks name.
type taskFilter struct {
	framework, agent string
	states           []string
	all              bool
}

func newMasterTasks(o *operating) *cobra.Command {
	var filter taskFilter
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "tasks", Short: "Show tasks", Args: cobra.NoArgs,
		Long:    "tasks shows tasks that have not ended, those on agents that cannot be reached included, with --all those that have, as far as the master remembers them.",
		Example: "  mesokit master tasks --agent S0\n  mesokit master tasks --all --state TASK_FAILED,TASK_LOST",
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			for i, name := range filter.states {
				name = strings.ToUpper(name)
				if !strings.HasPrefix(name, "TASK_") {
					name = "TASK_" + name
				}
				if _, ok := mesospb.TaskState_value[name]; !ok {
					return usagef("--state %q: want a state of tasks, such as TASK_RUNNING", filter.states[i])
				}
				filter.states[i] = name
			}
			return showTasks(cmd, m, filter)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&filter.framework, "framework", "", "tasks of this framework only")
	f.StringVar(&filter.agent, "agent", "", "tasks on this agent only")
	f.StringSliceVar(&filter.states, "state", nil, "tasks in these states only, such as TASK_RUNNING")
	f.BoolVar(&filter.all, "all", false, "show those that have ended, too")
	return cmd
}

func showTasks(cmd *cobra.Command, m *operator.Master, filter taskFilter) error {
	ctx := cmd.Context()
	tasks, err := m.GetTasks(ctx)
	if err != nil {
		return err
	}
	frameworks, err := m.GetFrameworks(ctx)
	if err != nil {
		return err
	}
	agents, err := m.GetAgents(ctx)
	if err != nil {
		return err
	}
	everything := append(slices.Clone(frameworks.GetFrameworks()), frameworks.GetCompletedFrameworks()...)
	var framework, agent string
	if filter.framework != "" {
		info, err := findFramework(everything, filter.framework)
		if err != nil {
			return err
		}
		framework = info.GetId().GetValue()
	}
	if filter.agent != "" {
		ids, err := agentIDs(ctx, m, []string{filter.agent})
		if err != nil {
			return err
		}
		agent = ids[0]
	}
	keep := func(list []*mesospb.Task) []*mesospb.Task {
		return slices.DeleteFunc(list, func(t *mesospb.Task) bool {
			return framework != "" && t.GetFrameworkId().GetValue() != framework || agent != "" && t.GetAgentId().GetValue() != agent ||
				len(filter.states) > 0 && !slices.Contains(filter.states, t.GetState().String())
		})
	}
	tasks.Tasks, tasks.UnreachableTasks, tasks.CompletedTasks = keep(tasks.Tasks), keep(tasks.UnreachableTasks), keep(tasks.CompletedTasks)
	if !filter.all {
		tasks.CompletedTasks = nil
	}
	names, hosts := map[string]string{}, map[string]string{}
	for _, f := range everything {
		names[f.GetFrameworkInfo().GetId().GetValue()] = f.GetFrameworkInfo().GetName()
	}
	for _, a := range agents.GetAgents() {
		hosts[a.GetAgentInfo().GetId().GetValue()] = a.GetAgentInfo().GetHostname()
	}
	return emitMessage(cmd, tasks, func() string {
		t := newTable(cmd, "task", "name", "state", "framework", "hostname", "agent", "resources", "since", "last")
		for _, task := range slices.Concat(tasks.Tasks, tasks.UnreachableTasks, tasks.CompletedTasks) {
			t.AppendRow(taskRow(task, names[task.GetFrameworkId().GetValue()], hosts[task.GetAgentId().GetValue()]))
		}
		return t.Render()
	})
}

func taskRow(task *mesospb.Task, framework, host string) table.Row {
	since, last := lastStatus(task)
	agent := task.GetAgentId().GetValue()
	if i := strings.LastIndexByte(agent, '-'); i >= 0 {
		agent = agent[i+1:]
	}
	return table.Row{task.GetTaskId().GetValue(), task.GetName(), task.GetState().String(), framework, host, agent, quantities(task.GetResources()), ago(since), last}
}

// lastStatus tells since when a task is in its state, and what was said then.
func lastStatus(task *mesospb.Task) (since time.Time, text string) {
	if n := len(task.GetStatuses()); n > 0 {
		status := task.GetStatuses()[n-1]
		since = seconds(status.GetTimestamp())
		if status.Reason != nil && task.GetState() != mesospb.TaskState_TASK_RUNNING {
			text = strings.TrimPrefix(status.GetReason().String(), "REASON_") + " "
		}
		text += status.GetMessage()
		if status.Healthy != nil && task.GetState() == mesospb.TaskState_TASK_RUNNING {
			text = map[bool]string{true: "healthy ", false: "unhealthy "}[status.GetHealthy()] + text
		}
	}
	return since, strings.TrimSpace(text)
}

func newMasterRoles(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "roles", Short: "Show roles in use: weight, frameworks, resources", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			roles, err := m.GetRoles(cmd.Context())
			if err != nil {
				return err
			}
			return emitMessage(cmd, &masterpb.Response_GetRoles{Roles: roles}, func() string {
				t := newTable(cmd, "role", "weight", "frameworks", "resources")
				for _, r := range roles {
					t.AppendRow(table.Row{r.GetName(), r.GetWeight(), len(r.GetFrameworks()), quantities(r.GetResources())})
				}
				return t.Render()
			})
		}),
	}
}

func newMasterOperations(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "operations", Short: "Show offer operations that are under way or not acknowledged", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			list, err := m.GetOperations(cmd.Context())
			if err != nil {
				return err
			}
			return emitMessage(cmd, &masterpb.Response_GetOperations{Operations: list}, func() string {
				if len(list) == 0 {
					return noneOf(cmd, "No operation is under way.")
				}
				t := newTable(cmd, "operation", "type", "state", "framework", "agent", "message")
				for _, op := range list {
					t.AppendRow(table.Row{op.GetInfo().GetId().GetValue(), op.GetInfo().GetType().String(), op.GetLatestStatus().GetState().String(), op.GetFrameworkId().GetValue(),
						op.GetAgentId().GetValue(), op.GetLatestStatus().GetMessage()})
				}
				return t.Render()
			})
		}),
	}
}
