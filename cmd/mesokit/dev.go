package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
)

// devOptions are the flags that describe an embedded cluster.
type devOptions struct {
	agents     int
	port       int
	resources  string
	attributes string
	dir        string
	verbose    bool
	json       bool
	security   devSecurity
}

func newDev() *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run an embedded Mesos in the foreground",
		Long: `dev runs a Mesos master and agents in this process until it is interrupted. They speak the
V1 HTTP API on loopback: point any Mesos client at the address of the master.

With --json, or -o json, one line is printed when everything is ready:
{"master":"127.0.0.1:5050","agents":[{"id":"…-S0","hostname":"localhost","address":"127.0.0.1:40001"}]}`,
		Example: `  mesokit dev --agents 3 --agent-resources 'cpus:4;mem:4096' --agent-attributes 'rack:r1'
  mesokit dev --port 0 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.json = o.json || wantsJSON(cmd)
			return runDev(cmd, o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.agents, "agents", 1, "number of agents")
	f.IntVar(&o.port, "port", 5050, "port of the master; 0 for a free one")
	f.StringVar(&o.resources, "agent-resources", "", "resources of each agent, as mesos-agent --resources; what is not named is detected")
	f.StringVar(&o.attributes, "agent-attributes", "", "attributes of each agent, as mesos-agent --attributes")
	f.StringVar(&o.dir, "dir", "", "keep the work directories of agents here (default: a temporary directory, removed at the end)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log what the master and agents do to stderr")
	f.BoolVar(&o.json, "json", false, "print one line of JSON when ready")
	o.security.flags(cmd)
	return cmd
}

func runDev(cmd *cobra.Command, o devOptions) error {
	if o.agents < 0 {
		return usagef("--agents %d: want 0 or more", o.agents)
	}
	if o.port < 0 || o.port > 65535 {
		return usagef("--port %d: want 0 to 65535", o.port)
	}
	cfg := cluster.Config{
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)),
		Agents:  cluster.Agents(o.agents, cluster.AgentConfig{Resources: o.resources, Attributes: o.attributes}),
		Dir:     o.dir,
	}
	var err error
	if cfg.Security, err = o.security.config(); err != nil {
		return err
	}
	if o.verbose {
		cfg.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	}
	c, err := cluster.Start(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	if o.json {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(describe(c))
	} else {
		printCluster(cmd.OutOrStdout(), c)
		printHint(cmd.OutOrStdout(), c, o.security)
	}
	if err == nil {
		<-cmd.Context().Done()
	}
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return err
}

// description is what dev --json prints.
type description struct {
	Master string           `json:"master"`
	Agents []*cluster.Agent `json:"agents"`
	securityDescription
}

func describe(c *cluster.Cluster) description {
	return description{Master: c.Master(), Agents: append([]*cluster.Agent{}, c.Agents()...), securityDescription: describeSecurity(c)}
}

func printCluster(w io.Writer, c *cluster.Cluster) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"", "address", "hostname", "id"})
	t.AppendRow(table.Row{"master", c.Master()})
	for _, a := range c.Agents() {
		t.AppendRow(table.Row{"agent", a.Address, a.Hostname, a.ID})
	}
	fmt.Fprintln(w, t.Render())
}
