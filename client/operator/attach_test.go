package operator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

func nested(id, parent string) *mesospb.ContainerID {
	return &mesospb.ContainerID{Value: proto.String(id), Parent: &mesospb.ContainerID{Value: proto.String(parent)}}
}

// switchboard is the part of an agent that connects to processes in containers. The process is cat: what comes
// on stdin goes out on stdout, the end of the input ends it with status 0, a new window size is told on stderr.
type switchboard struct {
	t  *testing.T
	cd codec.Codec

	mu        sync.Mutex
	processes map[string]*process
	records   []*agentpb.Call // that came as input
	killed    []string
	forgetful bool
}

type process struct {
	tty    bool
	output chan *agentpb.ProcessIO
	ended  chan struct{}
}

func (s *switchboard) process(id *mesospb.ContainerID) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.processes[id.GetValue()]
	if p == nil {
		p = &process{output: make(chan *agentpb.ProcessIO), ended: make(chan struct{})}
		s.processes[id.GetValue()] = p
	}
	return p
}

func (s *switchboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") == codec.MediaTypeRecordIO {
		if r.Header.Get("Message-Content-Type") != s.cd.MediaType() {
			http.Error(w, "no Message-Content-Type", http.StatusBadRequest)
			return
		}
		s.input(w, r)
		return
	}
	call := new(agentpb.Call)
	readCall(s.t, r, call)
	switch call.GetType() {
	case agentpb.Call_ATTACH_CONTAINER_OUTPUT:
		s.output(w, r, call.GetAttachContainerOutput().GetContainerId())
	case agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION:
		if call.GetLaunchNestedContainerSession().GetCommand().GetValue() == "" {
			http.Error(w, "no command", http.StatusBadRequest)
			return
		}
		p := s.process(call.GetLaunchNestedContainerSession().GetContainerId())
		p.tty = call.GetLaunchNestedContainerSession().GetContainer().GetTtyInfo() != nil
		s.output(w, r, call.GetLaunchNestedContainerSession().GetContainerId())
	case agentpb.Call_WAIT_CONTAINER:
		s.mu.Lock()
		forgetful := s.forgetful
		s.mu.Unlock()
		if forgetful {
			http.Error(w, "what container?", http.StatusNotFound)
			return
		}
		select {
		case <-s.process(call.GetWaitContainer().GetContainerId()).ended:
			respond(s.t, w, s.cd, &agentpb.Response{Type: agentpb.Response_WAIT_CONTAINER.Enum(), WaitContainer: &agentpb.Response_WaitContainer{ExitStatus: proto.Int32(0)}})
		case <-r.Context().Done():
		}
	default:
		s.t.Errorf("call %v", call)
	}
}

func (s *switchboard) output(w http.ResponseWriter, r *http.Request, id *mesospb.ContainerID) {
	if r.Header.Get("Accept") != codec.MediaTypeRecordIO || r.Header.Get("Message-Accept") != s.cd.MediaType() {
		http.Error(w, "what do you accept?", http.StatusNotAcceptable)
		return
	}
	w.Header().Set("Content-Type", codec.MediaTypeRecordIO)
	w.Header().Set("Message-Content-Type", s.cd.MediaType())
	_ = http.NewResponseController(w).Flush()
	p := s.process(id)
	for {
		select {
		case record := <-p.output:
			writeFrame(s.t, w, s.cd, record)
		case <-p.ended:
			return
		case <-r.Context().Done():
			s.mu.Lock()
			s.killed = append(s.killed, id.GetValue())
			s.mu.Unlock()
			return
		}
	}
}

func data(kind agentpb.ProcessIO_Data_Type, text string) *agentpb.ProcessIO {
	return &agentpb.ProcessIO{Type: agentpb.ProcessIO_DATA.Enum(), Data: &agentpb.ProcessIO_Data{Type: kind.Enum(), Data: []byte(text)}}
}

