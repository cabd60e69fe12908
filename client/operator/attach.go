package operator

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Output is what a process in a container writes. One goroutine reads it; Close may be called from any.
type Output struct {
	stream *transport.Stream
	call   string
}

// AttachContainerOutput follows the output of a container that was launched with a terminal or as a session. It
// comes from the moment of attaching on. The stream ends with the process, or with ctx; the caller closes it.
func (a *Agent) AttachContainerOutput(ctx context.Context, id *mesospb.ContainerID) (*Output, error) {
	call := agentCall(agentpb.Call_ATTACH_CONTAINER_OUTPUT)
	call.AttachContainerOutput = &agentpb.Call_AttachContainerOutput{ContainerId: id}
	return a.output(ctx, call)
}

// LaunchNestedContainerSession launches a container within the one that the id has as parent, and follows its
// output. The agent kills the container when the stream is closed. Input goes by AttachContainerInput; Exec
// does both. It waits as long as ctx allows.
func (a *Agent) LaunchNestedContainerSession(ctx context.Context, id *mesospb.ContainerID, command *mesospb.CommandInfo, container *mesospb.ContainerInfo) (*Output, error) {
	call := agentCall(agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION)
	call.LaunchNestedContainerSession = &agentpb.Call_LaunchNestedContainerSession{ContainerId: id, Command: command, Container: container}
	return a.output(ctx, call)
}

func (a *Agent) output(ctx context.Context, call *agentpb.Call) (*Output, error) {
	stream, err := a.transport.Stream(ctx, a.base+apiPath, call, a.transport.RecordIO(), transport.WithHeaderTimeout(0))
	if err != nil {
		return nil, callError(call.GetType().String(), err)
	}
	return &Output{stream: stream, call: call.GetType().String()}, nil
}

