package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/internal/visible"
)

// follow copies the output of a task as it grows. The function it returns waits until all is
// copied that was written by then: it is called when the task has ended.
func (r *runner) follow(ctx context.Context, t *runTask) (finish func()) {
	ended := make(chan struct{})
	var wg sync.WaitGroup
	for _, file := range []struct {
		name string
		to   io.Writer
	}{{"stdout", visible.Raw(r.stdout)}, {"stderr", visible.Raw(r.stderr)}} {
		w := r.output(t, file.name, file.to)
		wg.Go(func() {
			defer w.Close()
			if err := r.copyFile(ctx, t.host, t.dir+"/"+file.name, w, ended); err != nil && ctx.Err() == nil {
				r.say("task %s: cannot read its %s from agent %s: %v", t.name, file.name, t.host, err)
			}
		})
	}
	return func() {
		close(ended)
		wg.Wait()
	}
}

// output returns where the output of a task goes: through byte for byte if it is alone, by lines
// with its name in front if there are others.
func (r *runner) output(t *runTask, kind string, w io.Writer) io.WriteCloser {
	switch {
	case r.emit != nil:
		return &jsonWriter{emit: r.emit, kind: kind, task: t.name}
	case r.o.instances > 1:
		return &lineWriter{mu: r.out, w: w, prefix: visible.Line(t.name) + "| "}
	default:
		return &plainWriter{mu: r.out, w: w}
	}
}

// copyFile copies a file of a sandbox to w as it grows, until it has ended. A file that never
// was is no error: the task may have failed before.
func (r *runner) copyFile(ctx context.Context, host, path string, w io.Writer, ended <-chan struct{}) error {
	agent, err := operator.NewAgent(operator.AgentConfig{Address: host, Transport: r.transport})
	if err != nil {
		return err
	}
	defer agent.Close()
	for piece, err := range agent.Follow(ctx, path, operator.FollowConfig{Done: ended, RetryFor: 10 * time.Second}) {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