func (s *switchboard) input(w http.ResponseWriter, r *http.Request) {
	frames := recordio.NewReader(r.Body, recordio.Config{})
	var p *process
	for {
		frame, err := frames.Next()
		if err != nil {
			return
		}
		call := new(agentpb.Call)
		if err := s.cd.Unmarshal(frame, call); err != nil {
			s.t.Error(err)
		}
		s.mu.Lock()
		s.records = append(s.records, call)
		s.mu.Unlock()
		in := call.GetAttachContainerInput()
		if p == nil {
			if in.GetContainerId().GetValue() == "unknown" {
				// The server of net/http would read the whole request before it answers.
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					s.t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				_ = conn.Close()
				return
			}
			p = s.process(in.GetContainerId())
			continue
		}
		var out *agentpb.ProcessIO
		switch rec := in.GetProcessIo(); {
		case rec.GetType() == agentpb.ProcessIO_DATA && len(rec.GetData().GetData()) == 0 && p.tty:
			continue
		case rec.GetType() == agentpb.ProcessIO_DATA && (len(rec.GetData().GetData()) == 0 || p.tty && rec.GetData().GetData()[0] == 4):
			close(p.ended)
			continue // an agent answers at the end of the request
		case rec.GetType() == agentpb.ProcessIO_DATA:
			out = data(agentpb.ProcessIO_Data_STDOUT, string(rec.GetData().GetData()))
		case rec.GetControl().GetType() == agentpb.ProcessIO_Control_TTY_INFO:
			out = data(agentpb.ProcessIO_Data_STDERR, "resized\n")
		default:
			continue
		}
		select {
		case p.output <- out:
		case <-r.Context().Done():
			return
		}
	}
}

func serveContainers(t *testing.T, cd codec.Codec) (*switchboard, *Agent) {
	n := newNetwork(t, cd)
	s := &switchboard{t: t, cd: cd, processes: make(map[string]*process)}
	n.serve("a:5051", s.ServeHTTP)
	return s, n.agent("a:5051")
}

func TestExecRunsACommandWithInputAndOutput(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		s, a := serveContainers(t, cd)
		e, err := a.Exec(t.Context(), ExecConfig{
			Parent: &mesospb.ContainerID{Value: proto.String("task")}, Command: &mesospb.CommandInfo{Value: proto.String("cat")}, TTY: true, Rows: 24, Columns: 80, Input: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		big := strings.Repeat("0123456789abcdef", 10000)
		var input sync.WaitGroup
		input.Go(func() {
			for _, err := range []error{e.Input.Resize(50, 132), second(e.Input.Write([]byte("hello\n"))), second(e.Input.Write([]byte(big))), e.Input.CloseWrite(), e.Input.CloseWrite()} {
				if err != nil {
					t.Error(err)
				}
			}
		})
		var stdout, stderr bytes.Buffer
		if err := e.Copy(&stdout, &stderr); err != nil {
			t.Error(err)
		}
		input.Wait()
		if stdout.String() != "hello\n"+big || stderr.String() != "resized\nresized\n" { // as the first thing, too
			t.Errorf("stdout %d bytes, stderr %q", stdout.Len(), stderr.String())
		}
		// Some agents forget sessions that have ended, and connections break.
		s.mu.Lock()
		s.forgetful = true
		s.mu.Unlock()
		exit, err := e.Wait(t.Context())
		if code, ok := exit.Exited(); err != nil || !ok || code != 0 {
			t.Errorf("exit %v, error %v", exit, err)
		}
		if _, err := e.Input.Write([]byte("late")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write after CloseWrite: %v", err)
		}

		first := s.records[0].GetAttachContainerInput()
		if first.GetType() != agentpb.Call_AttachContainerInput_CONTAINER_ID || !proto.Equal(first.GetContainerId(), e.ID) || e.ID.GetParent().GetValue() != "task" {
			t.Errorf("first record %v, container %v", first, e.ID)
		}
		want := &agentpb.ProcessIO{Type: agentpb.ProcessIO_CONTROL.Enum(), Control: &agentpb.ProcessIO_Control{
			Type: agentpb.ProcessIO_Control_TTY_INFO.Enum(), TtyInfo: &mesospb.TTYInfo{WindowSize: &mesospb.TTYInfo_WindowSize{Rows: proto.Uint32(24), Columns: proto.Uint32(80)}},
		}}
		if diff := cmp.Diff(want, s.records[1].GetAttachContainerInput().GetProcessIo(), protocmp.Transform()); diff != "" {
			t.Errorf("the size of the terminal comes first (-want +got):\n%s", diff)
		}
		var last []byte
		for _, r := range s.records {
			if data := r.GetAttachContainerInput().GetProcessIo().GetData().GetData(); len(data) > 0 {
				last = data
			}
			if n := len(r.GetAttachContainerInput().GetProcessIo().GetData().GetData()); n > maxInput {
				t.Errorf("a record of %d bytes", n)
			}
		}
		if string(last) != "\x04\x04" {
			t.Errorf("the input of a terminal ends with %q, want Ctrl-D, twice after half a line", last)
		}
	})
}

