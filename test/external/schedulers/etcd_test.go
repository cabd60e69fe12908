// Package schedulers tries the ready-made scheduler, as a program, on a real etcd.
package schedulers

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/test/external/testetcd"
)

// patience bounds waits that only last if something is wrong.
const patience = 90 * time.Second

type process struct {
	cmd *exec.Cmd
	API string `json:"api"`
	// Leading says whether it led when it was ready.
	Leading bool `json:"leading"`
}

// start runs mesokit scheduler until the end of the test, and waits until it is ready.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, append([]string{"scheduler", "-o", "json", "--listen", "127.0.0.1:0"}, args...)...)}
	p.cmd.Stderr = t.Output()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, p); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return p
}

// kill is SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// running lists the tasks that run, by id.
func running(t *testing.T, m *operator.Master) (ids []string) {
	t.Helper()
	tasks, err := m.GetTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks.GetTasks() {
		if task.GetState() == mesospb.TaskState_TASK_RUNNING {
			ids = append(ids, task.GetTaskId().GetValue())
		}
	}
	slices.Sort(ids)
	return ids
}

func TestAFollowerTakesOverFromALeaderThatIsKilled(t *testing.T) {
	program := filepath.Join(t.TempDir(), "mesokit")
	if out, err := exec.Command("go", "build", "-C", "../../..", "-o", program, "./cmd/mesokit").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	db := testetcd.Start(t)
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:4;mem:1024"})})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	place := "etcd:" + db.Addr + "/ha"
	args := []string{"--master", c.Master(), "--name", "ha", "--store", place, "--election", place}
	first := start(t, program, args...)
	second := start(t, program, args...)
	if !first.Leading || second.Leading {
		t.Fatalf("leading: %v and %v", first.Leading, second.Leading)
	}
	api, err := apiclient.New(apiclient.Config{Addresses: []string{second.API, first.API}, Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	web := app.New("web", "sleep 1000")
	web.Instances = 3
	if err := web.Complete(); err != nil {
		t.Fatal(err)
	}
	definition, err := json.Marshal(web)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Submit(t.Context(), definition, apiclient.SubmitOptions{}); err != nil {
		t.Fatal(err)
	}
	up := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			a, err := api.App(t.Context(), "web")
			if err == nil && a.Up == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("not %d up: %+v, %v", n, a, err)
			}
		}
	}
	up(3)
	before := running(t, m)
	first.kill()
	// A command that was on its way to the leader may have been carried out, so the client does not repeat it. This one may be.
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_, err := api.Scale(t.Context(), "web", 4)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	up(4)
	after := running(t, m)
	if len(after) != 4 {
		t.Errorf("%d tasks run: %v", len(after), after)
	}
	for _, id := range before {
		if !slices.Contains(after, id) {
			t.Errorf("task %s was lost; now %v", id, after)
		}
	}
	if len(before) != 3 {
		t.Errorf("%d tasks ran before: %v", len(before), before)
	}
}
