package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func newMasterMaintenance(o *operating) *cobra.Command {
	group := &cobra.Command{
		Use: "maintenance", Short: "Plan maintenance of machines, begin it and end it",
		Long: `A machine that is scheduled drains: frameworks are told when it goes and asked to leave. start takes it down, which shuts its agents down; stop brings it
back, and agents may register again.

MACHINE is a machine as its agents advertise it: HOSTNAME/IP. A hostname, an IP or an agent will do where the master knows the rest.`,
		Example: `  mesokit master maintenance schedule add node7 --start 2h --duration 30m
  mesokit master maintenance status
  mesokit master maintenance start node7
  mesokit master maintenance stop node7`,
	}
	schedule := &cobra.Command{Use: "schedule", Short: "Show and change what is planned"}
	schedule.AddCommand(newScheduleShow(o), newScheduleUpdate(o), newScheduleAdd(o), newScheduleRemove(o))
	group.AddCommand(schedule, newMaintenanceStatus(o))
	for _, c := range []struct {
		name, short, done string
		do                func(m *operator.Master, cmd *cobra.Command, machines []*mesospb.MachineID) error
	}{
		{"start", "Take machines down that are scheduled: their agents are shut down", "down: %s",
			func(m *operator.Master, cmd *cobra.Command, machines []*mesospb.MachineID) error {
				return m.StartMaintenance(cmd.Context(), machines...)
			}},
		{"stop", "Bring machines back, and take them off the schedule", "up: %s",
			func(m *operator.Master, cmd *cobra.Command, machines []*mesospb.MachineID) error {
				return m.StopMaintenance(cmd.Context(), machines...)
			}},
	} {
		group.AddCommand(&cobra.Command{
			Use: c.name + " MACHINE…", Short: c.short, Args: cobra.MinimumNArgs(1),
			RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, refs []string) error {
				machines, _, err := findMachines(cmd, m, refs)
				if err != nil {
					return err
				}
				if err := c.do(m, cmd, machines); err != nil {
					return err
				}
				names := strings.Join(each(machines, machineName), " ")
				return tell(cmd, map[string]string{"machines": names}, c.done, names)
			}),
		})
	}
	return group
}

func machineName(id *mesospb.MachineID) string { return id.GetHostname() + "/" + id.GetIp() }

// findMachines finds machines among those that are scheduled and those that agents run on. It returns the schedule, too.
func findMachines(cmd *cobra.Command, m *operator.Master, refs []string) ([]*mesospb.MachineID, *maintenancepb.Schedule, error) {
	schedule, err := m.GetMaintenanceSchedule(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	agents, err := m.GetAgents(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	var known []*mesospb.MachineID
	for _, w := range schedule.GetWindows() {
		known = append(known, w.GetMachineIds()...)
	}
	for _, a := range agents.GetAgents() {
		known = append(known, machineOf(a))
	}
	var found []*mesospb.MachineID
	for _, ref := range refs {
		id, err := findMachine(known, agents, ref)
		if err != nil {
			return nil, nil, err
		}
		if !slices.ContainsFunc(found, func(other *mesospb.MachineID) bool { return machineName(other) == machineName(id) }) {
			found = append(found, id)
		}
	}
	return found, schedule, nil
}

// machineOf is the machine of an agent, as masters see it.
func machineOf(a *masterpb.Response_GetAgents_Agent) *mesospb.MachineID {
	ip, _, err := net.SplitHostPort(agentAddress(a))
	if err != nil {
		ip = agentAddress(a)
	}
	return &mesospb.MachineID{Hostname: proto.String(a.GetAgentInfo().GetHostname()), Ip: proto.String(ip)}
}

func findMachine(known []*mesospb.MachineID, agents *masterpb.Response_GetAgents, ref string) (*mesospb.MachineID, error) {
	if host, ip, ok := strings.Cut(ref, "/"); ok {
		return &mesospb.MachineID{Hostname: proto.String(host), Ip: proto.String(ip)}, nil
	}
	found := map[string]*mesospb.MachineID{}
	for _, id := range known {
		if strings.EqualFold(id.GetHostname(), ref) || id.GetIp() == ref {
			found[strings.ToLower(machineName(id))] = id
		}
	}
	if len(found) == 0 {
		if a, err := pickAgent(agents, ref); err == nil {
			return machineOf(a), nil
		}
	}
	switch names := sortedKeys(found); len(names) {
	case 0:
		return nil, fmt.Errorf("no agent runs on a machine %q, and none is scheduled; name it as HOSTNAME/IP", ref)
	case 1:
		return found[names[0]], nil
	default:
		return nil, usagef("%q may be any of %s: name one of these", ref, strings.Join(names, ", "))
	}
}

func newScheduleShow(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "show", Short: "Show what is planned; with -o json in the form that update takes", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			s, err := m.GetMaintenanceSchedule(cmd.Context())
			if err != nil {
				return err
			}
			return emitMessage(cmd, s, func() string { return scheduleTable(cmd, s) })
		}),
	}
}

