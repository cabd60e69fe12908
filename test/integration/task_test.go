package integration

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestCommandTasksInBothMediaTypes(t *testing.T) {
	for _, media := range []codec.Codec{codec.JSON, codec.Protobuf} {
		t.Run(media.MediaType(), func(t *testing.T) {
			f := subscribe(t, start(t, cluster.Config{}), modern("commands"), media)
			for i, tc := range []struct {
				command string
				end     mesospb.TaskState
				message string
			}{
				{"true", finished, "Command exited with status 0"},
				{"exit 7", failed, "Command exited with status 7"},
				{"kill -9 $$", failed, "Command terminated with signal Killed"},
			} {
				offer := f.offers()[0]
				f.launch(offer, shell(fmt.Sprint("task-", i), offer, tc.command))
				status := f.expect(starting, running, tc.end)
				if status.GetMessage() != tc.message || status.GetSource() != mesospb.TaskStatus_SOURCE_EXECUTOR || len(status.GetUuid()) != 16 {
					t.Errorf("%q ended with %v, want message %q from the executor, with a uuid", tc.command, status, tc.message)
				}
			}
		})
	}
}

func TestKillEscalatesAfterTheGracePeriod(t *testing.T) {
	c := start(t, cluster.Config{})
	f := subscribe(t, c, modern("kill"), codec.Protobuf)
	offer := f.offers()[0]
	f.launch(offer, shell("stubborn", offer, "trap '' TERM; echo ready; while :; do sleep 0.05; done"))
	f.expect(starting, running)
	output(t, f, c, "stubborn", 1) // it runs before it has set its trap
	policy := &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(100 * time.Millisecond))}}
	f.must(f.Kill(f.ctx, &mesospb.TaskID{Value: proto.String("stubborn")}, offer.GetAgentId(), policy))
	status := f.expect(killing, killed)
	if want := "Command terminated with signal Killed"; status.GetMessage() != want {
		t.Errorf("message %q, want %q", status.GetMessage(), want)
	}
}

// A command may leave processes of all kinds behind; none of them outlives the task.
func TestKillReachesTheWholeTree(t *testing.T) {
	c := start(t, cluster.Config{})
	f := subscribe(t, c, modern("tree"), codec.Protobuf)
	offer := f.offers()[0]
	f.launch(offer, shell("tree", offer, "sleep 1001 & echo $!; (sleep 1002 & echo $!; wait) & setsid sleep 1003 & echo $!; wait"))
	f.expect(starting, running)
	pids := strings.Fields(output(t, f, c, "tree", 3))
	f.must(f.Kill(f.ctx, &mesospb.TaskID{Value: proto.String("tree")}, offer.GetAgentId(), nil))
	f.expect(killing, killed)
	for _, pid := range pids {
		waitGone(t, f, pid)
	}
}

// waitGone waits for the end of a process.
func waitGone(t *testing.T, f *framework, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
		if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return // ended; whoever inherited it has not looked yet
		}
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			t.Fatalf("process %s is still there", pid)
		}
	}
}

// output returns the first lines of a task's stdout.
func output(t *testing.T, f *framework, c *cluster.Cluster, task string, lines int) string {
	t.Helper()
	agent, err := operator.NewAgent(operator.AgentConfig{Address: c.Agents()[0].Address})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	var text strings.Builder
	path := operator.SandboxPath(f.id.GetValue(), task) + "/stdout"
	for piece, err := range agent.Follow(f.ctx, path, operator.FollowConfig{}) {
		if err != nil {
			t.Fatal(err)
		}
		text.Write(piece)
		if strings.Count(text.String(), "\n") >= lines {
			break
		}
	}
	return text.String()
}

