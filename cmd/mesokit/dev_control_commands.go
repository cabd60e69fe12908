package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/control"
	"github.com/mesokit/mesokit/cluster/fault"
)

// addDevControl adds the subcommands that control a cluster that runs, and their flag.
func addDevControl(dev *cobra.Command) {
	dev.PersistentFlags().String("control", "", "address of the control interface: where dev serves it (default a free port), or where subcommands find it (default: the one dev that runs here)")
	dev.AddCommand(newDevList(), newDevAgent(), newDevFault(), newDevFailover(), newDevMaster())
}

// withControl runs a command with the cluster that it is about.
func withControl(run func(cmd *cobra.Command, ctl *control.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		address, _ := cmd.Flags().GetString("control")
		at, err := findDev(cmd.Context(), address)
		if err != nil {
			return err
		}
		ctl, err := control.NewClient(at.Control, at.Token)
		if err != nil {
			return usagef("--control: %w", err)
		}
		defer ctl.Close()
		err = run(cmd, ctl, args)
		if e, ok := errors.AsType[*control.Error](err); ok && e.Status == http.StatusBadRequest {
			return &exitError{exitUsage, err}
		}
		return err
	}
}

func newDevList() *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "ls", Short: "Show what runs in the cluster of mesokit dev", Args: cobra.NoArgs,
		RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, _ []string) error {
			status, err := ctl.Status(cmd.Context())
			if err != nil {
				return err
			}
			faults, err := ctl.Faults(cmd.Context())
			if err != nil {
				return err
			}
			if structured(cmd) {
				return emit(cmd, struct {
					cluster.Status
					Faults []fault.State `json:"faults"`
				}{status, faults}, "")
			}
			return printStatus(cmd, status, faults)
		}),
	}
}

func newDevAgent() *cobra.Command {
	cmd := &cobra.Command{
		Use: "agent", Short: "Add, stop, kill, restart, partition and heal agents",
		Long: `AGENT is an id, the end of an id such as S0, a host name or an address; mesokit dev ls shows them.`,
		Example: `  mesokit dev agent add --hostname a9 --resources 'cpus:8;mem:4096' --attributes rack:r2 --domain eu/b
  mesokit dev agent partition S0`,
	}
	cmd.AddCommand(newDevAgentAdd())
	for _, a := range []struct {
		action      control.Action
		short, done string
	}{
		{control.Stop, "Shut agents down: their tasks are killed, the master forgets them", "stopped"},
		{control.Kill, "End agents as if their machines failed: nobody says goodbye", "killed"},
		{control.Suspend, "End the processes of agents, but not their executors", "suspended"},
		{control.Resume, "Start suspended agents again", "resumed"},
		{control.Restart, "Suspend and resume agents", "restarted"},
		{control.Partition, "Cut agents off from the master", "partitioned"},
		{control.Heal, "End partitions", "healed"},
	} {
		newID := false
		verb := &cobra.Command{
			Use: string(a.action) + " AGENT…", Short: a.short, Args: cobra.MinimumNArgs(1),
			RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, args []string) error {
				action := a.action
				if newID {
					action = control.RestartWithNewID
				}
				for _, ref := range args {
					agent, err := ctl.Act(cmd.Context(), ref, action)
					if err != nil {
						return err
					}
					if err := emit(cmd, agent, "%s %s (%s, %s)", a.done, agent.ID, agent.Hostname, agent.Address); err != nil {
						return err
					}
				}
				return nil
			}),
		}
		if a.action == control.Restart {
			verb.Long = `Suspend and resume agents: executors of frameworks that checkpoint live on.

With --new-id agents come back as new ones, with their reservations and volumes: their tasks are lost. So do agents of Mesos that were shut
down for maintenance or marked gone.`
			verb.Flags().BoolVar(&newID, "new-id", false, "end agents for good and start them under new ids, with their reservations and volumes")
		}
		cmd.AddCommand(verb)
	}
	return cmd
}

