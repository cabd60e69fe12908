package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// envMaster stands for --master, where that is not given.
const envMaster = "MESOKIT_MASTER"

// defaultMaster is where mesokit dev and a mesos-master on this machine listen.
const defaultMaster = "127.0.0.1:5050"

// operating is what the commands for operators share: where the cluster is, and how to get in.
type operating struct {
	master  string
	timeout time.Duration
	connection

	to    access
	tr    *transport.Client
	where string // what to do if nobody is there; empty for the master
	// trouble is what was last heard to be in the way of finding the masters.
	trouble atomic.Pointer[string]
}

// flags adds the flags to a group of commands.
func (o *operating) flags(group *cobra.Command) {
	var shared cobra.Command
	f := shared.Flags()
	f.StringVar(&o.master, "master", "", "master of the cluster: host:port, URL, several with commas, or zk://… (or $"+envMaster+"; default "+defaultMaster+")")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long a command may take; 0 for ever. Commands that follow or run something are bound only if it is given")
	o.connection.flags(&shared)
	group.PersistentFlags().AddFlagSet(f)
}

// masterOr is --master or, where it is not given, $MESOKIT_MASTER. An empty --master counts.
func masterOr(cmd *cobra.Command, given string) string {
	if cmd.Flags().Changed("master") {
		return given
	}
	return os.Getenv(envMaster)
}

// address is where the masters are.
func (o *operating) address() string { return cmp.Or(o.master, os.Getenv(envMaster), defaultMaster) }

// opened runs with the connection. What follows something has no end of its own.
func (o *operating) opened(cmd *cobra.Command, follows bool, run func() error) error {
	ctx := cmd.Context()
	if o.timeout < 0 {
		return usagef("--timeout %v: want 0 or more", o.timeout)
	}
	if o.timeout > 0 && (!follows || cmd.Flags().Changed("timeout")) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, &exitError{exitTimeout, fmt.Errorf("timeout: %s did not end within %v", cmd.CommandPath(), o.timeout)})
		defer cancel()
		cmd.SetContext(ctx)
	}
	err := o.reach(run)
	if coded, told := errors.AsType[*exitError](err); err != nil && ctx.Err() != nil && (!told || context.Cause(ctx) == error(coded)) {
		end := endOf(ctx)
		if late, ok := errors.AsType[*exitError](end); ok && o.trouble.Load() != nil {
			return &exitError{late.code, fmt.Errorf("%w: %s", late.err, *o.trouble.Load())}
		}
		return end
	}
	return o.advise(err)
}

// reach runs with the connection.
func (o *operating) reach(run func() error) (err error) {
	if o.to, err = o.connect(o.address()); err != nil {
		return err
	}
	if o.tr, err = o.to.transport(); err != nil {
		return err
	}
	defer o.tr.Close()
	return run()
}

// newMaster returns a client of the leading master, which the caller closes.
func (o *operating) newMaster() (*operator.Master, error) {
	masters, err := o.to.detector(o.address(), func(line string) { o.trouble.Store(&line) })
	if err != nil {
		return nil, err
	}
	return operator.NewMaster(operator.MasterConfig{Detector: masters, Scheme: o.to.scheme, Transport: o.tr})
}

// masterRun is a command with the leading master.
type masterRun func(cmd *cobra.Command, m *operator.Master, args []string) error

func (o *operating) withMaster(run masterRun) func(*cobra.Command, []string) error {
	return o.masterRun(false, run)
}

func (o *operating) masterRun(follows bool, run masterRun) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return o.opened(cmd, follows, func() error {
			m, err := o.newMaster()
			if err != nil {
				return err
			}
			defer m.Close()
			return run(cmd, m, args)
		})
	}
}

// advise adds what to do to an error of a master or an agent.
func (o *operating) advise(err error) error {
	if _, told := errors.AsType[*exitError](err); told || err == nil {
		return err
	}
	advice := ""
	exchange, unreached := errors.AsType[*transport.ExchangeError](err)
	notFound, missing := errors.AsType[*operator.NotFoundError](err)
	switch {
	case missing && notFound.Kind == "task":
		advice = "mesokit master tasks shows those there are, with --all those that have ended"
	case missing && strings.Contains(notFound.Kind, "agent"):
		advice = "mesokit master agents shows those there are"
	case o.to.refused(err) != "":
		advice = o.to.refused(err)
	case errors.Is(err, transport.ErrNotImplemented):
		advice = "this Mesos is too old for it"
	case errors.Is(err, transport.ErrUnavailable):
		advice = "it is starting, or electing a leader: try again in a moment"
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, operator.ErrNoLeader):
		advice = fmt.Sprintf("none of the masters at %s leads; name others with --master or $%s", o.address(), envMaster)
	case unreached && !errors.Is(exchange, transport.ErrClosed) && o.where != "":
		advice = o.where
	case unreached && !errors.Is(exchange, transport.ErrClosed):
		advice = fmt.Sprintf("is there a Mesos? Say where its masters are with --master or $%s, or start one with mesokit dev", envMaster)
	}
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

// emitMessage prints a message as a line of JSON, in the form of the operator API, or its text.
func emitMessage(cmd *cobra.Command, m proto.Message, text func() string) error {
	if !structured(cmd) {
		return emitText(cmd, text())
	}
	line, err := codec.JSON.Append(nil, m)
	if err != nil {
		return err
	}
	return emitJSON(cmd, append(line, '\n'))
}

// tell says in a line what was done; in JSON it is a member of an object beside the ids that it is about.
func tell(cmd *cobra.Command, about map[string]string, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if structured(cmd) {
		about["text"] = text
	}
	return emit(cmd, about, "%s", visible.Line(text))
}

// findAgent finds a registered agent by its id, the end of its id such as S0, its hostname or its address.
func findAgent(ctx context.Context, m *operator.Master, ref string) (*masterpb.Response_GetAgents_Agent, error) {
	list, err := m.GetAgents(ctx)
	if err != nil {
		return nil, err
	}
	return pickAgent(list, ref)
}

// agentAddress is host:port of an agent.
func agentAddress(a *masterpb.Response_GetAgents_Agent) string {
	_, address, _ := strings.Cut(a.GetPid(), "@")
	return address
}

func each[T, R any](list []T, f func(T) R) []R {
	out := make([]R, len(list))
	for i, x := range list {
		out[i] = f(x)
	}
	return out
}

// timeOf reads a time of Mesos.
func timeOf(t *mesospb.TimeInfo) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Unix(0, t.GetNanoseconds())
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
