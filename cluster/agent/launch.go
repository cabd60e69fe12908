package agent

// Starting a command: docs/behaviour.md#executors.
//
//   - shell (the default): /bin/sh -c value. Otherwise value is the executable and arguments the
//     whole argv. A relative executable is sought in the sandbox first, then, if it is a bare name,
//     in the PATH of its environment.
//   - It runs in the sandbox; its output goes to stdout and stderr there.
//   - One that cannot be executed is replaced by a shell that says so on stderr and exits with
//     status 1, or 233 in a nested container: a process is seen to start and to fail, as with the launcher of Mesos.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

const shell = "/bin/sh"

// notExecutable is the status of a nested container whose program cannot be executed (capture f25).
const notExecutable = 233

// startProcess runs beside the loop.
func (a *Agent) startProcess(c *container, l launch) (*process.Process, *containerIO, error) {
	spec := process.Spec{Dir: c.directory(), Env: l.env, Mark: "MESOS_SANDBOX=" + c.dir, Limits: limitsOf(l.container)}
	spec.Path, spec.Args = argv(l.command, c.directory(), l.env)
	c.account.spec(&spec)
	output, err := openContainerIO(c, l, &spec)
	if err != nil {
		return nil, nil, err
	}
	p, err := a.spawner.Start(spec)
	if err != nil && !errors.Is(err, process.ErrClosed) {
		code := 1
		if c.nested() && !l.session {
			code = notExecutable
		}
		spec.Path, spec.Args, spec.Limits = shell, failing(spec.Path, err, code), nil
		p, err = a.spawner.Start(spec)
	}
	if err := output.started(err == nil); err != nil {
		a.log.Error("cannot close the output of a process", "container", c.key, "error", err)
	}
	if err != nil {
		return nil, nil, err
	}
	return p, output, nil
}

// argv returns the executable and the argument vector of a command.
func argv(c *mesospb.CommandInfo, dir string, env []string) (path string, args []string) {
	if c.GetShell() {
		return shell, []string{"sh", "-c", c.GetValue()}
	}
	path = lookPath(c.GetValue(), dir, env)
	args = c.GetArguments()
	if len(args) == 0 {
		args = []string{c.GetValue()}
	}
	return path, args
}

// lookPath finds an executable by the rules above. What is not found is returned as it is; starting it
// gives the error.
func lookPath(name, dir string, env []string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if p := filepath.Join(dir, name); executable(p) {
		return p
	}
	if !strings.Contains(name, "/") {
		for _, entry := range env {
			list, ok := strings.CutPrefix(entry, "PATH=")
			if !ok {
				continue
			}
			for _, d := range filepath.SplitList(list) {
				if p := filepath.Join(d, name); filepath.IsAbs(p) && executable(p) {
					return p
				}
			}
		}
	}
	return filepath.Join(dir, name)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// failing returns the arguments of a shell that reports why a program did not start.
func failing(path string, err error, code int) []string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	text := fmt.Sprintf("Failed to execute '%s': %s", path, capitalised(err.Error()))
	return []string{"sh", "-c", `printf '%s\n' "$1" >&2; exit "$2"`, "sh", text, strconv.Itoa(code)}
}

// noCommand is a command that says that there is none, and fails.
func noCommand(c *mesospb.CommandInfo) *mesospb.CommandInfo {
	what := "Executable"
	if c.GetShell() {
		what = "Shell command"
	}
	return &mesospb.CommandInfo{Value: proto.String("echo '" + what + " is not specified' >&2; exit 1")}
}

// capitalised begins a text as strerror(3) does.
func capitalised(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
