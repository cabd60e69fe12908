package real

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Process is an agent that is a process of this host.
type Process struct {
	pid     int
	workDir string
	command command
}

// A command is how a process was started.
type command struct {
	path      string
	args, env []string
	dir       string
	output    string // the file to which it writes, if it is one
}

// newProcess finds the process of an agent. A process that the tests have started since, in the same work directory, is
// found, too: the pid need only be that of the first.
func newProcess(pid int, workDir string) (Agent, error) {
	p := &Process{pid: pid, workDir: workDir}
	c, err := commandOf(pid)
	if err != nil {
		if p.pid, c, err = findAgent(workDir); err != nil {
			return nil, fmt.Errorf("real: there is no process %d, and no other agent with the work directory %s: %w", pid, workDir, err)
		}
	}
	p.command = c
	return p, nil
}

func commandOf(pid int) (c command, err error) {
	proc := "/proc/" + strconv.Itoa(pid)
	cmdline, err := os.ReadFile(proc + "/cmdline")
	if err != nil || len(cmdline) == 0 {
		return c, errors.Join(err, os.ErrNotExist)
	}
	environ, errEnv := os.ReadFile(proc + "/environ")
	path, errPath := os.Readlink(proc + "/exe")
	dir, errDir := os.Readlink(proc + "/cwd")
	if err := errors.Join(errEnv, errPath, errDir); err != nil {
		return c, err
	}
	split := func(b []byte) (texts []string) {
		for _, t := range bytes.Split(bytes.TrimSuffix(b, []byte{0}), []byte{0}) {
			texts = append(texts, string(t))
		}
		return texts
	}
	c = command{path: path, args: split(cmdline), env: split(environ), dir: dir}
	if out, err := os.Readlink(proc + "/fd/1"); err == nil && strings.HasPrefix(out, "/") {
		c.output = out
	}
	return c, nil
}

// findAgent finds a process that was told a work directory.
func findAgent(workDir string) (pid int, c command, err error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, c, err
	}
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		c, err := commandOf(pid)
		if err != nil {
			continue
		}
		for _, told := range append(c.args, c.env...) {
			if told == "--work_dir="+workDir || told == "MESOS_WORK_DIR="+workDir {
				return pid, c, nil
			}
		}
	}
	return 0, c, os.ErrNotExist
}

// ID reads the agent's id from its work directory.
func (p *Process) ID(context.Context) (string, error) {
	latest, err := os.Readlink(filepath.Join(p.workDir, "meta/slaves/latest"))
	if err != nil {
		return "", fmt.Errorf("real: the agent's id: %w", err)
	}
	return filepath.Base(latest), nil
}

// Kill sends SIGKILL.
func (p *Process) Kill(ctx context.Context) error { return p.end(ctx, syscall.SIGKILL) }

// Retire sends SIGUSR1 and waits for the end.
func (p *Process) Retire(ctx context.Context) error { return p.end(ctx, syscall.SIGUSR1) }

// Renew is Retire and StartWithNewID.
func (p *Process) Renew(ctx context.Context) error {
	if err := p.Retire(ctx); err != nil {
		return err
	}
	return p.StartWithNewID(ctx)
}

// StartWithNewID forgets the agent's id, and starts it.
func (p *Process) StartWithNewID(ctx context.Context) error {
	if err := os.Remove(filepath.Join(p.workDir, "meta/slaves/latest")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("real: %w", err)
	}
	return p.Start(ctx)
}

// Start starts the agent as it was started.
func (p *Process) Start(context.Context) error {
	pid, err := p.command.start()
	if err != nil {
		return fmt.Errorf("real: starting the agent again: %w", err)
	}
	p.pid = pid
	return nil
}

// Add starts one more agent like this one, on another port and in another directory, until end is called.
func (p *Process) Add(ctx context.Context, dir, port string) (end func() error, err error) {
	c := p.command
	c.args = append([]string(nil), c.args...)
	c.env = append([]string(nil), c.env...)
	for i, a := range c.args {
		switch {
		case strings.HasPrefix(a, "--work_dir="):
			c.args[i] = "--work_dir=" + dir
		case strings.HasPrefix(a, "--port="):
			c.args[i] = "--port=" + port
		}
	}
	c.env = append(c.env, "MESOS_WORK_DIR="+dir, "MESOS_PORT="+port, "MESOS_RUNTIME_DIR="+filepath.Join(dir, "run"))
	pid, err := c.start()
	if err != nil {
		return nil, fmt.Errorf("real: one more agent: %w", err)
	}
	added := &Process{pid: pid, workDir: dir, command: c}
	return func() error { return added.end(context.WithoutCancel(ctx), syscall.SIGUSR1) }, nil
}

// start starts a process that outlives the tests, and is nobody's child here.
func (c command) start() (pid int, err error) {
	out := c.output
	if out == "" {
		out = os.DevNull
	}
	sh := exec.Command("/bin/sh", append([]string{"-c", `"$0" "$@" </dev/null >>"$AGENT_OUTPUT" 2>&1 & echo $!`, c.path}, c.args[1:]...)...)
	sh.Dir, sh.Env, sh.SysProcAttr = c.dir, append(c.env[:len(c.env):len(c.env)], "AGENT_OUTPUT="+out), &syscall.SysProcAttr{Setsid: true}
	told, err := sh.Output()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(told)))
}

// end sends a signal and waits until there is no such process.
func (p *Process) end(ctx context.Context, signal syscall.Signal) error {
	if err := syscall.Kill(p.pid, signal); err != nil {
		return fmt.Errorf("real: %v to the agent %d: %w", signal, p.pid, err)
	}
	tick := time.NewTicker(20 * time.Millisecond) // the process is nobody's child here
	defer tick.Stop()
	for {
		if _, err := commandOf(p.pid); err != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("real: the agent %d lives on after %v: %w", p.pid, signal, ctx.Err())
		}
	}
}
