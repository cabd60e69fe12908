package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// execOptions are the flags of exec and attach.
type execOptions struct {
	stdin     bool
	tty       bool
	user      string
	env       []string
	container string
	keys      bool // those that detach
}

func newAgentExec(o *agentOperating) *cobra.Command {
	var e execOptions
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "exec [flags] TASK -- COMMAND [ARG…]", Short: "Run a command in the container of a task",
		Long: `exec runs a command in a nested container of a task's: it sees the sandbox, the filesystem and the network of the task. exec shows what the command
writes and exits with its exit code, 128 and the number of the signal if one ended it. A single COMMAND is given to /bin/sh -c; one with arguments is
run as it is. Ending exec kills the command.`,
		Example: `  mesokit agent exec web.0 -- env
  mesokit agent exec -t web.0 -- bash
  echo hello | mesokit agent exec -i web.0 -- 'cat > greeting'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("want a task and a command: mesokit agent exec TASK -- COMMAND [ARG…]")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			command, err := e.command(args[1:])
			if err != nil {
				return err
			}
			return o.opened(cmd, true, func() error {
				a, p, err := o.place(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				defer a.Close()
				parent, err := containerOf(p)
				if err != nil {
					return err
				}
				return e.exec(cmd, a, parent, command)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&e.stdin, "interactive", "i", false, "give the command the standard input of exec")
	f.BoolVarP(&e.tty, "tty", "t", false, "give the command a terminal of the kind that $TERM says; implies --interactive")
	f.StringVarP(&e.user, "user", "u", "", "user that runs it (default: that of the task)")
	f.StringArrayVarP(&e.env, "env", "e", nil, envUsage)
	return cmd
}

func (e *execOptions) command(args []string) (*mesospb.CommandInfo, error) {
	c := &mesospb.CommandInfo{Shell: proto.Bool(len(args) == 1), Value: &args[0]}
	if len(args) > 1 {
		c.Arguments = args // the complete argv, as Mesos wants it
	}
	if e.user != "" {
		c.User = &e.user
	}
	env := e.env
	if kind := os.Getenv("TERM"); e.tty && kind != "" {
		env = append([]string{"TERM=" + kind}, env...) // what --env says comes later and counts
	}
	var err error
	c.Environment, err = environment(env)
	return c, err
}

// containerOf returns the container of a task that runs.
func containerOf(p *operator.TaskPlace) (*mesospb.ContainerID, error) {
	id := p.Task.GetTaskId().GetValue()
	switch state := p.Task.GetState(); {
	case state != mesospb.TaskState_TASK_RUNNING && state != mesospb.TaskState_TASK_STARTING && state != mesospb.TaskState_TASK_KILLING:
		return nil, fmt.Errorf("task %s does not run: it is %s", id, state)
	case p.ContainerID == nil:
		return nil, fmt.Errorf("no status of task %s has told its container so far", id)
	}
	return p.ContainerID, nil
}

// exec runs a command and ends as it does.
func (e *execOptions) exec(cmd *cobra.Command, a *operator.Agent, parent *mesospb.ContainerID, command *mesospb.CommandInfo) error {
	ctx := cmd.Context()
	cfg := operator.ExecConfig{Parent: parent, Command: command, TTY: e.tty, Input: true}
	s := newSession(cmd)
	if e.tty {
		cfg.Rows, cfg.Columns = s.size()
	}
	x, err := a.Exec(ctx, cfg)
	if err != nil {
		return err
	}
	defer x.Close()
	if !e.tty && !e.stdin {
		_ = x.Input.CloseWrite() // the process tells whether that matters
	} else {
		stop, err := s.feed(x.Input, e)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := s.copy(x.Output); err != nil {
		return err
	}
	exit, err := x.Wait(ctx)
	if err != nil {
		return err
	}
	if code, ok := exit.Exited(); ok {
		if code == 0 {
			return nil
		}
		return &exitError{code: code}
	}
	if sig, ok := exit.Signaled(); ok {
		return &exitError{code: 128 + sig}
	}
	return fmt.Errorf("the command ended: %s", exit)
}

func newAgentAttach(o *agentOperating) *cobra.Command {
	var e execOptions
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "attach [TASK]", Short: "Follow the output of a container with a terminal or a session, and give it input", Args: cobra.MaximumNArgs(1),
		Long: `attach shows what the process of a task writes from now on, and with -i gives it input. Mesos has that for tasks that were launched with a terminal
(ContainerInfo.tty_info) and for what exec runs, which --container names; what other tasks write is in their sandboxes: see files tail -f.
attach ends with the process. On a terminal Ctrl-P Ctrl-Q ends it, and the process goes on.`,
		Example: "  mesokit agent attach -i shell.0\n  mesokit agent attach --agent S0 --container 1f6a….2b1c…",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (e.container == "") == (len(args) == 0) {
				return usagef("want a TASK or a --container")
			}
			return o.opened(cmd, true, func() error {
				a, id, err := o.attachable(cmd.Context(), &e, args)
				if err != nil {
					return err
				}
				defer a.Close()
				return e.attach(cmd, a, id)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&e.stdin, "interactive", "i", false, "give the process the standard input of attach")
	f.StringVar(&e.container, "container", "", "attach to this container of --agent: its id and those it is within, with dots between, as containers --nested shows them")
	return cmd
}

// attachable finds the container. The caller closes the agent.
func (o *agentOperating) attachable(ctx context.Context, e *execOptions, args []string) (*operator.Agent, *mesospb.ContainerID, error) {
	if e.container != "" {
		a, err := o.open(ctx)
		return a, parseContainer(e.container), err
	}
	a, p, err := o.place(ctx, args[0])
	if err != nil {
		return nil, nil, err
	}
	id, err := containerOf(p)
	if err != nil {
		a.Close()
		return nil, nil, err
	}
	if p.Task.GetContainer().GetTtyInfo() == nil {
		a.Close()
		return nil, nil, fmt.Errorf("task %s has no terminal to attach to; see what it writes with mesokit agent files tail -f --task %s stdout", args[0], args[0])
	}
	e.tty = true
	return a, id, nil
}

// parseContainer is containerName the other way round.
func parseContainer(text string) *mesospb.ContainerID {
	var id *mesospb.ContainerID
	for value := range strings.SplitSeq(text, ".") {
		id = &mesospb.ContainerID{Value: &value, Parent: id}
	}
	return id
}

func (e *execOptions) attach(cmd *cobra.Command, a *operator.Agent, id *mesospb.ContainerID) error {
	ctx, detach := context.WithCancelCause(cmd.Context())
	defer detach(nil)
	out, err := a.AttachContainerOutput(ctx, id)
	if err != nil {
		return err
	}
	defer out.Close()
	s := newSession(cmd)
	s.detach = func() { detach(errDetached) }
	e.keys = true
	if e.stdin {
		in, err := a.AttachContainerInput(ctx, id)
		if err != nil {
			return err
		}
		defer in.Close()
		if e.tty {
			rows, columns := s.size()
			if err := in.Resize(rows, columns); err != nil {
				return err
			}
		}
		stop, err := s.feed(in, e)
		if err != nil {
			return err
		}
		defer stop()
	}
	err = s.copy(out)
	if errors.Is(context.Cause(ctx), errDetached) {
		return nil
	}
	return err
}

// errDetached ends an attachment by the keys for that.
var errDetached = errors.New("detached")

// session is the terminal, or what stands for it, that talks with a process in a container.
type session struct {
	cmd    *cobra.Command
	stdin  io.Reader
	fd     int // of the terminal that is stdin; -1 if it is none
	detach func()
}

func newSession(cmd *cobra.Command) *session {
	s := &session{cmd: cmd, stdin: cmd.InOrStdin(), fd: -1}
	if f, ok := s.stdin.(*os.File); ok {
		// Fd would make reads ones that cannot be interrupted.
		if raw, err := f.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				if term.IsTerminal(int(fd)) {
					s.fd = int(fd)
				}
			})
		}
	}
	return s
}

// size is that of the terminal, or a usual one.
func (s *session) size() (rows, columns int) {
	if s.fd >= 0 {
		if columns, rows, err := term.GetSize(s.fd); err == nil && rows > 0 && columns > 0 {
			return rows, columns
		}
	}
	return 24, 80
}

// feed gives a process input until it ends or stop is called. A terminal is raw meanwhile: keys such as Ctrl-C go to the process.
func (s *session) feed(in *operator.Input, e *execOptions) (stop func(), err error) {
	restore := func() {}
	if e.tty && s.fd >= 0 {
		before, err := term.MakeRaw(s.fd)
		if err != nil {
			return nil, fmt.Errorf("cannot control the terminal: %w", err)
		}
		resized := make(chan os.Signal, 1)
		if len(resizeSignals) > 0 {
			signal.Notify(resized, resizeSignals...)
		}
		over, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-resized:
					_ = in.Resize(s.size()) // a lost connection shows in the output
				case <-over:
					return
				}
			}
		}()
		restore = func() {
			signal.Stop(resized)
			close(over)
			<-done
			_ = term.Restore(s.fd, before)
		}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		from := s.stdin
		if e.keys && s.fd >= 0 {
			from = &detacher{from: from, detach: s.detach}
		}
		_, _ = io.Copy(writeOnly{in}, from)
		_ = in.CloseWrite()
	}()
	return func() {
		restore()
		// What blocks in a read that cannot be interrupted, such as that of a terminal, ends with the program.
		if f, ok := s.stdin.(interface{ SetReadDeadline(time.Time) error }); ok && s.fd < 0 && f.SetReadDeadline(time.Now()) == nil {
			<-read
			_ = f.SetReadDeadline(time.Time{})
		}
	}, nil
}

// writeOnly keeps io.Copy from other ways than Write.
type writeOnly struct{ io.Writer }

// copy shows output. In JSON it is one object for each piece.
func (s *session) copy(out *operator.Output) error {
	stdout, stderr := visible.Raw(s.cmd.OutOrStdout()), visible.Raw(s.cmd.ErrOrStderr())
	if structured(s.cmd) {
		stdout, stderr = streamWriter{s.cmd, "stdout"}, streamWriter{s.cmd, "stderr"}
	}
	return out.Copy(stdout, stderr)
}

// streamWriter writes output as lines of JSON.
type streamWriter struct {
	cmd    *cobra.Command
	stream string
}

func (w streamWriter) Write(p []byte) (int, error) {
	return len(p), emit(w.cmd, map[string]string{"type": w.stream, "text": string(p)}, "")
}

// detacher looks for Ctrl-P Ctrl-Q in input. The first of the two waits for what follows.
type detacher struct {
	from   io.Reader
	detach func()
	held   bool
}

var detachKeys = []byte{'P' - '@', 'Q' - '@'}

func (d *detacher) Read(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, io.ErrShortBuffer
	}
	for {
		n := 0
		if d.held {
			p[0], n = detachKeys[0], 1
			d.held = false
		}
		m, err := d.from.Read(p[n:])
		n += m
		if i := bytes.Index(p[:n], detachKeys); i >= 0 {
			d.detach()
			return i, io.EOF
		}
		if err == nil && n > 0 && p[n-1] == detachKeys[0] {
			d.held = true
			n--
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