// Records yields what comes, heartbeats of the agent included, until the process has closed its output. A
// broken stream, the end of the context and Close yield a last error.
func (o *Output) Records() iter.Seq2[*agentpb.ProcessIO, error] {
	return func(yield func(*agentpb.ProcessIO, error) bool) {
		for {
			record := new(agentpb.ProcessIO)
			err := o.stream.Next(record)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, callError(o.call, err))
				return
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// Copy writes standard output and standard error to two writers, nil for none, until the process has closed
// both. A process with a terminal writes everything to standard output.
func (o *Output) Copy(stdout, stderr io.Writer) error {
	for record, err := range o.Records() {
		if err != nil {
			return err
		}
		var w io.Writer
		switch record.GetData().GetType() {
		case agentpb.ProcessIO_Data_STDOUT:
			w = stdout
		case agentpb.ProcessIO_Data_STDERR:
			w = stderr
		}
		if data := record.GetData().GetData(); w != nil && len(data) > 0 {
			if _, err := w.Write(data); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close ends the stream.
func (o *Output) Close() error { return o.stream.Close() }

// DefaultInputHeartbeat is the time between the heartbeats of an Input.
const DefaultInputHeartbeat = 30 * time.Second

// maxInput is the largest piece of input that is sent at once.
const maxInput = 64 << 10

// Input is what a process in a container reads. It is safe for concurrent use.
type Input struct {
	upload *transport.Upload
	cancel context.CancelFunc
	beats  sync.WaitGroup

	mu       sync.Mutex
	closed   bool // no more input, by CloseWrite
	terminal bool // where it goes
	midLine  bool // the last input was not the end of a line
}

// AttachContainerInput sends input to a container that was launched with a terminal or as a session. Heartbeats
// keep the connection alive meanwhile. The stream ends with ctx; the caller closes it.
func (a *Agent) AttachContainerInput(ctx context.Context, id *mesospb.ContainerID) (*Input, error) {
	ctx, cancel := context.WithCancel(ctx)
	upload, err := a.transport.Upload(ctx, a.base+apiPath)
	if err != nil {
		cancel()
		return nil, callError("ATTACH_CONTAINER_INPUT", err)
	}
	in := &Input{upload: upload, cancel: cancel}
	first := attachInput(agentpb.Call_AttachContainerInput_CONTAINER_ID)
	first.AttachContainerInput.ContainerId = id
	if err := upload.Send(first); err != nil {
		return nil, errors.Join(callError("ATTACH_CONTAINER_INPUT", err), in.Close())
	}
	in.beats.Go(func() { in.sendHeartbeats(ctx) })
	return in, nil
}

func attachInput(t agentpb.Call_AttachContainerInput_Type) *agentpb.Call {
	call := agentCall(agentpb.Call_ATTACH_CONTAINER_INPUT)
	call.AttachContainerInput = &agentpb.Call_AttachContainerInput{Type: t.Enum()}
	return call
}

func (in *Input) send(record *agentpb.ProcessIO) error {
	call := attachInput(agentpb.Call_AttachContainerInput_PROCESS_IO)
	call.AttachContainerInput.ProcessIo = record
	return callError("ATTACH_CONTAINER_INPUT", in.upload.Send(call))
}

// Write sends data to standard input. An error says that the exchange is over; Close says why.
func (in *Input) Write(data []byte) (n int, err error) {
	for len(data) > 0 {
		piece := data[:min(len(data), maxInput)]
		in.mu.Lock()
		if in.closed {
			in.mu.Unlock()
			return n, io.ErrClosedPipe
		}
		err := in.send(stdin(piece))
		in.midLine = piece[len(piece)-1] != '\n'
		in.mu.Unlock()
		if err != nil {
			return n, err
		}
		n += len(piece)
		data = data[len(piece):]
	}
	return n, nil
}

// CloseWrite tells the process that there is no more input. The container goes on, and a terminal, of Exec or one that Resize was called for,
// may still be resized: it is given the character for the end of input, which a process may have taken that meaning from.
func (in *Input) CloseWrite() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	in.closed = true
	end := []byte{}
	if in.terminal {
		end = []byte{endOfTransmission}
		if in.midLine { // the first one only passes the line on
			end = append(end, endOfTransmission)
		}
	}
	return in.send(stdin(end))
}

// endOfTransmission, Ctrl-D, ends the input of a terminal at the beginning of a line.
const endOfTransmission = 4

func stdin(data []byte) *agentpb.ProcessIO {
	return &agentpb.ProcessIO{
		Type: agentpb.ProcessIO_DATA.Enum(),
		Data: &agentpb.ProcessIO_Data{Type: agentpb.ProcessIO_Data_STDIN.Enum(), Data: data},
	}
}

// Resize tells the process the size of its terminal, in characters.
func (in *Input) Resize(rows, columns int) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.terminal = true
	return in.send(&agentpb.ProcessIO{
		Type: agentpb.ProcessIO_CONTROL.Enum(),
		Control: &agentpb.ProcessIO_Control{
			Type:    agentpb.ProcessIO_Control_TTY_INFO.Enum(),
			TtyInfo: ttyInfo(rows, columns),
		},
	})
}

func ttyInfo(rows, columns int) *mesospb.TTYInfo {
	return &mesospb.TTYInfo{WindowSize: &mesospb.TTYInfo_WindowSize{
		Rows: proto.Uint32(uint32(max(rows, 0))), Columns: proto.Uint32(uint32(max(columns, 0))),
	}}
}

func (in *Input) sendHeartbeats(ctx context.Context) {
	ticker := time.NewTicker(DefaultInputHeartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		in.mu.Lock()
		err := in.send(&agentpb.ProcessIO{
			Type: agentpb.ProcessIO_CONTROL.Enum(),
			Control: &agentpb.ProcessIO_Control{
				Type:      agentpb.ProcessIO_Control_HEARTBEAT.Enum(),
				Heartbeat: &agentpb.ProcessIO_Control_Heartbeat{Interval: durationInfo(DefaultInputHeartbeat)},
			},
		})
		in.mu.Unlock()
		if err != nil {
			return // the exchange is over; Close tells why
		}
	}
}

// Close ends the request and returns what the agent answers, which it does once the input has ended: its
// refusal, or nil. Input that is on its way is lost unless CloseWrite came before.
func (in *Input) Close() error {
	err := callError("ATTACH_CONTAINER_INPUT", in.upload.Close())
	in.cancel()
	in.beats.Wait()
	return err
}

// abort ends the request without waiting for an answer.
func (in *Input) abort() {
	in.cancel()
	_ = in.upload.Close()
	in.beats.Wait()
}