func newDevAgentAdd() *cobra.Command {
	var cfg cluster.AgentConfig
	var disks []string
	count := 1
	cmd := &cobra.Command{
		Use: "add", Short: "Start agents", Args: cobra.NoArgs,
		RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, _ []string) error {
			if count < 1 {
				return usagef("--count %d: want 1 or more", count)
			}
			for _, text := range disks {
				d, err := parseDisk(text)
				if err != nil {
					return err
				}
				cfg.Disks = append(cfg.Disks, d)
			}
			for range count {
				a, err := ctl.AddAgent(cmd.Context(), cfg)
				if err != nil {
					return err
				}
				if err := emit(cmd, a, "added %s (%s, %s)", a.ID, a.Hostname, a.Address); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	f := cmd.Flags()
	f.IntVar(&count, "count", 1, "how many")
	f.StringVar(&cfg.Hostname, "hostname", "", "host name that the agent advertises (default localhost)")
	f.StringVar(&cfg.Address, "address", "", "where the agent listens (default a free port of 127.0.0.1)")
	f.StringVar(&cfg.Resources, "resources", "", "as mesos-agent --resources, static reservations included: 'cpus(eng):2;mem:512'; what is not named is detected")
	f.StringVar(&cfg.Role, "role", "", "role to which resources are reserved that name none")
	f.StringVar(&cfg.Attributes, "attributes", "", "as mesos-agent --attributes")
	f.StringVar(&cfg.Domain, "domain", "", "fault domain, REGION/ZONE")
	f.BoolVar(&cfg.Simulated, "simulated", false, "an agent whose tasks are no processes: they run until they are killed")
	f.StringArrayVar(&disks, "disk", nil, "a disk of its own: path:ROOT:MB or mount:ROOT:MB; may be repeated")
	return cmd
}

// parseDisk reads path:ROOT:MB or mount:ROOT:MB.
func parseDisk(text string) (d cluster.Disk, err error) {
	kind, rest, _ := strings.Cut(text, ":")
	i := strings.LastIndexByte(rest, ':')
	if i > 0 && (kind == "path" || kind == "mount") {
		if d.MB, err = strconv.ParseFloat(rest[i+1:], 64); err == nil && d.MB > 0 {
			d.Root, d.Mount = rest[:i], kind == "mount"
			return d, nil
		}
	}
	return cluster.Disk{}, usagef("--disk %q: want path:ROOT:MB or mount:ROOT:MB, such as path:/mnt/data:1024", text)
}

func newDevFault() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fault", Short: "Play faults to the clients of the cluster",
		Long: `A fault is a rule: where it applies (call, event or update), what it does, and key=value pairs that say to what
and how often.

  call    answer (status, body, header), lose, delay (time), hang, reset, cut, limit (rate)
  event   drop, delay (time), stall, sever, reset (bytes)
  update  drop, delay (time), duplicate (copies), reorder (window, time)

  which   api=scheduler|executor|operator path=… type=… framework=ID|NAME agent=ID|HOSTNAME task=… state=…
          (in patterns * stands for anything)
  when    count=N skip=N p=PROBABILITY seed=N for=DURATION`,
		Example: `  mesokit dev fault add call answer status=503 type=ACCEPT count=2
  mesokit dev fault add call lose type=REVIVE count=1
  mesokit dev fault add call limit rate=1kB/s type=SUBSCRIBE
  mesokit dev fault add event drop type=HEARTBEAT framework=web
  mesokit dev fault add event sever framework=web
  mesokit dev fault add update delay time=5s state=TASK_RUNNING`,
	}
	var all bool
	rm := &cobra.Command{
		Use: "rm ID…", Short: "Remove faults, all with --all",
		RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, ids []string) error {
			if all == (len(ids) > 0) {
				return usagef("want the ids of faults, or --all")
			}
			if all {
				if err := ctl.ClearFaults(cmd.Context()); err != nil {
					return err
				}
				return emit(cmd, map[string]bool{"all": true}, "removed all")
			}
			for _, id := range ids {
				if err := ctl.RemoveFault(cmd.Context(), id); err != nil {
					return err
				}
				if err := emit(cmd, map[string]string{"id": id}, "removed %s", id); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	rm.Flags().BoolVar(&all, "all", false, "remove all")
	cmd.AddCommand(rm, &cobra.Command{
		Use: "add RULE…", Short: "Add a fault", Args: cobra.MinimumNArgs(1),
		RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, args []string) error {
			s, err := ctl.AddFault(cmd.Context(), ruleOf(args))
			if err != nil {
				return err
			}
			return emit(cmd, s, "added %s: %s", s.ID, s.Text)
		}),
	}, &cobra.Command{
		Annotations: printsTable(), Use: "ls", Short: "Show faults, and how often they have hit", Args: cobra.NoArgs,
		RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, _ []string) error {
			list, err := ctl.Faults(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, list, "%s", faultTable(cmd, list))
		}),
	})
	return cmd
}

// ruleOf makes a rule of arguments, from which the shell has taken the quotes.
func ruleOf(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	words := make([]string, len(args))
	for i, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if ok && strings.ContainsAny(value, " \t\r\n\"") {
			arg = key + "=" + strconv.Quote(value)
		}
		words[i] = arg
	}
	return strings.Join(words, " ")
}

// emitMasters prints masters.
func emitMasters(cmd *cobra.Command, masters []cluster.MasterStatus, err error) error {
	if err != nil {
		return err
	}
	leader := "no master leads"
	for _, m := range masters {
		if m.Leading {
			leader = fmt.Sprintf("%s leads (%s)", m.Address, m.ID)
		}
	}
	return emit(cmd, masters, "%s", leader)
}

func newDevFailover() *cobra.Command {
	return &cobra.Command{
		Use: "failover", Short: "Make another master lead", Args: cobra.NoArgs,
		Long: `failover makes the leading master step down. With a single master it is the same that leads again, under a new id: it has forgotten
everything but its registry, and agents and frameworks come back to it.`,
		RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, _ []string) error {
			masters, err := ctl.FailOver(cmd.Context())
			return emitMasters(cmd, masters, err)
		}),
	}
}

func newDevMaster() *cobra.Command {
	cmd := &cobra.Command{Use: "master", Short: "Kill masters and start them again"}
	for _, m := range []struct {
		name, short string
		do          func(*control.Client, context.Context, string) ([]cluster.MasterStatus, error)
	}{
		{"kill", "Kill the master at an address", (*control.Client).KillMaster},
		{"start", "Start a killed master again", (*control.Client).StartMaster},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: m.name + " ADDRESS", Short: m.short, Args: cobra.ExactArgs(1),
			RunE: withControl(func(cmd *cobra.Command, ctl *control.Client, args []string) error {
				masters, err := m.do(ctl, cmd.Context(), args[0])
				return emitMasters(cmd, masters, err)
			}),
		})
	}
	return cmd
}
