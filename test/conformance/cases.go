package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A Setup is the cluster that a case was recorded with.
type Setup struct {
	Agents []AgentSetup
	// Masters is how many there are, of which one leads; zero for one.
	Masters int
	// PingTimeout and PingTimeouts are how long the master waits for an agent's answer, and how
	// many it may miss; zero for Mesos' defaults.
	PingTimeout  time.Duration
	PingTimeouts int
}

// An AgentSetup is an agent, in the notation of mesos-agent's flags.
type AgentSetup struct {
	Hostname, Resources, Attributes string
	// MountMB is the size of one more disk, a MOUNT disk; zero for none.
	MountMB float64
}

// usual is what nearly all captures were taken from.
var usual = Setup{Agents: []AgentSetup{{
	Hostname: "localhost", Resources: "cpus:4;mem:2048;disk:4096;ports:[31000-32000]", Attributes: "rack:r1;zone:z1",
}}}

// mounted is what f26 was taken from.
var mounted = Setup{Agents: []AgentSetup{{
	Hostname: "localhost", Resources: usual.Agents[0].Resources, Attributes: "rack:r1;zone:z1", MountMB: 64,
}}}

// pair is what f16 was taken from.
var pair = Setup{
	Agents: []AgentSetup{
		{Hostname: "a1", Resources: "cpus:2;mem:512;disk:512;ports:[31000-31010]"},
		{Hostname: "a2", Resources: "cpus:2;mem:512;disk:512;ports:[31000-31010]"},
	},
	PingTimeout: time.Second, PingTimeouts: 2,
}

// masters is what f18 and f19 were taken from.
var masters = Setup{Agents: usual.Agents, Masters: 2}

// A Case is a capture and how to replay it.
type Case struct {
	Name  string
	Setup Setup
	// Companion is a file with exchanges that belong to the case but were not recorded.
	Companion string
	// Retries says that the case is about updates that are sent again.
	Retries bool
	// Control says that the case needs power over the cluster.
	Control bool
	// Pending marks a case that the embedded cluster does not yet answer as Mesos does. It runs only when it is
	// asked for by name.
	Pending bool
	// run replays the case; nil for the usual way.
	run func(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error)
}

// Groups lists all cases. Those of one group run one after the other on one cluster: what one leaves
// behind is part of what the next one recorded. The groups that take longest come first.
func Groups() [][]Case {
	return [][]Case{
		{{Name: "f02_no_ack_retry", Setup: usual, Retries: true}},
		{{Name: "f13_operator", Setup: usual, Companion: "testdata/f13_companion.json"}, {Name: "f17_drain_maintenance", Setup: usual}},
		{{Name: "f04_invalid_tasks", Setup: usual}},
		{{Name: "f12_checks", Setup: usual, run: runWithServer}},
		{{Name: "f09_calls", Setup: usual}},
		{{Name: "f08_task_group", Setup: usual}},
		{{Name: "f16_agent_loss", Setup: pair, Control: true}},
		{{Name: "f06_reconcile", Setup: usual}},
		{{Name: "f07_reserve_volume", Setup: usual}},
		{{Name: "f01_command_task", Setup: usual}},
		{{Name: "f03_kill", Setup: usual}},
		{{Name: "f10_http_errors", Setup: usual}},
		{{Name: "f14_executor", Setup: usual, run: runWithProbe}, {Name: "f14_executor_side", Setup: usual, run: compareProbe}},
		{{Name: "f15_protobuf", Setup: usual}},
		{{Name: "f21_user", Setup: usual}},
		{{Name: "f22_agent_new_id", Setup: usual, Control: true, Pending: true}},
		{{Name: "f23_executor_lingers", Setup: usual, run: runWithLinger}},
		{{Name: "f24_weights_quota", Setup: usual, Pending: true}},
		{{Name: "f25_group_failures", Setup: usual}},
		{{Name: "f26_volume_sizes", Setup: mounted, Pending: true, run: runWithMountDisk}},
		{{Name: "f27_attach", Setup: usual}},
		{{Name: "f18_zookeeper_nodes", Setup: masters, Control: true, run: compareNodes}},
		{{Name: "f19_follower", Setup: masters, Control: true, run: runAtFollower}},
	}
}

// RunOptions are what a run of cases needs besides the target.
type RunOptions struct {
	Options
	Captures string // directory of the captures
	Scratch  string // directory for files that the cases need
	// Binary is the path of a program that calls RunProbe or RunServer if ProbeVariable or
	// ServerVariable is set; empty for none.
	Binary string
}

// RunGroup replays the cases of a group to a target, and says which could not be run and why.
func RunGroup(ctx context.Context, group []Case, t Target, opts RunOptions) (rows []Row, notRun []NotRun, err error) {
	s := NewSession(t)
	for _, c := range group {
		if c.Control && t.Control() == nil {
			notRun = append(notRun, NotRun{c.Name, "needs power over the cluster"})
			continue
		}
		run := c.run
		if run == nil {
			run = runUsual
		}
		found, err := run(ctx, c, s, opts)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			notRun = append(notRun, NotRun{c.Name, err.Error()})
		case err != nil:
			return rows, notRun, err
		default:
			rows = append(rows, found...)
		}
	}
	return rows, notRun, nil
}

