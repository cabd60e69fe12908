package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestSandboxesAreCollectedAfterAWeek(t *testing.T) {
	dirs := make(chan string, 2)
	bubbleWith(t, simulate(map[string]Run{
		"x": {Func: func(_ context.Context, task FuncTask) error {
			dir, err := task.Sandbox()
			dirs <- dir
			return err
		}},
		"plain": {End: mesospb.TaskState_TASK_FINISHED},
	}), func(t *testing.T, m *testMaster, a *Agent) {
		finish := func(id, command string) {
			m.send(link.RunTask{Framework: testFramework(), Task: shellTask(id, command)})
			for !isTerminal(awaitLong[link.StatusUpdate](t, m).Status.GetState()) {
			}
			synctest.Wait()
		}
		there := func(dir string) bool {
			synctest.Wait()
			_, err := os.Stat(dir)
			served := false
			for name, target := range a.files.Attached() {
				served = served || strings.HasPrefix(name, dir) || strings.HasPrefix(target, dir)
			}
			if served != (err == nil) {
				t.Errorf("%s: %v, served %v", dir, err, served)
			}
			return err == nil
		}
		finish("x", "x")
		first := <-dirs
		time.Sleep(6 * 24 * time.Hour)
		finish("x", "x") // the same executor once more
		second := <-dirs
		finish("y", "plain")
		if !there(first) || !there(second) {
			t.Error("a sandbox is gone too soon")
		}
		time.Sleep(25 * time.Hour)
		if there(first) || !there(second) {
			t.Errorf("after a week: first %v, second %v", there(first), there(second))
		}
		if latest, err := os.Readlink(filepath.Join(filepath.Dir(second), "latest")); err != nil || latest != second {
			t.Errorf("the latest run is %s (%v)", latest, err)
		}
		time.Sleep(7 * 24 * time.Hour)
		if there(second) {
			t.Error("the second sandbox stays")
		}
		framework := strings.SplitAfter(second, "/frameworks/fw-0000")[0]
		if _, err := os.Stat(framework); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what was above stays: %v", err)
		}
	})
}

func TestWhoWaitsForAContainerAndGoesIsForgotten(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	id := &mesospb.ContainerID{Value: proto.String("long")}
	ok(t, a, &agentpb.Call{Type: agentpb.Call_LAUNCH_CONTAINER.Enum(), LaunchContainer: &agentpb.Call_LaunchContainer{ContainerId: id, Command: &mesospb.CommandInfo{Value: proto.String("sleep 1000")}}})
	waiting := func() (n int) {
		_ = a.loop.Do(t.Context(), func() { n = len(a.containers["long"].waiters) })
		return n
	}
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	const many = 10
	gone := make(chan error, many)
	for range many {
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Addr()+"/api/v1", strings.NewReader(`{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"long"}}}`))
			if err == nil {
				req.Header.Set("Content-Type", "application/json")
				var resp *http.Response
				if resp, err = client.Do(req); err == nil {
					resp.Body.Close()
				}
			}
			gone <- err
		}()
	}
	eventually(t, "all wait", func() bool { return waiting() == many })
	cancel()
	for range many {
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("the wait ended with %v", err)
		}
	}
	eventually(t, "nobody is kept", func() bool { return waiting() == 0 })
}

func TestLoggingLevel(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	level := func() uint32 {
		var legacy uint32
		if _, body := fetch(t, a, "/logging/toggle"); json.Unmarshal([]byte(body), &legacy) != nil {
			t.Errorf("/logging/toggle says %q", body)
		}
		got := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_LOGGING_LEVEL.Enum()}).GetGetLoggingLevel().GetLevel()
		if got != legacy {
			t.Errorf("level %d, by the older endpoint %d", got, legacy)
		}
		return got
	}
	if got := level(); got != 0 {
		t.Errorf("level %d at first", got)
	}
	ok(t, a, &agentpb.Call{Type: agentpb.Call_SET_LOGGING_LEVEL.Enum(), SetLoggingLevel: &agentpb.Call_SetLoggingLevel{Level: proto.Uint32(2), Duration: &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(time.Hour))}}})
	if got := level(); got != 2 {
		t.Errorf("level %d after it was set to 2", got)
	}
	if status, _ := fetch(t, a, "/logging/toggle?level=1&duration=1ms"); status != 200 {
		t.Errorf("toggle: %d", status)
	}
	eventually(t, "the level is what it was", func() bool {
		return ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_LOGGING_LEVEL.Enum()}).GetGetLoggingLevel().GetLevel() == 0
	})
	for _, q := range []string{"level=9&duration=1secs", "level=1", "level=1&duration=long"} {
		if status, _ := fetch(t, a, "/logging/toggle?"+q); status != 400 {
			t.Errorf("%s: %d", q, status)
		}
	}
	if _, body := fetch(t, a, "/containerizer/debug"); body != `{"pending":[]}` {
		t.Errorf("/containerizer/debug: %s", body)
	}
}

// A sandbox stays for a week; what else is known of its executor does not.
func TestAnExecutorThatIsForgottenLeavesTheMemory(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m, func(c *Config) {
		c.Runner = func(*mesospb.FrameworkInfo, *mesospb.TaskInfo) *Run {
			return &Run{Func: func(context.Context, FuncTask) error { return nil }}
		}
	})
	var first weak.Pointer[executor]
	for i := range maxCompletedExecutors + 2 {
		id := "t" + strconv.Itoa(i)
		m.send(link.RunTask{Framework: testFramework(), Task: shellTask(id, "")})
		if i == 0 {
			m.updateOf(t, id, mesospb.TaskState_TASK_RUNNING)
			_ = a.loop.Do(t.Context(), func() {
				f := a.frameworks["fw-0000"]
				if f == nil {
					f = a.completed[0]
				}
				for _, e := range append(slices.Collect(maps.Values(f.executors)), f.completed...) {
					first = weak.Make(e)
				}
			})
		}
		m.updateOf(t, id, mesospb.TaskState_TASK_FINISHED)
		waitForgotten(t, a, id)
	}
	eventually(t, "the first executor is collected", func() bool {
		runtime.GC()
		return first.Value() == nil
	})
}
