package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/auth"
)

func TestLogFilesAreServedToWhomACLsLet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	f := build(t, func(c *cluster.Config) {
		c.LogDir = dir
		c.Security.ACLs = &auth.ACLs{Rules: map[auth.Action][]auth.Rule{
			auth.AccessMesosLogs: {{Principals: auth.Some("ops"), Objects: auth.Any()}, {Principals: auth.None(), Objects: auth.Any()}},
		}}
	})
	ctx := t.Context()
	read := func(principal string) (master, agent []byte, masterErr, agentErr error) {
		tr := f.client(t, transport.Basic(principal, hush))
		m, err := operator.NewMaster(operator.MasterConfig{Masters: f.MasterURL(), Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		a, err := operator.NewAgent(operator.AgentConfig{Address: f.Scheme() + "://" + f.Agents()[0].Address, Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		fromMaster, masterErr := m.ReadFile(ctx, "/master/log", 0, 1<<20)
		fromAgent, agentErr := a.ReadFile(ctx, "/slave/log", 0, 1<<20)
		return fromMaster.Data, fromAgent.Data, masterErr, agentErr
	}
	master, _, masterErr, agentErr := read("ops")
	if masterErr != nil || agentErr != nil || !strings.Contains(string(master), "agent registered") {
		t.Errorf("the log of the master is %q, %v; of the agent %v", master, masterErr, agentErr)
	}
	_, _, masterErr, agentErr = read("marathon")
	if !errors.Is(masterErr, transport.ErrForbidden) || !errors.Is(agentErr, transport.ErrForbidden) {
		t.Errorf("who must not see the logs got %v and %v", masterErr, agentErr)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"master.log", "agent-1.log"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || strings.Contains(string(text), hush) {
			t.Errorf("%s: %v; it must not have the secret:\n%s", name, err, text)
		}
	}
}