func (o RunOptions) capture(c Case) (*Capture, error) {
	capture, err := Load(filepath.Join(o.Captures, c.Name+".json"))
	if err != nil || c.Companion == "" {
		return capture, err
	}
	companion, err := Load(c.Companion)
	if err != nil {
		return nil, err
	}
	return capture.With(companion), nil
}

func runUsual(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	capture, err := opts.capture(c)
	if err != nil {
		return nil, err
	}
	opts.Retries = c.Retries
	return s.Run(ctx, capture, opts.Options)
}

// runWithProbe replays f14 with our probe in the place of the recorded one.
func runWithProbe(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	if opts.Binary == "" || s.Target.Control() == nil || s.Target.Control().WorkDir("localhost") == "" {
		return nil, fmt.Errorf("needs an executor on the agent's host: %w", errors.ErrUnsupported)
	}
	opts.Replace = map[string]string{recordedProbe: opts.probeCommand()}
	return runUsual(ctx, c, s, opts)
}

// runWithLinger replays f23 with our executor in the place of the recorded one.
func runWithLinger(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	if opts.Binary == "" || s.Target.Control() == nil || s.Target.Control().WorkDir("localhost") == "" {
		return nil, fmt.Errorf("needs an executor on the agent's host: %w", errors.ErrUnsupported)
	}
	opts.Replace = map[string]string{recordedLinger: fmt.Sprintf("exec env %s=1 '%s'", LingerVariable, opts.Binary)}
	return runUsual(ctx, c, s, opts)
}

func (o RunOptions) transcript() string { return filepath.Join(o.Scratch, "f14_executor_side.json") }

func (o RunOptions) probeCommand() string {
	return fmt.Sprintf("exec env %s='%s' '%s'", ProbeVariable, o.transcript(), o.Binary)
}

// recordedServer is the HTTP server whose health f12 checks, in its requests; recordedPort is its port.
const (
	recordedServer = "python3 -m http.server 31999"
	recordedPort   = "31999"
)

// runWithServer replays f12 with an HTTP server of our own on a free port, where the agent can have it.
func runWithServer(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	if opts.Binary == "" || s.Target.Control() == nil || s.Target.Control().WorkDir("localhost") == "" {
		return runUsual(ctx, c, s, opts)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("conformance: no free port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		return nil, fmt.Errorf("conformance: no free port: %w", err)
	}
	opts.Replace = map[string]string{
		recordedServer: fmt.Sprintf("env %s=127.0.0.1:%s '%s'", ServerVariable, port, opts.Binary),
		recordedPort:   port,
	}
	return runUsual(ctx, c, s, opts)
}

// recordedMount is the root of the MOUNT disk in f26.
const recordedMount = "/var/lib/mesos-run/f26_volume_sizes/mnt"

// runWithMountDisk replays f26 with the root of the target's own MOUNT disk.
func runWithMountDisk(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	agents, err := agentsOf(ctx, s.Target.Master())
	if err != nil {
		return nil, err
	}
	for _, a := range agents {
		for _, r := range list(a, "total_resources") {
			if root := text(r, "disk", "source", "mount", "root"); root != "" {
				opts.Replace = map[string]string{recordedMount: root}
				return runUsual(ctx, c, s, opts)
			}
		}
	}
	return nil, fmt.Errorf("needs an agent with a MOUNT disk: %w", errors.ErrUnsupported)
}

// compareProbe compares what the probe wrote down during f14.
func compareProbe(_ context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	if opts.Binary == "" || s.Target.Control() == nil || s.Target.Control().WorkDir("localhost") == "" {
		return nil, fmt.Errorf("needs an executor on the agent's host: %w", errors.ErrUnsupported)
	}
	recorded, err := os.ReadFile(filepath.Join(opts.Captures, c.Name+".json"))
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	transcript, err := readTranscript(opts.transcript())
	if err != nil {
		return nil, err
	}
	return s.CompareTranscript(c.Name, recorded, transcript, map[string]string{
		s.Target.Control().WorkDir("localhost"): recordedWorkDir,
		opts.probeCommand():                     recordedProbe,
	})
}

// compareNodes compares what the masters keep in ZooKeeper.
func compareNodes(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	nodes, err := s.Target.Control().ZooKeeperNodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("the nodes in ZooKeeper: %w", err)
	}
	recorded, err := os.ReadFile(filepath.Join(opts.Captures, c.Name+".json"))
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	return CompareNodes(c.Name, recorded, nodes)
}

// runAtFollower replays f19 to a master that does not lead.
func runAtFollower(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	follower, err := s.Target.Control().Follower(ctx)
	if err != nil {
		return nil, fmt.Errorf("a master that does not lead: %w", err)
	}
	opts.Base = follower
	return runUsual(ctx, c, s, opts)
}
