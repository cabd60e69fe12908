package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/clustertest"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func tasksNamed(ids ...string) (list []*mesospb.Task) {
	for _, id := range ids {
		name, _, _ := strings.Cut(id, ".")
		list = append(list, &mesospb.Task{TaskId: &mesospb.TaskID{Value: &id}, Name: &name})
	}
	return list
}

func TestAnInstanceIsFoundByEveryNotationAmongManyOthers(t *testing.T) {
	live := tasksNamed("web.1.a-e", "web.10.b-e", "web.11.c-e", "pod.0.d-e.main", "pod.0.d-e.side", "one.0.f-e", "run.0")
	ended := tasksNamed("web.1.9-e", "web.1.8-e", "old.2.7-e")
	for ref, want := range map[string]string{
		"web.1": "web.1.a-e", "web/1": "web.1.a-e", "web.1.a-e": "web.1.a-e", "web.10": "web.10.b-e", "web/11": "web.11.c-e",
		"pod/0/side": "pod.0.d-e.side", "one": "one.0.f-e", "one/0": "one.0.f-e", "old/2": "old.2.7-e", "web.1.9": "web.1.9-e", "run/0": "run.0", "run.0": "run.0",
		"web": "!any of 3", "pod/0": "!any of 2", "web/2": "!no task", "": "!no task", "web.": "!any of 3",
	} {
		task, err := pickTask(ref, live, ended)
		if fail, wanted := strings.CutPrefix(want, "!"); wanted {
			if err == nil || !strings.Contains(err.Error(), fail) {
				t.Errorf("%q: %v, %v; want an error with %q", ref, task, err, fail)
			}
			continue
		}
		if err != nil || task.GetTaskId().GetValue() != want {
			t.Errorf("%q: %v, %v; want %s", ref, task, err, want)
		}
	}
}

func TestAnIDGoesBeforeAHostnameAndSeveralAreListed(t *testing.T) {
	list := &masterpb.Response_GetAgents{}
	for id, host := range map[string]string{"m-S1": "a1", "m-S2": "S1", "n-S3": "h", "m-S4": "h"} {
		list.Agents = append(list.Agents, &masterpb.Response_GetAgents_Agent{Pid: proto.String("slave(1)@h:1"),
			AgentInfo: &mesospb.AgentInfo{Id: &mesospb.AgentID{Value: &id}, Hostname: &host}})
	}
	if a, err := pickAgent(list, "S1"); err != nil || agentIDOf(a) != "m-S1" {
		t.Errorf("S1: %v, %v", a, err)
	}
	if _, err := pickAgent(list, "h"); err == nil || !strings.Contains(err.Error(), "n-S3") || !strings.Contains(err.Error(), "m-S4") {
		t.Errorf("h: %v; want both ids", err)
	}
}

func TestAppCommandsTakeEveryNotationOfAnInstance(t *testing.T) {
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "memory")
	s.app("submit", "--wait", file(t, "web.json", appJSON("web", "exec sleep 1000", 2, "0.1")))
	id := live(t, c.Master())[1]
	for _, ref := range []string{"web/1", "web.1", id} {
		if got := s.app("show", ref, "-o", "name"); got != "web/1\n" {
			t.Errorf("show %s: %q", ref, got)
		}
	}
	// An application may have such a name itself.
	s.app("submit", "--wait", file(t, "web1.json", appJSON("web.1", "exec sleep 1000", 1, "0.1")))
	if got := s.app("show", "web.1", "-o", "name"); got != "web.1/0\n" {
		t.Errorf("show web.1: %q", got)
	}
	for _, args := range [][]string{{"scale", "web/1", "3"}, {"rm", "--yes", "web/1"}, {"pause", "web/1"}} {
		if got := mesokit(t, t.Context(), append([]string{"app"}, args...)...); got.code != exitUsage || !strings.Contains(got.stderr, "want web") {
			t.Errorf("%q: exit code %d, %s", args, got.code, got.stderr)
		}
	}
	// Names that are steps within a path are no names of applications, which is known without asking.
	for _, name := range []string{"..", ".", "../status"} {
		began := time.Now()
		if got := mesokit(t, t.Context(), "app", "show", name); got.code == 0 || time.Since(began) > 20*time.Second {
			t.Errorf("show %s: exit code %d after %v, %s", name, got.code, time.Since(began), got.stderr)
		}
	}
}

func TestAnUnreachableAgentIsMarkedGoneByTheEndOfItsID(t *testing.T) {
	c := clustertest.Start(t, func(c *cluster.Config) {
		c.AgentPingInterval, c.AgentPingMisses = 20*time.Millisecond, 2
		c.Agents = []cluster.AgentConfig{{Hostname: "node1", Simulated: true}, {Hostname: "node2", Simulated: true}}
	})
	lost := c.Agents()[1]
	lost.Partition()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for ids := []string(nil); len(ids) == 0; {
		if ids, err = m.UnreachableAgents(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	short := lost.ID[strings.LastIndex(lost.ID, "-")+1:]
	if got := operate(t, c, "master", "mark-gone", "--yes", short); got.code != 0 || !strings.Contains(got.stdout, "marked gone X-"+short) {
		t.Errorf("exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if ids, err := m.UnreachableAgents(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("unreachable: %v (%v), want none", ids, err)
	}
}