func second(_ int, err error) error { return err }

func TestExecDescribesTheContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		var calls []*agentpb.Call
		n.serve("a:5051", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Content-Type") == codec.MediaTypeRecordIO { // the size of a terminal
				_, _ = io.Copy(io.Discard, r.Body)
				return
			}
			call := new(agentpb.Call)
			readCall(t, r, call)
			if call.GetType() == agentpb.Call_WAIT_CONTAINER {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			calls = append(calls, call)
			w.Header().Set("Content-Type", codec.MediaTypeRecordIO)
		})
		given := &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), Hostname: proto.String("h")}
		before := proto.CloneOf(given)
		for _, cfg := range []ExecConfig{{}, {TTY: true, Rows: 1, Columns: 2}, {TTY: true, Container: given}, {Container: given}} {
			cfg.Command = &mesospb.CommandInfo{Value: proto.String("x")}
			e, err := n.agent("a:5051").Exec(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			_ = e.Close()
		}
		if diff := cmp.Diff(before, given, protocmp.Transform()); diff != "" {
			t.Errorf("the caller's ContainerInfo is changed (-before +after):\n%s", diff)
		}
		for i, want := range []string{
			``, `{"type":"MESOS","tty_info":{"window_size":{"rows":1,"columns":2}}}`, `{"type":"MESOS","hostname":"h","tty_info":{"window_size":{"rows":0,"columns":0}}}`, `{"type":"MESOS","hostname":"h"}`,
		} {
			var info *mesospb.ContainerInfo
			if want != "" {
				info = parse(t, new(mesospb.ContainerInfo), want)
			}
			if diff := cmp.Diff(info, calls[i].GetLaunchNestedContainerSession().GetContainer(), protocmp.Transform()); diff != "" {
				t.Errorf("container %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

func TestExecClosedEarlyEndsTheContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveContainers(t, codec.Protobuf)
		e, err := a.Exec(t.Context(), ExecConfig{Command: &mesospb.CommandInfo{Value: proto.String("cat")}, Input: true})
		if err != nil {
			t.Fatal(err)
		}
		copied := make(chan error)
		go func() { copied <- e.Copy(nil, nil) }()
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := <-copied; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Copy = %v", err)
		}
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.killed) != 1 || s.killed[0] != e.ID.GetValue() {
			t.Errorf("containers that the agent kills: %q", s.killed)
		}
	})
}

func TestExecWaitsAgainIfItsConnectionBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveContainers(t, codec.Protobuf)
		s.forgetful = true
		e, err := a.Exec(t.Context(), ExecConfig{Command: &mesospb.CommandInfo{Value: proto.String("cat")}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		synctest.Wait()
		s.mu.Lock()
		s.forgetful = false
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if exit, err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait for a process that runs: %v, %v", exit, err)
		}
		close(s.process(e.ID).ended)
		if exit, err := e.Wait(t.Context()); err != nil || exit.Status == nil {
			t.Errorf("Wait = %v, %v", exit, err)
		}
	})
}

func TestExecThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := serveContainers(t, codec.Protobuf)
		_, err := a.Exec(t.Context(), ExecConfig{Command: &mesospb.CommandInfo{}})
		var ce *CallError
		if !errors.Is(err, transport.ErrBadRequest) || !errors.As(err, &ce) || ce.Call != "LAUNCH_NESTED_CONTAINER_SESSION" {
			t.Errorf("error %v", err)
		}
	})
}

