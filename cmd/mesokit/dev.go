package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/resources"
)

// devOptions are the flags that describe an embedded cluster.
type devOptions struct {
	agents     int
	port       int
	agentPort  int
	resources  string
	attributes string
	dir        string
	ownUser    bool
	verbose    bool
	json       bool
	security   devSecurity
	masters    devMasters
	policy     devPolicy
	logDir     string
}

func newDev() *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "dev",
		Short: "Run an embedded Mesos in the foreground",
		Long: `dev runs a Mesos master and agents in this process until it is interrupted. They speak the
V1 HTTP API on loopback: point any Mesos client at the address of the master.

It prints what runs when it starts, and then a line for each change. With --json, or -o json, one line is printed when everything is ready:
{"master":"127.0.0.1:5050","agents":[{"id":"…-S0","hostname":"localhost","address":"127.0.0.1:40001"}],"control":"127.0.0.1:40002","control_token":"…"}

Tasks run as the user that they or their framework name if root runs dev, else as you. Those of users whom this machine does not know are
dropped, as by a real agent; --no-switch-user lets them run. Agents have hostnames of their own, which lead to them: localhost, 127.0.0.2 and so on.

While it runs the subcommands, from another terminal, add and end agents, cut them off, play faults and make masters fail over. They
find it by a file in $XDG_RUNTIME_DIR/mesokit (or mesokit-dev-UID among the temporary files), which is removed at the end; --control
chooses among several. The file holds a token too, without which nobody controls the cluster, and only you can read it.`,
		Example: `  mesokit dev --agents 3 --agent-resources 'cpus:4;mem:4096' --agent-attributes 'rack:r1'
  mesokit dev --port 0 --json
  mesokit dev --agent-port 5051
  mesokit dev --masters 3 --zk zk://127.0.0.1:2181/mesos --state-dir ~/.local/state/mesos
  mesokit dev agent partition S0
  mesokit dev fault add call answer status=503 type=ACCEPT count=2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.json = o.json || structured(cmd)
			return runDev(cmd, o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.agents, "agents", 1, "number of agents")
	f.IntVar(&o.port, "port", 5050, "port of the master; 0 for a free one")
	f.IntVar(&o.agentPort, "agent-port", 0, "port of the first agent, such as 5051, where some tools look for one; 0 for a free one")
	f.StringVar(&o.resources, "agent-resources", "", "resources of each agent, as mesos-agent --resources; what is not named is detected")
	f.StringVar(&o.attributes, "agent-attributes", "", "attributes of each agent, as mesos-agent --attributes")
	f.BoolVar(&o.ownUser, "no-switch-user", false, "run all tasks as the user of this process, whatever user they name, as mesos-agent --no-switch_user")
	f.StringVar(&o.dir, "dir", "", "keep the work directories of agents here (default: a place in --state-dir, or a temporary directory that is removed at the end)")
	f.StringVar(&o.logDir, "log-dir", "", "write log files of masters and agents here, and serve them as /master/log and /slave/log")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log what the master and agents do to stderr")
	f.BoolVar(&o.json, "json", false, "print one line of JSON when ready")
	o.masters.flags(cmd)
	o.policy.flags(cmd)
	o.security.flags(cmd)
	addDevControl(cmd)
	return cmd
}

func runDev(cmd *cobra.Command, o devOptions) error {
	if o.agents < 0 {
		return usagef("--agents %d: want 0 or more", o.agents)
	}
	if o.port < 0 || o.port > 65535 {
		return usagef("--port %d: want 0 to 65535", o.port)
	}
	if _, err := resources.Parse(o.resources, ""); err != nil {
		return usagef("--agent-resources %q: %w", o.resources, err)
	}
	if _, err := resources.ParseAttributes(o.attributes); err != nil {
		return usagef("--agent-attributes %q: %w", o.attributes, err)
	}
	if o.agentPort < 0 || o.agentPort > 65535 {
		return usagef("--agent-port %d: want 0 to 65535", o.agentPort)
	}
	if o.agentPort > 0 && o.agents == 0 {
		return usagef("--agent-port %d: there are no --agents", o.agentPort)
	}
	cfg := cluster.Config{
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)),
		Agents:  cluster.Agents(o.agents, cluster.AgentConfig{Resources: o.resources, Attributes: o.attributes}),
		Dir:     o.dir,
		LogDir:  o.logDir,

		NoSwitchUser: o.ownUser,
	}
	if o.agentPort > 0 {
		cfg.Agents[0].Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(o.agentPort))
	}
	var err error
	if cfg.Security, err = o.security.config(); err != nil {
		return err
	}
	if err := o.masters.apply(&cfg); err != nil {
		return err
	}
	if err := o.policy.apply(&cfg); err != nil {
		return err
	}
	if o.verbose {
		cfg.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	}
	c, err := cluster.Start(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	ctl, stopControl, err := controlDev(cmd, c)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	if !o.json {
		err = followDev(cmd, c, func() { printHint(cmd.OutOrStdout(), c, o.security) })
	} else if err = json.NewEncoder(cmd.OutOrStdout()).Encode(describe(c, ctl)); err == nil {
		<-cmd.Context().Done()
	}
	return errors.Join(err, stopControl(), c.Close())
}

// description is what dev --json prints.
type description struct {
	Master string           `json:"master"`
	Agents []*cluster.Agent `json:"agents"`
	// Control is where subcommands of dev find the cluster, and ControlToken what they have to show there.
	Control      string `json:"control"`
	ControlToken string `json:"control_token"`
	securityDescription
	mastersDescription
}

func describe(c *cluster.Cluster, ctl devRecord) description {
	return description{
		Master: c.Master(), Agents: append([]*cluster.Agent{}, c.Agents()...), Control: ctl.Control, ControlToken: ctl.Token,
		securityDescription: describeSecurity(c), mastersDescription: describeMasters(c),
	}
}