func TestInvalidTasksAreRefusedOneByOne(t *testing.T) {
	f := subscribe(t, start(t, cluster.Config{Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:1;mem:128"})}), modern("invalid"), codec.JSON)
	offer := f.offers()[0]
	greedy := shell("greedy", offer, "true")
	greedy.Resources = []*mesospb.Resource{resources.NewCPUs(2), resources.NewMem(32)}
	elsewhere := shell("elsewhere", offer, "true")
	elsewhere.AgentId = &mesospb.AgentID{Value: proto.String("nowhere")}
	f.launch(offer, greedy, shell("good", offer, "sleep 1000"), shell("good", offer, "true"), elsewhere, shell("a/b", offer, "true"))

	refused := map[string]int{}
	states := map[mesospb.TaskState]int{}
	for states[running] == 0 || len(refused) < 4 {
		status := f.update()
		states[status.GetState()]++
		if status.GetState() == mesospb.TaskState_TASK_ERROR {
			refused[status.GetTaskId().GetValue()]++
			if status.GetReason() != mesospb.TaskStatus_REASON_TASK_INVALID || status.GetSource() != mesospb.TaskStatus_SOURCE_MASTER || status.Uuid != nil || status.GetMessage() == "" {
				t.Errorf("got %v, want REASON_TASK_INVALID of the master, a message and no uuid", status)
			}
		}
	}
	for _, id := range []string{"greedy", "good", "elsewhere", "a/b"} {
		if refused[id] != 1 {
			t.Errorf("task %s was refused %d times, want once", id, refused[id])
		}
	}

	// The offer is spent.
	f.launch(offer, shell("late", offer, "true"))
	status := f.expect(mesospb.TaskState_TASK_DROPPED)
	if status.GetReason() != mesospb.TaskStatus_REASON_INVALID_OFFERS {
		t.Errorf("got %v, want REASON_INVALID_OFFERS", status)
	}
}

func TestResourcesAreAccountedForExactly(t *testing.T) {
	c := start(t, cluster.Config{Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:1;mem:128;disk:10;ports:[31000-31009]"})})
	f := subscribe(t, c, modern("accounts"), codec.Protobuf)
	offer := f.offers()[0]
	all := resources.Unallocate(offer.GetResources())
	task := shell("t", offer, "sleep 1000")
	task.Resources = append(task.Resources, resources.NewPorts(31003, 31004))
	f.must(f.Accept(f.ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(3600), scheduler.Launch(task)))
	f.expect(starting, running)

	f.must(f.Revive(f.ctx)) // the rest is refused until then
	rest := f.offers()[0]
	if got, want := resources.Unallocate(rest.GetResources()), resources.Subtract(all, resources.Unallocate(task.Resources)); !resources.Equivalent(got, want) {
		t.Errorf("offered %s beside the task, want %s", resources.Describe(got), resources.Describe(want))
	}
	// The rest is refused for long; all there is is more than that, and comes.
	f.must(f.Decline(f.ctx, scheduler.OfferIDs(rest), scheduler.RefuseSeconds(3600)))
	f.must(f.Kill(f.ctx, task.GetTaskId(), nil, nil))
	f.expect(killing, killed)
	if got := resources.Unallocate(f.offers()[0].GetResources()); !resources.Equivalent(got, all) {
		t.Errorf("offered %s after the task, want %s", resources.Describe(got), resources.Describe(all))
	}
}

func TestFetchedFilesAreInTheSandbox(t *testing.T) {
	var tgz, zipped bytes.Buffer
	gz := gzip.NewWriter(&tgz)
	tw := tar.NewWriter(gz)
	tw.WriteHeader(&tar.Header{Name: "dir/in-tar", Mode: 0o644, Size: 3})
	tw.Write([]byte("tar"))
	tw.Close()
	gz.Close()
	zw := zip.NewWriter(&zipped)
	w, _ := zw.Create("in-zip")
	w.Write([]byte("zip"))
	zw.Close()
	files := map[string][]byte{"/a.tar.gz": tgz.Bytes(), "/a.zip": zipped.Bytes(), "/plain": []byte("plain"), "/script": []byte("#!/bin/sh\necho script")}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}))
	defer server.Close()
	local := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(local, []byte("local"), 0o644); err != nil {
		t.Fatal(err)
	}

	c := start(t, cluster.Config{})
	f := subscribe(t, c, modern("fetch"), codec.JSON)
	offer := f.offers()[0]
	task := shell("fetch", offer, "cat dir/in-tar in-zip sub/renamed local; ./script; test ! -x local && echo x")
	task.Command.Uris = []*mesospb.CommandInfo_URI{
		{Value: proto.String(server.URL + "/a.tar.gz")},
		{Value: proto.String(server.URL + "/a.zip")},
		{Value: proto.String(server.URL + "/plain"), OutputFile: proto.String("sub/renamed")},
		{Value: proto.String(server.URL + "/script"), Executable: proto.Bool(true)},
		{Value: proto.String("file://" + local)},
	}
	f.launch(offer, task)
	f.expect(starting, running, finished)
	if got, want := output(t, f, c, "fetch", 2), "tarzipplainlocalscript\nx\n"; got != want {
		t.Errorf("the task printed %q, want %q", got, want)
	}

	offer = f.offers()[0]
	missing := shell("missing", offer, "true")
	missing.Command.Uris = []*mesospb.CommandInfo_URI{{Value: proto.String(server.URL + "/nope")}}
	f.launch(offer, missing)
	status := f.expect(failed)
	if status.GetReason() != mesospb.TaskStatus_REASON_CONTAINER_LAUNCH_FAILED {
		t.Errorf("got %v, want REASON_CONTAINER_LAUNCH_FAILED", status)
	}
}

func TestReconciliationTellsWhatTheMasterKnows(t *testing.T) {
	f := subscribe(t, start(t, cluster.Config{}), modern("reconcile"), codec.Protobuf)
	offer := f.offers()[0]
	f.launch(offer, shell("known", offer, "sleep 1000"))
	f.expect(starting, running)
	known, unknown := &mesospb.TaskID{Value: proto.String("known")}, &mesospb.TaskID{Value: proto.String("unknown")}
	f.must(f.Reconcile(f.ctx, scheduler.ReconcileTask(known, nil), scheduler.ReconcileTask(unknown, nil), scheduler.ReconcileTask(unknown, offer.GetAgentId())))
	for _, want := range []mesospb.TaskState{running, mesospb.TaskState_TASK_UNKNOWN, mesospb.TaskState_TASK_GONE} {
		status := f.expect(want)
		if status.Uuid != nil || status.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION {
			t.Errorf("got %v, want no uuid and REASON_RECONCILIATION", status)
		}
	}
	f.must(f.Reconcile(f.ctx))
	if status := f.expect(running); status.GetTaskId().GetValue() != "known" {
		t.Errorf("implicit reconciliation told of %v", status)
	}
}

func TestStoppedAgentTakesItsTasksAlong(t *testing.T) {
	c := start(t, cluster.Config{Agents: cluster.Agents(2, cluster.AgentConfig{})})
	f := subscribe(t, c, modern("stop"), codec.Protobuf)
	offers := f.offers()
	for len(offers) < 2 {
		offers = append(offers, f.offers()...)
	}
	f.launch(offers[0], shell("doomed", offers[0], "sleep 1000"))
	f.expect(starting, running)
	for _, a := range c.Agents() {
		if a.ID == offers[0].GetAgentId().GetValue() {
			if err := c.Stop(a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(c.Agents()); n != 1 {
		t.Errorf("%d agents are left, want 1", n)
	}
	var lost, failure bool
	for !lost || !failure {
		select {
		case e := <-f.events:
			switch e.GetType() {
			case schedulerpb.Event_UPDATE:
				status := e.GetUpdate().GetStatus()
				switch status.GetState() {
				case mesospb.TaskState_TASK_LOST, killed, mesospb.TaskState_TASK_GONE, failed:
					lost = true
				}
			case schedulerpb.Event_FAILURE:
				failure = e.GetFailure().GetAgentId().GetValue() == offers[0].GetAgentId().GetValue() && e.GetFailure().ExecutorId == nil
			}
		case <-f.ctx.Done():
			t.Fatalf("told of the task's end: %v, of the agent's: %v", lost, failure)
		}
	}
}