func TestAttachContainerOutput(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		s, a := serveContainers(t, cd)
		id := nested("c", "p")
		p := s.process(id)
		go func() {
			p.output <- data(agentpb.ProcessIO_Data_STDOUT, "out")
			p.output <- &agentpb.ProcessIO{Type: agentpb.ProcessIO_CONTROL.Enum(), Control: &agentpb.ProcessIO_Control{Type: agentpb.ProcessIO_Control_HEARTBEAT.Enum()}}
			p.output <- data(agentpb.ProcessIO_Data_STDERR, "err")
			close(p.ended)
		}()
		out, err := a.AttachContainerOutput(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		var got []string
		for r, err := range out.Records() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.GetType().String()+" "+string(r.GetData().GetData()))
		}
		if diff := cmp.Diff([]string{"DATA out", "CONTROL ", "DATA err"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestCopyStopsWhenItCannotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveContainers(t, codec.Protobuf)
		id := nested("c", "p")
		p := s.process(id)
		go func() { p.output <- data(agentpb.ProcessIO_Data_STDOUT, "out") }()
		out, err := a.AttachContainerOutput(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		r, w := io.Pipe()
		r.CloseWithError(errWrite)
		if err := out.Copy(w, nil); !errors.Is(err, errWrite) {
			t.Errorf("Copy = %v", err)
		}
	})
}

var errWrite = errors.New("disk full")

func TestInputSendsHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveContainers(t, codec.Protobuf)
		in, err := a.AttachContainerInput(t.Context(), nested("c", "p"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*DefaultInputHeartbeat + time.Second)
		if err := in.CloseWrite(); err != nil {
			t.Error(err)
		}
		if err := in.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		beats := 0
		for _, r := range s.records {
			beat := r.GetAttachContainerInput().GetProcessIo().GetControl()
			if beat.GetType() == agentpb.ProcessIO_Control_HEARTBEAT && beat.GetHeartbeat().GetInterval().GetNanoseconds() == int64(DefaultInputHeartbeat) {
				beats++
			}
		}
		if beats != 5 {
			t.Errorf("%d heartbeats, want 5", beats)
		}
	})
}

func TestInputThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := serveContainers(t, codec.Protobuf)
		in, err := a.AttachContainerInput(t.Context(), nested("unknown", "p"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := in.Write([]byte("x")); err == nil {
			t.Error("Write works although the agent has refused")
		}
		if err := in.Close(); !errors.Is(err, transport.ErrNotFound) {
			t.Errorf("Close = %v", err)
		}
	})
}

func TestInputEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := serveContainers(t, codec.Protobuf)
		ctx, cancel := context.WithCancel(t.Context())
		in, err := a.AttachContainerInput(ctx, nested("c", "p"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if err := in.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("Close = %v", err)
		}
		if _, err := in.Write([]byte("x")); err == nil {
			t.Error("Write works after the end")
		}
	})
}

func TestContainerExit(t *testing.T) {
	word := func(n int32) ContainerExit { return ContainerExit{Status: &n} }
	limited := word(9)
	limited.Message = "Memory limit exceeded"
	tests := map[string]struct {
		exit         ContainerExit
		code, signal int // -1: none
	}{
		"exited with status 0":                           {word(0), 0, -1},
		"exited with status 3":                           {word(3 << 8), 3, -1},
		"exited with status 255":                         {word(255 << 8), 255, -1},
		"was killed by signal 9: Memory limit exceeded":  {limited, -1, 9},
		"was killed by signal 11":                        {word(0x80 | 11), -1, 11},
		"ended in an unknown way":                        {ContainerExit{}, -1, -1},
		"ended in an unknown way: stopped, not at its..": {ContainerExit{Status: proto.Int32(0x137f), Message: "stopped, not at its.."}, -1, -1},
	}
	for text, tt := range tests {
		code, exited := tt.exit.Exited()
		signal, signaled := tt.exit.Signaled()
		if exited != (tt.code >= 0) || exited && code != tt.code || signaled != (tt.signal >= 0) || signaled && signal != tt.signal || tt.exit.String() != text {
			t.Errorf("%q: exited %v %d, signaled %v %d", tt.exit.String(), exited, code, signaled, signal)
		}
	}
}

// The end of a container may be hours away.
func TestWaitContainerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveContainers(t, codec.Protobuf)
		id := nested("c", "p")
		p := s.process(id)
		time.AfterFunc(10*time.Hour, func() { close(p.ended) })
		exit, err := a.WaitContainer(t.Context(), id)
		if _, ok := exit.Exited(); err != nil || !ok {
			t.Errorf("exit %v, error %v", exit, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.WaitContainer(ctx, nested("other", "p")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}
