package conformance

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/test/real"
)

// remote is a Mesos that somebody else runs.
type remote struct {
	Uncontrolled
	mesos *real.Mesos
	agent real.Agent // nil if there is none to control
	added []func() error
	dir   string // for one more agent
	nodes map[string]string
}

// Remote is a Mesos that somebody else runs, with as much power over it as is told. dir is for the files of one more agent.
func Remote(ctx context.Context, m *real.Mesos, dir string) (Target, error) {
	r := &remote{mesos: m, dir: dir}
	agent, err := m.Agent()
	switch {
	case err == nil:
		r.agent = agent
	case !errors.Is(err, errors.ErrUnsupported):
		return nil, err
	}
	if m.ZooKeeper != "" {
		if r.nodes, err = readNodes("zk://" + strings.TrimPrefix(m.ZooKeeper, "zk://")); err != nil {
			return nil, err
		}
	}
	return r, ctx.Err()
}

func (r *remote) Master() string   { return r.mesos.Master }
func (r *remote) Control() Control { return r }

// Close ends the agents that were added.
func (r *remote) Close() error {
	var errs []error
	for _, end := range r.added {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// retiring is an agent that can be ended in good order, and started again later.
type retiring interface {
	Retire(ctx context.Context) error
	StartWithNewID(ctx context.Context) error
	Add(ctx context.Context, dir, port string) (end func() error, err error)
}

func (r *remote) Can() (can Need) {
	if r.agent != nil {
		can |= RestartAgent
	}
	if _, ok := r.agent.(retiring); ok {
		can |= RenewAgent
	}
	if r.mesos.AgentWorkDir != "" {
		can |= AgentHost
	}
	if len(r.masters()) > 1 {
		can |= SecondMaster | ZooKeeper
	}
	return can
}

func (r *remote) KillAgent(ctx context.Context, _ string) error  { return r.agent.Kill(ctx) }
func (r *remote) StartAgent(ctx context.Context, _ string) error { return r.agent.Start(ctx) }

func (r *remote) RetireAgent(ctx context.Context, _ string) error {
	return r.agent.(retiring).Retire(ctx)
}

func (r *remote) StartAgentWithNewID(ctx context.Context, _ string) error {
	return r.agent.(retiring).StartWithNewID(ctx)
}

func (r *remote) AddAgent(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	dir := filepath.Join(r.dir, "agent-"+strconv.Itoa(port))
	if err := errors.Join(listener.Close(), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	end, err := r.agent.(retiring).Add(ctx, dir, strconv.Itoa(port))
	if err == nil {
		r.added = append(r.added, end)
	}
	return err
}

// ControlledAgent is the id of the agent that can be killed; empty if there is none.
func (r *remote) ControlledAgent(ctx context.Context) string {
	if r.agent == nil {
		return ""
	}
	id, err := r.agent.ID(ctx)
	if err != nil {
		return ""
	}
	return id
}

func (r *remote) WorkDir(string) string { return r.mesos.AgentWorkDir }

// masters are the names of the nodes of masters, the leader first.
func (r *remote) masters() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.nodes)) {
		if strings.HasPrefix(name, "json.info_") {
			names = append(names, name)
		}
	}
	return names
}

// ZooKeeperNodes are those of the leader and of one more master, as in the recording, and none of what others keep there.
func (r *remote) ZooKeeperNodes(context.Context) (map[string]string, error) {
	nodes := make(map[string]string)
	for _, name := range r.masters()[:2] {
		nodes[name] = r.nodes[name]
	}
	return nodes, nil
}

func (r *remote) Follower(context.Context) (string, error) {
	info, err := decode([]byte(r.nodes[r.masters()[1]]))
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(text(info, "address", "ip"), encode(get(info, "address", "port"))), nil
}
