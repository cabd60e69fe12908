// Package real is for tests that run against a Mesos of somebody else: what they are told about it on the command line, and
// power over one of its agents, as far as they are told enough.
//
//	go test ./test/conformance -master 10.0.0.5:5050
//	go test ./test/conformance -master 127.0.0.1:5050 -agent-pid 4711 -agent-work-dir /var/lib/mesos -zk 127.0.0.1:2181/mesos
package real

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/mesokit/mesokit/cluster/control"
)

// A Mesos that somebody else runs.
type Mesos struct {
	// Master is the host:port of the leading master; empty if there is no such Mesos, and tests bring their own.
	Master string
	// AgentPID is the process of an agent on this host, which tests may kill and start again; 0 for none.
	AgentPID int
	// AgentWorkDir is its work directory.
	AgentWorkDir string
	// ZooKeeper is where the masters meet, host:port/path; empty if unknown.
	ZooKeeper string
	// Control is the control interface of a mesokit dev, host:port, whose agent is controlled in place of a process, and
	// Token what it asks for; empty for what is in MESOKIT_CONTROL_TOKEN.
	Control, Token string
}

// Flags defines the flags that describe a Mesos.
func Flags(fs *flag.FlagSet) *Mesos {
	m := new(Mesos)
	fs.StringVar(&m.Master, "master", "", "host:port of the leading master of a Mesos to test instead of an embedded cluster")
	fs.IntVar(&m.AgentPID, "agent-pid", 0, "process of an agent of that Mesos, on this host, which tests may kill and start again")
	fs.StringVar(&m.AgentWorkDir, "agent-work-dir", "", "work directory of that agent")
	fs.StringVar(&m.ZooKeeper, "zk", "", "host:port/path of the ZooKeeper through which its masters elect their leader")
	fs.StringVar(&m.Control, "control", "", "host:port of the control interface, if that Mesos is a mesokit dev (token in MESOKIT_CONTROL_TOKEN)")
	return m
}

// Embedded says whether the Mesos is a mesokit dev.
func (m *Mesos) Embedded() bool { return m.Control != "" }

// An Agent can be killed and started again. Its methods do not wait until the master has noticed, unless they say so.
type Agent interface {
	// ID is the agent's id, such as in offers.
	ID(ctx context.Context) (string, error)
	// Kill ends the agent at once, without a word to the master, as SIGKILL does. Its executors go on.
	Kill(ctx context.Context) error
	// Start starts it again, with its work directory and its id.
	Start(ctx context.Context) error
	// Renew ends the agent in good order, so that its tasks end and the master forgets it, and starts it again with its
	// work directory under a new id.
	Renew(ctx context.Context) error
}

// Agent gives power over an agent. The error is errors.ErrUnsupported, with what is missing, if there is none.
func (m *Mesos) Agent() (Agent, error) {
	switch {
	case m.Control != "":
		client, err := control.NewClient(m.Control, cmp.Or(m.Token, os.Getenv("MESOKIT_CONTROL_TOKEN")))
		if err != nil {
			return nil, fmt.Errorf("real: %w", err)
		}
		return &devAgent{client: client}, nil
	case m.AgentPID != 0 && m.AgentWorkDir != "":
		return newProcess(m.AgentPID, m.AgentWorkDir)
	}
	return nil, fmt.Errorf("needs -agent-pid and -agent-work-dir: %w", errors.ErrUnsupported)
}

// devAgent is the first agent of a mesokit dev.
type devAgent struct{ client *control.Client }

func (d *devAgent) first(ctx context.Context) (string, error) {
	status, err := d.client.Status(ctx)
	d.client.Close()
	if err != nil {
		return "", fmt.Errorf("real: %w", err)
	}
	if len(status.Agents) == 0 {
		return "", errors.New("real: there is no agent")
	}
	return status.Agents[0].ID, nil
}

func (d *devAgent) act(ctx context.Context, action control.Action) error {
	id, err := d.first(ctx)
	if err != nil {
		return err
	}
	_, err = d.client.Act(ctx, id, action)
	d.client.Close()
	if err != nil {
		return fmt.Errorf("real: %s of agent %s: %w", action, id, err)
	}
	return nil
}

func (d *devAgent) ID(ctx context.Context) (string, error) { return d.first(ctx) }
func (d *devAgent) Kill(ctx context.Context) error         { return d.act(ctx, control.Suspend) }
func (d *devAgent) Start(ctx context.Context) error        { return d.act(ctx, control.Resume) }
func (d *devAgent) Renew(ctx context.Context) error        { return d.act(ctx, control.RestartWithNewID) }
