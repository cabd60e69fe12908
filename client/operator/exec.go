package operator

import (
	"context"
	"io"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ExecConfig of Agent.Exec.
type ExecConfig struct {
	// Parent is the container to run in: that of a task or of an executor. Required.
	Parent *mesospb.ContainerID
	// Command to run. Required.
	Command *mesospb.CommandInfo
	// Container describes the nested container; nil takes over image and volumes of the parent.
	Container *mesospb.ContainerInfo
	// TTY gives the process a terminal of Rows x Columns characters. Mesos starts the process in a terminal of 0 x 0;
	// the size follows at once, with SIGWINCH.
	TTY           bool
	Rows, Columns int
	// Input attaches to the standard input of the process; without it nothing ever comes there, not even its end.
	Input bool
}

// Exec is a command in a nested container, with its input and output.
type Exec struct {
	// ID of the nested container.
	ID *mesospb.ContainerID
	// Output of the process. Read it to its end, by Copy for instance.
	Output *Output
	// Input of the process; nil if it was not asked for.
	Input *Input

	agent *Agent

	// Waiting begins at once: some agents forget a session with its end.
	cancel  context.CancelFunc
	waiting sync.WaitGroup
	ended   chan struct{} // closed when the fields below are set
	exit    ContainerExit
	err     error
}

// Exec runs a command in a nested container, as docker exec does. The caller reads Output, writes Input from
// another goroutine, asks Wait for the exit status, and closes the Exec, which kills the container if it is
// still running.
func (a *Agent) Exec(ctx context.Context, cfg ExecConfig) (*Exec, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	e := &Exec{ID: &mesospb.ContainerID{Value: proto.String(id.String()), Parent: cfg.Parent}, agent: a}
	container := cfg.Container
	if cfg.TTY {
		container = proto.CloneOf(container)
		if container == nil {
			container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum()}
		}
		container.TtyInfo = ttyInfo(cfg.Rows, cfg.Columns)
	}
	if e.Output, err = a.LaunchNestedContainerSession(ctx, e.ID, cfg.Command, container); err != nil {
		return nil, err
	}
	if err := e.attach(ctx, cfg); err != nil {
		_ = e.Output.Close()
		return nil, err
	}
	ctx, e.cancel = context.WithCancel(ctx)
	e.ended = make(chan struct{})
	e.waiting.Go(func() {
		defer close(e.ended)
		e.exit, e.err = a.WaitContainer(ctx, e.ID)
	})
	return e, nil
}

// attach opens the input, and sets the size of a terminal, which only input can.
func (e *Exec) attach(ctx context.Context, cfg ExecConfig) error {
	sized := cfg.TTY && cfg.Rows > 0 && cfg.Columns > 0
	if !cfg.Input && !sized {
		return nil
	}
	in, err := e.agent.AttachContainerInput(ctx, e.ID)
	if err != nil {
		return err
	}
	in.terminal = cfg.TTY
	if sized {
		// The process may have ended already, which its output and exit status tell.
		_ = in.Resize(cfg.Rows, cfg.Columns)
	}
	if cfg.Input {
		e.Input = in
		return nil
	}
	_ = in.Close()
	return nil
}

// Copy writes the output to two writers, nil for none, until the process has closed it.
func (e *Exec) Copy(stdout, stderr io.Writer) error { return e.Output.Copy(stdout, stderr) }

// Wait waits for the end of the process. It may be called before and after Output has ended, and again.
func (e *Exec) Wait(ctx context.Context) (ContainerExit, error) {
	select {
	case <-e.ended:
	case <-ctx.Done():
		return ContainerExit{}, callError("WAIT_CONTAINER", context.Cause(ctx))
	}
	if e.err != nil {
		return e.agent.WaitContainer(ctx, e.ID) // the connection may have broken
	}
	return e.exit, nil
}

// Close ends input and output. The agent kills what still runs.
func (e *Exec) Close() error {
	if e.Input != nil {
		e.Input.abort()
	}
	err := e.Output.Close()
	e.cancel()
	e.waiting.Wait()
	return err
}