func scheduleTable(cmd *cobra.Command, s *maintenancepb.Schedule) string {
	if len(s.GetWindows()) == 0 {
		return noneOf(cmd, "No maintenance is planned.")
	}
	t := newTable(cmd, "machine", "from", "until")
	for _, w := range s.GetWindows() {
		start, until := timeOf(w.GetUnavailability().GetStart()), "open"
		if d := w.GetUnavailability().GetDuration(); d != nil {
			until = start.Add(time.Duration(d.GetNanoseconds())).Local().Format(time.DateTime)
		}
		for _, id := range w.GetMachineIds() {
			t.AppendRow(table.Row{machineName(id), start.Local().Format(time.DateTime), until})
		}
	}
	return t.Render()
}

func newScheduleUpdate(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "update FILE", Short: "Replace the whole schedule by that of a file, - for stdin", Args: cobra.ExactArgs(1),
		Long: `update takes the JSON that Mesos' /maintenance/schedule takes, and show -o json prints: {"windows": [{"machine_ids": [{"hostname": "node7", "ip": "10.0.0.7"}],
"unavailability": {"start": {"nanoseconds": 1735689600000000000}, "duration": {"nanoseconds": 1800000000000}}}]}. An empty object removes the schedule.
add and rm change single machines.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var text []byte
			var err error
			if args[0] == "-" {
				text, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<20))
			} else {
				text, err = os.ReadFile(args[0])
			}
			if err != nil {
				return usagef("%w", err)
			}
			s := new(maintenancepb.Schedule)
			if err := codec.JSON.Unmarshal(text, s); err != nil {
				return usagef("%s: %w", args[0], err)
			}
			return o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error { return updateSchedule(cmd, m, s) })(cmd, args)
		},
	}
}

func updateSchedule(cmd *cobra.Command, m *operator.Master, s *maintenancepb.Schedule) error {
	if err := m.UpdateMaintenanceSchedule(cmd.Context(), s); err != nil {
		return err
	}
	return emitMessage(cmd, s, func() string { return scheduleTable(cmd, s) })
}

func newScheduleAdd(o *operating) *cobra.Command {
	var start string
	var d time.Duration
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "add MACHINE…", Short: "Plan maintenance of machines", Args: cobra.MinimumNArgs(1),
		Long: "add puts machines on the schedule. One that is there already gets another time.",
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := parseStart(start, time.Now())
			if err != nil {
				return err
			}
			if d < 0 {
				return usagef("--duration %v: want 0 or more", d)
			}
			return o.withMaster(func(cmd *cobra.Command, m *operator.Master, refs []string) error {
				machines, s, err := findMachines(cmd, m, refs)
				if err != nil {
					return err
				}
				s = without(s, machines)
				u := &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(at.UnixNano())}}
				if d > 0 {
					u.Duration = &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(d))}
				}
				s.Windows = append(s.Windows, &maintenancepb.Window{MachineIds: machines, Unavailability: u})
				return updateSchedule(cmd, m, s)
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&start, "start", "now", "when it begins: now, a time from now such as 2h, or a time such as 2026-01-31T22:00:00Z")
	cmd.Flags().DurationVar(&d, "duration", 0, "how long it takes (default: nobody knows)")
	return cmd
}

// parseStart reads a time, or one from now.
func parseStart(text string, now time.Time) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, usagef("--start %q: want now, a time from now such as 2h, or a time such as 2026-01-31T22:00:00Z", text)
}

func newScheduleRemove(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "rm MACHINE…", Short: "Take machines off the schedule", Args: cobra.MinimumNArgs(1),
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, refs []string) error {
			machines, s, err := findMachines(cmd, m, refs)
			if err != nil {
				return err
			}
			return updateSchedule(cmd, m, without(s, machines))
		}),
	}
}

// without returns a schedule without some machines.
func without(s *maintenancepb.Schedule, machines []*mesospb.MachineID) *maintenancepb.Schedule {
	out := new(maintenancepb.Schedule)
	for _, w := range s.GetWindows() {
		w = proto.CloneOf(w)
		w.MachineIds = slices.DeleteFunc(w.MachineIds, func(id *mesospb.MachineID) bool {
			return slices.ContainsFunc(machines, func(other *mesospb.MachineID) bool { return strings.EqualFold(machineName(id), machineName(other)) })
		})
		if len(w.MachineIds) > 0 {
			out.Windows = append(out.Windows, w)
		}
	}
	return out
}

func newMaintenanceStatus(o *operating) *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "status", Short: "Show machines that drain, with what frameworks answered, and those that are down", Args: cobra.NoArgs,
		RunE: o.withMaster(func(cmd *cobra.Command, m *operator.Master, _ []string) error {
			s, err := m.GetMaintenanceStatus(cmd.Context())
			if err != nil {
				return err
			}
			return emitMessage(cmd, s, func() string {
				if len(s.GetDrainingMachines())+len(s.GetDownMachines()) == 0 {
					return noneOf(cmd, "No machine is draining or down.")
				}
				t := newTable(cmd, "machine", "state", "answers of frameworks")
				for _, d := range s.GetDrainingMachines() {
					var answers tally
					for _, a := range d.GetStatuses() {
						answers.count(a.GetStatus().String())
					}
					t.AppendRow(table.Row{machineName(d.GetId()), "draining", answers.String()})
				}
				for _, id := range s.GetDownMachines() {
					t.AppendRow(table.Row{machineName(id), "down", ""})
				}
				return t.Render()
			})
		}),
	}
}
