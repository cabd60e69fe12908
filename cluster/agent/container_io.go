package agent

// The input and output of a container's process.
//
//   - Most write to the files stdout and stderr of their sandbox and have no input.
//   - Those launched as a session, and those with a tty_info, are attached to this program: what they write
//     goes to the files and to all who listen (ATTACH_CONTAINER_OUTPUT), what ATTACH_CONTAINER_INPUT
//     sends is their input. With a terminal there is no stderr; its size is 0 x 0 until ATTACH_CONTAINER_INPUT sets it, whatever window_size
//     the tty_info has.

import (
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/agentpb"
)

// drainTimeout is how long output may take to end after the last process that is known has.
const drainTimeout = time.Second

// containerIO is safe for concurrent use.
type containerIO struct {
	attachable bool
	theirs     []*os.File // to close once the process has them

	stdin   *os.File   // nil if there is none; the terminal if there is one
	pty     *os.File   // the terminal
	outputs []*os.File // what the process writes
	logs    []*os.File // where that goes, by output
	readers sync.WaitGroup

	mu        sync.Mutex
	listeners map[*httpapi.Stream]bool
	ended     bool
	over      chan struct{} // closed when ended is set
}

// openContainerIO runs beside the loop. It sets the files of the process.
func openContainerIO(c *container, l launch, spec *process.Spec) (_ *containerIO, err error) {
	o := &containerIO{listeners: c.early, over: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.started(false))
			o.closeAll()
		}
	}()
	stdout, err := openOutput(c.dir, "stdout")
	if err != nil {
		return o, err
	}
	o.logs = append(o.logs, stdout)
	stderr, err := openOutput(c.dir, "stderr")
	if err != nil {
		return o, err
	}
	o.logs = append(o.logs, stderr)
	switch {
	case l.container.GetTtyInfo() != nil:
		ours, theirs, err := openPTY()
		if err != nil {
			return o, err
		}
		if err := c.account.giveFile(theirs); err != nil {
			return o, errors.Join(err, ours.Close(), theirs.Close())
		}
		o.attachable = true
		o.pty, o.stdin = ours, ours
		o.outputs, o.theirs = []*os.File{ours}, []*os.File{theirs}
		spec.Stdin, spec.Stdout, spec.Stderr, spec.Terminal = theirs, theirs, theirs, true
	case l.session:
		o.attachable = true
		if spec.Stdin, o.stdin, err = o.pipe(); err != nil {
			return o, err
		}
		for _, to := range []**os.File{&spec.Stdout, &spec.Stderr} {
			r, w, err := os.Pipe()
			if err != nil {
				return o, err
			}
			o.outputs, o.theirs = append(o.outputs, r), append(o.theirs, w)
			*to = w
		}
	default:
		spec.Stdout, spec.Stderr = stdout, stderr
		o.theirs, o.logs = o.logs, nil
	}
	return o, nil
}

// pipe opens the input.
func (o *containerIO) pipe() (theirs, ours *os.File, err error) {
	r, w, err := os.Pipe()
	if err == nil {
		o.theirs = append(o.theirs, r)
	}
	return r, w, err
}

// started releases what the process has, or would have, been given, and begins to read its output.
func (o *containerIO) started(ok bool) error {
	var errs []error
	for _, f := range o.theirs {
		errs = append(errs, f.Close())
	}
	o.theirs = nil
	if ok {
		for i, f := range o.outputs {
			typ := agentpb.ProcessIO_Data_STDOUT
			if i == 1 {
				typ = agentpb.ProcessIO_Data_STDERR
			}
			o.readers.Go(func() { o.read(f, o.logs[i], typ) })
		}
	}
	return errors.Join(errs...)
}

// read copies output to its log and to those who listen, until it ends.
func (o *containerIO) read(from, to *os.File, typ agentpb.ProcessIO_Data_Type) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			data := append([]byte(nil), buf[:n]...)
			_, _ = to.Write(data)
			o.publish(&agentpb.ProcessIO{Type: agentpb.ProcessIO_DATA.Enum(), Data: &agentpb.ProcessIO_Data{Type: typ.Enum(), Data: data}})
		}
		if err != nil {
			return // a terminal ends with an error of its own
		}
	}
}

// publish hands output to those who listen, and lets the process wait for those who are slow, but not for those who have stopped reading.
func (o *containerIO) publish(m *agentpb.ProcessIO) {
	o.mu.Lock()
	listeners := slices.Collect(maps.Keys(o.listeners))
	for _, s := range listeners {
		s.Send(m)
	}
	o.mu.Unlock()
	for _, s := range listeners {
		s.AwaitRoom(outputBacklog, outputPatience)
	}
}

// How much output may wait for who listens before the process waits too, and for how long that is.
const (
	outputBacklog  = 4 << 20
	outputPatience = 5 * time.Second
)

// listen sends what is written from now on to a stream. It reports false if nothing will be.
func (o *containerIO) listen(s *httpapi.Stream) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	if o.listeners == nil {
		o.listeners = map[*httpapi.Stream]bool{}
	}
	o.listeners[s] = true
	return true
}

func (o *containerIO) unlisten(s *httpapi.Stream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.listeners, s)
}

// write sends input to the process. No data is the end of the input, but for a terminal, which has a character for that.
func (o *containerIO) write(data []byte) error {
	if o.stdin == nil {
		return errors.New("the container has no input")
	}
	if len(data) == 0 {
		return o.closeInput()
	}
	_, err := o.stdin.Write(data)
	return err
}

func (o *containerIO) closeInput() error {
	if o.pty != nil {
		return nil
	}
	if err := o.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// finish runs beside the loop, when the processes have ended: it waits for the rest of the output and
// ends the streams.
func (o *containerIO) finish() {
	for _, f := range o.outputs {
		_ = f.SetReadDeadline(time.Now().Add(drainTimeout))
	}
	o.readers.Wait()
	o.closeAll()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	close(o.over)
	for s := range o.listeners {
		s.Close()
	}
	o.listeners = nil
}

func (o *containerIO) closeAll() {
	for _, f := range append(o.outputs, o.logs...) {
		_ = f.Close()
	}
	if o.stdin != nil {
		_ = o.stdin.Close()
	}
}
