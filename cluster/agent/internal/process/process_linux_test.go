package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_TEST_DIES") != "" {
		dies()
		return
	}
	goleak.VerifyTestMain(m)
}

// shell starts a script whose standard output is returned. The script's mark is dir.
func shell(t *testing.T, s *Spawner, dir, script string) (*Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p, err := s.Start(Spec{
		Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: dir, Stdout: w,
		Env:  []string{"PATH=" + DefaultPath, "MESOS_SANDBOX=" + dir},
		Mark: "MESOS_SANDBOX=" + dir,
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, bufio.NewReader(r)
}

func readPID(t *testing.T, r *bufio.Reader) int {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("reading a pid: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// waitGone returns when pid no longer runs; a zombie does not run.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return
		}
		if s, ok := parseStat(pid, data); !ok || s.zombie {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("process %d still runs", pid)
}

func TestStatusSaysHowAProcessEnded(t *testing.T) {
	s := NewSpawner("")
	defer s.Close()
	for script, want := range map[string]string{
		"exit 0":                                "exited with status 0",
		"exit 3":                                "exited with status 3",
		"kill -9 $$":                            "terminated with signal Killed",
		"kill -TERM $$":                         "terminated with signal Terminated",
		"ulimit -c 0; kill -SEGV $$; sleep 100": "terminated with signal Segmentation fault",
	} {
		p, _ := shell(t, s, t.TempDir(), script)
		if got := p.Wait().String(); got != want {
			t.Errorf("%q %s, want %s", script, got, want)
		}
		p.Sweep()
	}
}

func TestProcessInheritsNothing(t *testing.T) {
	t.Setenv("LEAKED", "yes")
	s := NewSpawner("")
	defer s.Close()
	p, out := shell(t, s, t.TempDir(), "echo ${LEAKED:-no}")
	p.Wait()
	p.Sweep()
	if line, _ := out.ReadString('\n'); line != "no\n" {
		t.Errorf("LEAKED is %q in the process, want it unset", line)
	}
}

func TestKillReachesWholeTree(t *testing.T) {
	for name, script := range map[string]string{
		"child":              "sleep 1000 & echo $!; wait",
		"child of a child":   "sh -c 'sleep 1000 & echo $!; wait' & wait",
		"ignores TERM":       "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait",
		"own session":        "setsid sh -c 'echo $$; exec sleep 1000' & wait",
		"orphan, own group":  "(setsid sh -c 'echo $$; exec sleep 1000' &) ; sleep 1000",
		"no environment":     "env -i /bin/sh -c 'echo $$; exec sleep 1000' & wait",
		"stopped":            "sh -c 'echo $$; kill -STOP $$; sleep 1000' & wait",
		"cleared, setsid'ed": "setsid env -i /bin/sh -c 'echo $$; exec sleep 1000' & wait",
	} {
		t.Run(name, func(t *testing.T) {
			s := NewSpawner("")
			defer s.Close()
			p, out := shell(t, s, t.TempDir(), script)
			child := readPID(t, out)
			p.Kill()
			p.Wait()
			p.Sweep()
			waitGone(t, child)
		})
	}
}

func TestSweepKillsWhatAnEndedProcessLeft(t *testing.T) {
	s := NewSpawner("")
	defer s.Close()
	p, out := shell(t, s, t.TempDir(), "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; exit 0")
	one, two := readPID(t, out), readPID(t, out)
	p.Wait()
	p.Sweep()
	waitGone(t, one)
	waitGone(t, two)
}

func TestSignalReachesWholeTree(t *testing.T) {
	s := NewSpawner("")
	defer s.Close()
	dir := t.TempDir()
	p, out := shell(t, s, dir, `setsid sh -c 'trap "touch got; exit" TERM; echo $$; while :; do sleep 0.01; done' & wait`)
	child := readPID(t, out)
	p.Signal(syscall.SIGTERM)
	p.Wait()
	waitGone(t, child)
	p.Sweep()
	if _, err := os.Stat(filepath.Join(dir, "got")); err != nil {
		t.Errorf("the child was killed before it could handle TERM: %v", err)
	}
}

func TestStartFailsForMissingExecutable(t *testing.T) {
	s := NewSpawner("")
	defer s.Close()
	if _, err := s.Start(Spec{Path: "/no/such/binary", Args: []string{"x"}, Dir: "/"}); !os.IsNotExist(err) {
		t.Fatalf("got %v, want not exist", err)
	}
}

func TestStartAfterCloseFails(t *testing.T) {
	s := NewSpawner("")
	s.Close()
	s.Close()
	if _, err := s.Start(Spec{Path: "/bin/sh"}); err != ErrClosed {
		t.Fatalf("got %v, want ErrClosed", err)
	}
}

// dies starts processes as an agent would and waits for the parent test to kill it.
func dies() {
	dir := os.Getenv("PROCESS_TEST_DIES")
	s := NewSpawner(dir)
	p, err := s.Start(Spec{
		Path: "/bin/sh", Dir: dir, Stdout: os.Stdout,
		Args: []string{"sh", "-c", "echo $$; sleep 1000 & echo $!; setsid sleep 1000 & echo $!; (setsid sleep 1000 & echo $!); wait"},
		Env:  []string{"PATH=" + DefaultPath, "MESOS_SANDBOX=" + dir + "/run"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	p.Wait()
}

func TestNothingSurvivesThisProgram(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST_DIES="+t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	var pids []int
	for range 4 {
		pids = append(pids, readPID(t, out))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, pid := range pids {
		waitGone(t, pid)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (sh) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 1000"))
	f.Add([]byte("7 (a) b) ) Z 3 4 5 0"))
	f.Add([]byte("("))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, ok := parseStat(1, data); ok && s.pid != 1 {
			t.Fatalf("pid %d", s.pid)
		}
	})
}

func TestParseStat(t *testing.T) {
	got, ok := parseStat(7, []byte("7 (a) b) S 3 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 1000"))
	if want := (stat{pid: 7, parent: 3, group: 4, session: 5, born: 77}); !ok || got != want {
		t.Errorf("got %+v, %v; want %+v", got, ok, want)
	}
}

func TestMeasureSeesTheWholeTree(t *testing.T) {
	s := NewSpawner("")
	defer s.Close()
	p, out := shell(t, s, t.TempDir(), "setsid sleep 1000 & sleep 1000 & echo $$; wait")
	readPID(t, out)
	u := Measure([][]*Process{{p, p}, nil})
	if u[0].Processes != 3 || u[0].RSS == 0 || u[0].Anonymous == 0 || u[0].Anonymous > u[0].RSS || u[1] != (Usage{}) {
		t.Errorf("got %+v, want 3 processes with memory", u)
	}
	p.Kill()
	p.Wait()
	p.Sweep()
	if u := Measure([][]*Process{{p}}); u[0] != (Usage{}) {
		t.Errorf("%+v is left", u)
	}
}
