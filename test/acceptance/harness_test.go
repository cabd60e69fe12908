package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/apiclient"
)

// patience bounds waits; it only passes if something is wrong. A real agent needs a second to start a container.
var patience = flag.Duration("patience", 3*time.Minute, "how long anything may take")

const name, role = "mesokit-acceptance", "mesokit-acceptance"

// suite is a scheduler on a Mesos.
type suite struct {
	t       *testing.T
	master  string
	binary  string
	dir     string
	listen  string
	api     *apiclient.Client
	process *exec.Cmd
	log     *os.File
}

func newSuite(t *testing.T, master, binary string) *suite {
	t.Helper()
	s := &suite{t: t, master: master, binary: binary, dir: t.TempDir()}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listen = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if s.api, err = apiclient.New(apiclient.Config{Addresses: []string{"http://" + s.listen}}); err != nil {
		t.Fatal(err)
	}
	if s.log, err = os.Create(filepath.Join(s.dir, "scheduler.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.api.Close()
		s.kill()
		_ = s.log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(s.log.Name())
			lines := strings.Split(string(text), "\n")
			t.Logf("the scheduler's log ends:\n%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	})
	return s
}

// scheduler is the command of a scheduler.
func (s *suite) scheduler(more ...string) *exec.Cmd {
	c := exec.CommandContext(context.WithoutCancel(s.t.Context()), s.binary, append([]string{"scheduler", "--name", name, "--role", role, "--principal", "",
		"--master", s.master, "--store", "bolt:" + filepath.Join(s.dir, "state.db"), "--listen", s.listen}, more...)...)
	c.Stdout, c.Stderr = s.log, s.log
	return c
}

// start starts the scheduler and waits until it works.
func (s *suite) start() {
	s.t.Helper()
	s.process = s.scheduler()
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.until("the scheduler is connected", func(ctx context.Context) string {
		st, err := s.api.Status(ctx)
		switch {
		case err != nil:
			return err.Error()
		case !st.Connected:
			return "not connected: " + st.Trouble
		}
		return ""
	})
}

// kill ends the scheduler as SIGKILL does.
func (s *suite) kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// until waits until check finds nothing to object to.
func (s *suite) until(what string, check func(ctx context.Context) (objection string)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), *patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	objection := ""
	for {
		switch now := check(ctx); {
		case now == "":
			return
		case ctx.Err() == nil || objection == "": // else it says only that the time is over
			objection = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until %s: %s\n%s", what, objection, s.account())
		}
	}
}

// account is how the scheduler sees things.
func (s *suite) account() string {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	explanations, err := s.api.Explanations(ctx)
	if err != nil {
		return err.Error()
	}
	deployments, err := s.api.Deployments(ctx, true)
	if err != nil {
		return err.Error()
	}
	tasks, err := s.api.Tasks(ctx, apiclient.TaskFilter{})
	if err != nil {
		return err.Error()
	}
	text, err := json.Marshal(map[string]any{"explanations": explanations, "deployments": deployments, "tasks": tasks})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// call makes an operator's call to the master, in JSON.
func call(ctx context.Context, master string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+master+"/api/v1", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s: %s: %s", body, resp.Status, data)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(data, answer)
}

type value struct {
	Value string `json:"value"`
}

// A reservedResource is a resource as GET_AGENTS has it, as far as it matters here.
type reservedResource struct {
	Name         string `json:"name"`
	Reservations []struct {
		Role string `json:"role"`
	} `json:"reservations"`
	Disk *struct {
		Persistence *struct {
			ID string `json:"id"`
		} `json:"persistence"`
	} `json:"disk"`
}

// A state is what the master knows, as far as it matters here.
type state struct {
	Tasks struct {
		Tasks, CompletedTasks []task
	}
	Agents []struct {
		AgentInfo struct {
			ID       value  `json:"id"`
			Hostname string `json:"hostname"`
		} `json:"agent_info"`
		Pid            string                  `json:"pid"`
		DrainInfo      *struct{ State string } `json:"drain_info"`
		TotalResources []reservedResource      `json:"total_resources"`
	}
	Executors  int      // of the framework
	Frameworks []string // ids of those of our name that have not ended
}

type task struct {
	TaskID      value  `json:"task_id"`
	FrameworkID value  `json:"framework_id"`
	AgentID     value  `json:"agent_id"`
	State       string `json:"state"`
	Statuses    []struct {
		Message string `json:"message"`
	} `json:"statuses"`
}

// look asks the master.
func (s *suite) look(ctx context.Context) (*state, error) {
	var answer struct {
		GetState struct {
			GetTasks struct {
				Tasks          []task `json:"tasks"`
				CompletedTasks []task `json:"completed_tasks"`
			} `json:"get_tasks"`
			GetExecutors struct {
				Executors []struct {
					ExecutorInfo struct {
						FrameworkID value `json:"framework_id"`
					} `json:"executor_info"`
				} `json:"executors"`
			} `json:"get_executors"`
			GetFrameworks struct {
				Frameworks []struct {
					FrameworkInfo struct {
						ID   value  `json:"id"`
						Name string `json:"name"`
					} `json:"framework_info"`
				} `json:"frameworks"`
			} `json:"get_frameworks"`
			GetAgents json.RawMessage `json:"get_agents"`
		} `json:"get_state"`
	}
	if err := call(ctx, s.master, map[string]string{"type": "GET_STATE"}, &answer); err != nil {
		return nil, err
	}
	st := new(state)
	var agents struct {
		Agents any `json:"agents"`
	}
	agents.Agents = &st.Agents
	if err := json.Unmarshal(answer.GetState.GetAgents, &agents); err != nil {
		return nil, err
	}
	ours := make(map[string]bool)
	for _, f := range answer.GetState.GetFrameworks.Frameworks {
		if f.FrameworkInfo.Name == name {
			ours[f.FrameworkInfo.ID.Value] = true
			st.Frameworks = append(st.Frameworks, f.FrameworkInfo.ID.Value)
		}
	}
	for _, t := range answer.GetState.GetTasks.Tasks {
		if ours[t.FrameworkID.Value] {
			st.Tasks.Tasks = append(st.Tasks.Tasks, t)
		}
	}
	for _, t := range answer.GetState.GetTasks.CompletedTasks {
		if ours[t.FrameworkID.Value] {
			st.Tasks.CompletedTasks = append(st.Tasks.CompletedTasks, t)
		}
	}
	for _, x := range answer.GetState.GetExecutors.Executors {
		if ours[x.ExecutorInfo.FrameworkID.Value] {
			st.Executors++
		}
	}
	return st, nil
}

// reserved lists what agents have reserved for our role.
func (st *state) reserved() (list []string) {
	for _, a := range st.Agents {
		for _, r := range a.TotalResources {
			if n := len(r.Reservations); n > 0 && r.Reservations[n-1].Role == role {
				what := r.Name
				if r.Disk != nil && r.Disk.Persistence != nil {
					what = "volume " + r.Disk.Persistence.ID
				}
				list = append(list, what+" on "+a.AgentInfo.ID.Value)
			}
		}
	}
	return list
}
