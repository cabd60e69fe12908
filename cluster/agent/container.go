package agent

// Containers: a sandbox and the processes that run in it. An executor has one; tasks of a group and
// what is launched by the operator API have one each, nested in that of the executor.
//
// A container is prepared (sandbox, volumes, URIs), then its process is started. When the process
// ends, whatever it left running is killed, nested containers included; then the container is
// gone. Destroying a container kills its process and so takes the same way.
//
// All functions here run on the loop, except those that are named so.

import (
	"context"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

type container struct {
	id       *mesospb.ContainerID
	key      string
	seq      uint64
	executor *executor  // nil for standalone containers
	parent   *container // nil unless nested
	children map[string]*container
	dir      string // sandbox

	ctx    context.Context // ends with preparation, or when the container is destroyed
	cancel context.CancelFunc
	busy   bool // being prepared or started
	doomed bool // destroyed, or about to be

	alone *mesospb.TaskInfo // a task of a group that does not share the executor's cgroups

	account *account // whom its processes run as; nil for the user of this program
	command *mesospb.CommandInfo
	proc    *process.Process // nil before the start
	pid     int
	ended   bool // the process has ended, or there will be none
	swept   bool // nothing of it is left running
	gone    bool // and nothing of nested containers
	status  *process.Status
	cause   *cause // why it was destroyed, if the container itself is the reason
	io      *containerIO
	early   map[*httpapi.Stream]bool // who listens from the start
	env     []string                 // of its process
	workDir string                   // of its process, if it is not the sandbox

	onExit  func(process.Status)   // the process has ended
	onGone  func(*process.Status)  // nothing is left; nil status if there was no process
	waiters []chan *endedContainer // who is told when it is gone; each has room for that
}

func (c *container) order() uint64 { return c.seq }
func (c *container) nested() bool  { return c.parent != nil }

// directory is where its process begins.
func (c *container) directory() string {
	if c.workDir != "" {
		return c.workDir
	}
	return c.dir
}

// containerKey is a container's name among all: its id after that of its parent.
func containerKey(id *mesospb.ContainerID) string {
	if p := id.GetParent(); p != nil {
		return containerKey(p) + "." + id.GetValue()
	}
	return id.GetValue()
}

// newContainer makes the record of a container.
func (a *Agent) newContainer(id *mesospb.ContainerID, e *executor, dir string) *container {
	c := &container{
		id: id, key: containerKey(id), seq: a.nextSeq(), executor: e, dir: dir,
		children: map[string]*container{},
		onExit:   func(process.Status) {},
		onGone:   func(*process.Status) {},
	}
	c.ctx, c.cancel = context.WithCancel(a.ctx)
	if p := id.GetParent(); p != nil {
		c.parent = a.containers[containerKey(p)]
		if c.parent != nil {
			c.parent.children[c.key] = c
		}
	}
	a.containers[c.key] = c
	return c
}

// prepare makes the sandbox and fetches URIs beside the loop, then calls done on it.
func (a *Agent) prepare(c *container, p preparation, done func(error)) {
	c.busy = true
	latest := p.latest
	a.async(func() func() {
		err := a.makeSandbox(c, p)
		return func() {
			c.busy = false
			if err == nil || latest {
				a.attachSandbox(c)
			}
			if err == nil && c.ctx.Err() != nil {
				err = context.Cause(c.ctx)
			}
			done(err)
			a.settle(c)
		}
	})
}

// launch says what to start in a container.
type launch struct {
	command   *mesospb.CommandInfo
	env       []string
	container *mesospb.ContainerInfo // resource limits and terminal
	session   bool                   // input and output go to the operator API
}

// start starts the process of a container beside the loop. A process that cannot be started is seen
// to exit with status 1 after a line on its stderr, as the launcher of Mesos does.
func (a *Agent) start(c *container, l launch, started ...func()) {
	if c.doomed {
		a.settle(c)
		return
	}
	c.busy = true
	c.command, c.env = l.command, l.env
	a.async(func() func() {
		p, io, err := a.startProcess(c, l)
		return func() {
			c.busy = false
			if err != nil {
				a.log.Error("cannot start even a shell", "container", c.key, "error", err)
				failed := process.ExitStatus(1)
				for _, f := range started {
					f()
				}
				c.swept = true
				a.exited(c, failed)
				return
			}
			c.proc, c.pid, c.io = p, p.PID(), io
			for _, f := range started {
				f()
			}
			a.async(func() func() { return a.await(c, p, io) })
			if c.doomed {
				a.work.Go(p.Kill)
			} else {
				a.watchMemory()
			}
		}
	})
}

// await runs beside the loop until the process has ended and its remains are killed.
func (a *Agent) await(c *container, p *process.Process, output *containerIO) func() {
	status := p.Wait()
	a.loop.Post(func() { a.exited(c, status) })
	p.Sweep()
	output.finish()
	return func() {
		c.swept = true
		a.settle(c)
	}
}

// exited notes the end of a container's process.
func (a *Agent) exited(c *container, status process.Status) {
	c.ended = true
	c.status = &status
	c.onExit(status)
	for _, child := range sorted(c.children) {
		a.destroy(child)
	}
	a.settle(c)
}

// destroy ends a container and what is nested in it. It does nothing if that was asked for before.
func (a *Agent) destroy(c *container) {
	if c == nil || c.gone || c.doomed {
		return
	}
	c.doomed = true
	c.cancel()
	for _, child := range sorted(c.children) {
		a.destroy(child)
	}
	if c.proc != nil && !c.ended { // else the rest is being killed already
		a.work.Go(c.proc.Kill)
	}
	a.settle(c)
}

// destroyFor destroys a container for a reason that becomes that of its tasks.
func (a *Agent) destroyFor(c *container, why *cause) {
	if c.cause == nil {
		c.cause = why
	}
	a.destroy(c)
}

// settle lets a container go when nothing of it is left. One that was not started goes when it is
// destroyed; the container of an executor inside this program is one such.
func (a *Agent) settle(c *container) {
	if c.gone || c.busy || len(c.children) > 0 {
		return
	}
	if c.proc != nil && !c.swept || c.proc == nil && !c.doomed && !c.swept {
		return
	}
	if c.proc != nil && !c.ended {
		return // the news of the exit comes before
	}
	c.gone = true
	c.cancel()
	delete(a.containers, c.key)
	if c.parent != nil {
		delete(c.parent.children, c.key)
	}
	c.onGone(c.status)
	for _, w := range c.waiters {
		w <- &endedContainer{status: c.status, cause: c.cause}
	}
	if c.parent != nil {
		a.settle(c.parent)
	} else {
		a.forgetNested(c)
	}
	a.checkIdle()
}

// checkIdle tells Close that no container is left.
func (a *Agent) checkIdle() {
	if a.idle != nil && len(a.containers) == 0 {
		close(a.idle)
		a.idle = nil
	}
}

// signal sends a signal to all processes of a container, beside the loop.
func (a *Agent) signal(c *container, sig int) {
	if p := c.proc; p != nil && !c.swept {
		a.work.Go(func() { p.Signal(signalOf(sig)) })
	}
}
