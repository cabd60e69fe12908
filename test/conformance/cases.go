package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/duration"
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
	// Needs is what the case needs of the target beside its master.
	Needs Need
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
		{{Name: "f12_checks", Setup: usual, run: runWithChecks}},
		{{Name: "f09_calls", Setup: usual}},
		{{Name: "f08_task_group", Setup: usual}},
		{{Name: "f16_agent_loss", Setup: pair, Needs: RestartAgent}},
		{{Name: "f06_reconcile", Setup: usual}},
		{{Name: "f07_reserve_volume", Setup: usual}},
		{{Name: "f01_command_task", Setup: usual}},
		{{Name: "f03_kill", Setup: usual, run: runWithSignal}},
		{{Name: "f10_http_errors", Setup: usual}},
		{{Name: "f14_executor", Setup: usual, Needs: AgentHost, run: runWithProbe}, {Name: "f14_executor_side", Setup: usual, Needs: AgentHost, run: compareProbe}},
		{{Name: "f15_protobuf", Setup: usual}},
		{{Name: "f21_user", Setup: usual}},
		{{Name: "f22_agent_new_id", Setup: usual, Needs: RenewAgent}},
		{{Name: "f23_executor_lingers", Setup: usual, Needs: AgentHost, run: runWithLinger}},
		{{Name: "f24_weights_quota", Setup: usual}},
		{{Name: "f25_group_failures", Setup: usual}},
		{{Name: "f26_volume_sizes", Setup: mounted, run: runWithMountDisk}},
		{{Name: "f27_attach", Setup: usual}},
		{{Name: "f18_zookeeper_nodes", Setup: masters, Needs: ZooKeeper, run: compareNodes}},
		{{Name: "f19_follower", Setup: masters, Needs: SecondMaster, run: runAtFollower}},
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
		if lacks := c.Needs &^ can(t); lacks != 0 {
			notRun = append(notRun, NotRun{c.Name, lacks.String()})
			continue
		}
		run := c.run
		if run == nil {
			run = runUsual
		}
		found, err := runLeavingNothing(ctx, run, c, s, opts)
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

// runLeavingNothing runs a case, and on a cluster that others use, too, gives back what it changed for all.
func runLeavingNothing(
	ctx context.Context, run func(context.Context, Case, *Session, RunOptions) ([]Row, error), c Case, s *Session, opts RunOptions,
) (rows []Row, err error) {
	if !opts.Shared {
		return run(ctx, c, s, opts)
	}
	master := s.Target.Master()
	agents, err := agentsOf(ctx, master)
	if err != nil {
		return nil, err
	}
	if len(agents) < len(c.Setup.Agents) {
		return nil, fmt.Errorf("needs %d agents: %w", len(c.Setup.Agents), errors.ErrUnsupported)
	}
	before, err := lookAround(ctx, master)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, before.restore(context.WithoutCancel(ctx), master)) }()
	if c.Setup.PingTimeout > 0 {
		patience, err := pingPatience(ctx, master)
		if err != nil {
			return nil, err
		}
		opts.Slack += patience
	}
	return run(ctx, c, s, opts)
}

// pingPatience is how long a master waits for an agent that says nothing.
func pingPatience(ctx context.Context, master string) (time.Duration, error) {
	flags, err := call(ctx, master, "GET_FLAGS", nil)
	if err != nil {
		return 0, err
	}
	told := make(map[string]string)
	for _, f := range list(flags, "get_flags", "flags") {
		told[text(f, "name")] = text(f, "value")
	}
	timeout, errTimeout := duration.Parse(told["agent_ping_timeout"])
	times, errTimes := strconv.Atoi(told["max_agent_ping_timeouts"])
	if err := errors.Join(errTimeout, errTimes); err != nil {
		return 0, fmt.Errorf("conformance: how long the master waits for agents: %w", err)
	}
	return timeout * time.Duration(times), nil
}

// can is what a target can do.
func can(t Target) Need {
	if t.Control() == nil {
		return 0
	}
	return t.Control().Can()
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
	if opts.Binary == "" {
		return nil, fmt.Errorf("needs a system on which the tests can be an executor: %w", errors.ErrUnsupported)
	}
	opts.Replace = map[string]string{recordedProbe: opts.probeCommand()}
	return runUsual(ctx, c, s, opts)
}

// runWithLinger replays f23 with our executor in the place of the recorded one.
func runWithLinger(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	if opts.Binary == "" {
		return nil, fmt.Errorf("needs a system on which the tests can be an executor: %w", errors.ErrUnsupported)
	}
	capture, err := opts.capture(c)
	if err != nil {
		return nil, err
	}
	opts.Replace = make(map[string]string)
	for _, e := range capture.Exchanges {
		if e.Request == nil {
			continue
		}
		walk(e.Request.Body, "", func(_ string, v any) {
			if command, ok := v.(string); ok && strings.HasSuffix(command, " --linger") {
				opts.Replace[command] = fmt.Sprintf("exec env %s=1 '%s'", LingerVariable, opts.Binary)
			}
		})
	}
	return runUsual(ctx, c, s, opts)
}

func (o RunOptions) transcript() string { return filepath.Join(o.Scratch, "f14_executor_side.json") }

func (o RunOptions) probeCommand() string {
	return fmt.Sprintf("exec env %s='%s' '%s'", ProbeVariable, o.transcript(), o.Binary)
}

// runWithSignal replays f03, where a task must ignore SIGTERM before it is killed: it is told that it does.
func runWithSignal(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	opts.Replace = map[string]string{"trap '' TERM;": "trap '' TERM; echo ignored;"}
	opts.Ready = func(ctx context.Context, e *Exchange) error {
		if !strings.HasPrefix(e.Note, "task ignores TERM") {
			return nil
		}
		return awaitOutput(ctx, s.Target.Master(), "kill-stubborn", "ignored")
	}
	return runUsual(ctx, c, s, opts)
}

// The commands of f12 go by the clock. These go by what has been checked, so that a slow machine changes nothing: the
// first check finds no file, which is made then, and removed or left when a check has found it.
const (
	checked     = "test -f ok; found=$?; touch asked; test $found = 0 && touch seen; exit $found"
	untilAsked  = "while ! test -f asked; do sleep 0.1; done; touch ok; "
	untilSeen   = "while ! test -f seen; do sleep 0.1; done; "
	healthyOnce = untilAsked + untilSeen + "rm ok; sleep 100"
	checkedOnce = untilAsked + untilSeen + "sleep 4"
)

// recordedServer is the HTTP server whose health f12 checks, in its requests; recordedPort is its port.
const (
	recordedServer = "timeout 6 python3 -m http.server 31999"
	recordedPort   = "31999"
)

// runWithChecks replays f12, where the agent can have it with an HTTP server of our own on a free port, which ends when it has
// been checked twice.
func runWithChecks(ctx context.Context, c Case, s *Session, opts RunOptions) ([]Row, error) {
	opts.Replace = map[string]string{
		"test -f ok": checked, "touch ok; sleep 4; rm ok; sleep 100": healthyOnce, "sleep 2; touch ok; sleep 4": checkedOnce,
	}
	if opts.Binary == "" || can(s.Target)&AgentHost == 0 {
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
	opts.Replace[recordedServer] = fmt.Sprintf("env %s=127.0.0.1:%s '%s'", ServerVariable, port, opts.Binary)
	opts.Replace[recordedPort] = port
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
	if opts.Binary == "" {
		return nil, fmt.Errorf("needs a system on which the tests can be an executor: %w", errors.ErrUnsupported)
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
