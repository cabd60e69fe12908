package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/user"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// runOptions are the flags of run.
type runOptions struct {
	master      string
	name        string
	user        string
	role        string
	cpus        float64
	mem         float64
	disk        float64
	instances   int
	uris        []string
	env         []string
	environment *mesospb.Environment // of env
	timeout     time.Duration
	verbose     bool
	json        bool
	args        []string
	connection

	embedded bool // the cluster is there for this run alone
	to       access
}

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "run [flags] -- COMMAND [ARG…]",
		Short: "Run a command as Mesos tasks and follow it",
		Long: `run launches a command on a Mesos cluster, shows what it writes to stdout and stderr while it runs, and
exits with its exit code: 128 and the number of the signal if one ended it, that of the first instance which
failed if there are several. A single COMMAND is given to /bin/sh -c; one with arguments is run as it is.

Without --master and $MESOKIT_MASTER an embedded Mesos is started for this one run. Interrupting run kills the tasks.

To get into a cluster that asks who you are, name a --principal and a --secret-file, or set $MESOKIT_PRINCIPAL and
$MESOKIT_SECRET; where it speaks https with an authority of its own, name that with --ca or $MESOKIT_CA.`,
		Example: `  mesokit run -- echo hello
  mesokit run --instances 3 -- 'echo "I run in $PWD"'
  mesokit run --master https://10.0.0.5:5050 --ca ca.pem --principal me --secret-file ~/.mesos-secret -- ./job
  mesokit run --master 10.0.0.5:5050 --cpus 2 --mem 512 --uri http://files/job.tar.gz -- ./job/run --fast`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no command given: mesokit run -- COMMAND [ARG…]")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args, o.json = args, structured(cmd)
			return runRun(cmd, o)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.master, "master", "", "master of the cluster: host:port, several with commas, or zk://… (or $"+envMaster+"); empty: an embedded Mesos")
	f.StringVar(&o.name, "name", "", "name of the framework and the tasks (default: the command's)")
	f.StringVar(&o.user, "user", "", "user to run as (default: the current user)")
	f.StringVar(&o.role, "role", "*", "role whose resources to use")
	f.Float64Var(&o.cpus, "cpus", 0.1, "CPUs for each instance")
	f.Float64Var(&o.mem, "mem", 32, "memory for each instance, in MB")
	f.Float64Var(&o.disk, "disk", 0, "disk for each instance, in MB")
	f.IntVar(&o.instances, "instances", 1, "number of tasks")
	f.StringArrayVar(&o.uris, "uri", nil, "file to fetch into the sandbox; archives are unpacked; may be repeated")
	f.StringArrayVar(&o.env, "env", nil, envUsage)
	f.DurationVar(&o.timeout, "timeout", 0, "kill the tasks after this time and exit with 124; 0 for never")
	o.connection.flags(cmd)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every state of the tasks, and what an embedded Mesos does, on stderr")
	return cmd
}

// validate finds what cannot be meant before anything is started.
func (o *runOptions) validate() error {
	if o.instances < 1 {
		return usagef("--instances %d: want 1 or more", o.instances)
	}
	if o.timeout < 0 {
		return usagef("--timeout %v: want 0 or more", o.timeout)
	}
	var err error
	if o.environment, err = environment(o.env); err != nil {
		return err
	}
	if err := resources.ValidateRole(o.role); err != nil {
		return usagef("--role %q: %w", o.role, err)
	}
	for name, value := range map[string]float64{"cpus": o.cpus, "mem": o.mem, "disk": o.disk} {
		if !(value >= 0 && value < 1e12) {
			return usagef("--%s %v: want 0 or more", name, value)
		}
	}
	if resources.IsEmpty(o.need()) {
		return usagef("a task needs some --cpus, --mem or --disk")
	}
	if o.name == "" {
		o.name = path.Base(o.args[0])
		if fields := strings.Fields(o.args[0]); len(o.args) == 1 && len(fields) > 0 {
			o.name = path.Base(fields[0])
		}
	}
	if o.user == "" {
		me, err := user.Current()
		if err != nil {
			return usagef("cannot tell who you are (%w): name a --user", err)
		}
		o.user = me.Username
	}
	return nil
}

// need is what each instance takes of an offer.
func (o *runOptions) need() []*mesospb.Resource {
	return resources.Sum([]*mesospb.Resource{resources.NewCPUs(o.cpus), resources.NewMem(o.mem), resources.NewDisk(o.disk)})
}

// framework introduces the run to a master.
func (o *runOptions) framework() *mesospb.FrameworkInfo {
	info := &mesospb.FrameworkInfo{
		User:            &o.user,
		Name:            proto.String("mesokit run " + o.name),
		Roles:           []string{o.role},
		FailoverTimeout: proto.Float64(60), // long enough for another master to take over
		Capabilities: []*mesospb.FrameworkInfo_Capability{
			{Type: mesospb.FrameworkInfo_Capability_MULTI_ROLE.Enum()},
			{Type: mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT.Enum()},
			{Type: mesospb.FrameworkInfo_Capability_PARTITION_AWARE.Enum()},
			{Type: mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE.Enum()},
		},
	}
	if o.to.principal != "" {
		info.Principal = &o.to.principal
	}
	return info
}

// command describes the process of a task.
func (o *runOptions) command() *mesospb.CommandInfo {
	c := &mesospb.CommandInfo{Shell: proto.Bool(len(o.args) == 1), Value: &o.args[0]}
	if len(o.args) > 1 {
		c.Arguments = o.args // the complete argv, as Mesos wants it
	}
	for _, uri := range o.uris {
		c.Uris = append(c.Uris, &mesospb.CommandInfo_URI{Value: proto.String(uri)})
	}
	c.Environment = o.environment
	return c
}

func runRun(cmd *cobra.Command, o runOptions) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	ctx := cmd.Context()
	if o.master = masterOr(cmd, o.master); o.master == "" {
		if err := o.connection.unused(cmd); err != nil {
			return err
		}
	}
	if o.master != "" {
		if o.to, err = o.connect(o.master); err != nil {
			return err
		}
	} else {
		o.embedded = true
		cfg := cluster.Config{}
		if o.verbose {
			cfg.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		}
		c, err := cluster.Start(ctx, cfg)
		if err != nil {
			return err
		}
		defer func() {
			if closeErr := c.Close(); err == nil {
				err = closeErr
			}
		}()
		o.master = c.Master()
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, &exitError{exitTimeout, fmt.Errorf("timeout: the tasks did not end within %v", o.timeout)})
		defer cancel()
	}
	return newRunner(o, cmd.OutOrStdout(), cmd.ErrOrStderr()).run(ctx)
}
