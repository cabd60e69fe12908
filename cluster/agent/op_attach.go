package agent

// Streams of container input and output: docs/behaviour.md#transport, #operator-api. Records are ProcessIO messages.
//
//   - LAUNCH_NESTED_CONTAINER_SESSION: 200 with the stream of its output. When the client goes the container
//     is killed.
//   - ATTACH_CONTAINER_OUTPUT: 200 with the stream of what is written from then on.
//   - ATTACH_CONTAINER_INPUT: a request of records, the first with the container's id, the others with
//     ProcessIO: DATA of type STDIN, where no data is the end of the input unless there is a terminal, CONTROL with the
//     terminal's size or a heartbeat. 200 when the records end, 500 if the process ends before.
//   - Both need a container with a terminal, or a session.
//   - Records are in the encoding of Message-Accept and Message-Content-Type. A request that streams needs
//     the latter (400 without, 415 if it is unknown), one that does not must not have it (415).
//     Accept must admit recordio for streamed answers, else 406; Message-Accept that admits no
//     encoding is 406.

import (
	"io"
	"net/http"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// ioHeartbeat is the time between two heartbeats on an output stream.
const ioHeartbeat = 30 * time.Second

const (
	headerMessageType   = "Message-Content-Type"
	headerMessageAccept = "Message-Accept"
)

// isStreaming reports whether the body of a request is a stream of records.
func isStreaming(r *http.Request) bool {
	return r.Header.Get("Content-Type") == codec.MediaTypeRecordIO
}

// streams reports whether a call is answered with a stream.
func streams(t agentpb.Call_Type) bool {
	return t == agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION || t == agentpb.Call_ATTACH_CONTAINER_OUTPUT
}

// serveStreamingCall answers calls whose answer streams, and those that ask in vain for a stream. It reports
// false for all others.
func (a *Agent) serveStreamingCall(w http.ResponseWriter, r *http.Request, call *agentpb.Call) bool {
	const both = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json' or 'application/recordio'"
	if r.Header.Get(headerMessageType) != "" {
		httpapi.Error(w, http.StatusUnsupportedMediaType, "Expecting 'Message-Content-Type' to be not set for non-streaming requests")
		return true
	}
	if call.GetType() == agentpb.Call_ATTACH_CONTAINER_INPUT {
		httpapi.Error(w, http.StatusUnsupportedMediaType, "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call")
		return true
	}
	accept := r.Header.Values("Accept")
	plain := httpapi.Accepts(accept, codec.MediaTypeJSON) || httpapi.Accepts(accept, codec.MediaTypeProtobuf)
	stream := httpapi.Accepts(accept, codec.MediaTypeRecordIO)
	if !streams(call.GetType()) {
		if r.Header.Get(headerMessageAccept) != "" && !stream {
			httpapi.Error(w, http.StatusNotAcceptable, "Expecting 'Message-Accept' to be not set for non-streaming responses")
			return true
		}
		if !plain && stream {
			httpapi.Error(w, http.StatusNotAcceptable, "Streaming response is not supported for "+call.GetType().String()+" call")
			return true
		}
		return false
	}
	if !plain && !stream {
		httpapi.Error(w, http.StatusNotAcceptable, both)
		return true
	}
	c, ok := messageCodec(r, stream)
	if !ok {
		httpapi.Error(w, http.StatusNotAcceptable, "Expecting 'Message-Accept' to allow application/json or application/x-protobuf")
		return true
	}
	out := httpapi.NewRecordIOStream(c)
	if !stream {
		out = httpapi.NewStream(c)
	}
	if call.GetType() == agentpb.Call_ATTACH_CONTAINER_OUTPUT {
		a.attachOutput(w, r, call.GetAttachContainerOutput().GetContainerId(), out)
	} else {
		a.launchSession(w, r, call.GetLaunchNestedContainerSession(), out)
	}
	return true
}

// messageCodec returns the encoding of the records of an answer.
func messageCodec(r *http.Request, stream bool) (codec.Codec, bool) {
	if !stream {
		return httpapi.Accept(r)
	}
	for _, c := range []codec.Codec{codec.JSON, codec.Protobuf} {
		if httpapi.Accepts(r.Header.Values(headerMessageAccept), c.MediaType()) {
			return c, true
		}
	}
	return nil, false
}

func (a *Agent) launchSession(w http.ResponseWriter, r *http.Request, l *agentpb.Call_LaunchNestedContainerSession, out *httpapi.Stream) {
	result := make(chan *problem, 1)
	request := launchRequest{id: l.GetContainerId(), command: l.GetCommand(), container: l.GetContainer(), session: out}
	if !a.do(w, r, func() { a.launchByOperator(request, func(p *problem) { result <- p }) }) {
		return
	}
	kill := func() { a.loop.Post(func() { a.destroy(a.containers[containerKey(request.id)]) }) }
	select {
	case p := <-result:
		if p != nil {
			if p.status == http.StatusAccepted {
				p = &problem{http.StatusBadRequest, "The container " + containerKey(request.id) + " exists already"}
			}
			httpapi.Error(w, p.status, p.text)
			return
		}
		a.beatStream(out)
		out.Serve(r.Context(), w)
	case <-r.Context().Done():
	}
	kill()
}

func (a *Agent) attachOutput(w http.ResponseWriter, r *http.Request, id *mesospb.ContainerID, out *httpapi.Stream) {
	var c *container
	if !a.do(w, r, func() { c = a.containers[containerKey(id)] }) {
		return
	}
	o, p := a.attachable(c, id)
	if p == nil && !o.listen(out) {
		p = &problem{http.StatusInternalServerError, "Unknown container " + containerKey(id)}
	}
	if p != nil {
		httpapi.Error(w, p.status, p.text)
		return
	}
	defer o.unlisten(out)
	a.beatStream(out)
	out.Serve(r.Context(), w)
}

// attachable returns the input and output of a container.
func (a *Agent) attachable(c *container, id *mesospb.ContainerID) (*containerIO, *problem) {
	var o *containerIO
	inExecutor := false
	_ = a.loop.Do(a.ctx, func() {
		if c != nil {
			o = c.io
		}
		root := a.containers[rootOf(id)]
		inExecutor = root != nil && root.executor != nil
	})
	switch {
	case !inExecutor && c == nil:
		return nil, &problem{http.StatusNotFound, "Container " + containerKey(id) + " cannot be found"}
	case c == nil:
		return nil, &problem{http.StatusInternalServerError, "Unknown container " + containerKey(id)}
	case o == nil || !o.attachable:
		return nil, &problem{http.StatusInternalServerError, "I/O switchboard server was disabled for this container"}
	}
	return o, nil
}

// beatStream sends heartbeats until the stream is over.
func (a *Agent) beatStream(out *httpapi.Stream) {
	beat := &agentpb.ProcessIO{
		Type: agentpb.ProcessIO_CONTROL.Enum(),
		Control: &agentpb.ProcessIO_Control{
			Type:      agentpb.ProcessIO_Control_HEARTBEAT.Enum(),
			Heartbeat: &agentpb.ProcessIO_Control_Heartbeat{Interval: &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(ioHeartbeat))}},
		},
	}
	var again func()
	again = func() {
		select {
		case <-out.Done():
		default:
			out.Send(beat)
			a.loop.After(ioHeartbeat, again)
		}
	}
	a.loop.After(ioHeartbeat, again)
}

// attachInput serves a request that streams.
func (a *Agent) attachInput(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, text string) {
		w.Header().Set("Connection", "close") // else the answer would wait for the end of the request
		httpapi.Error(w, status, text)
	}
	types := r.Header.Values(headerMessageType)
	if len(types) == 0 {
		refuse(http.StatusBadRequest, "Expecting 'Message-Content-Type' to be set for streaming requests")
		return
	}
	c, ok := codec.ByMediaType(types[0])
	if !ok {
		refuse(http.StatusUnsupportedMediaType, "Expecting 'Message-Content-Type' of application/json or application/x-protobuf")
		return
	}
	records := recordio.NewReader(r.Body, recordio.Config{})
	first, p := nextInput(records, c)
	if p == nil {
		switch {
		case first == nil:
			p = &problem{http.StatusBadRequest, "Received EOF while reading request body"}
		case first.GetType() != agentpb.Call_ATTACH_CONTAINER_INPUT:
			p = &problem{http.StatusUnsupportedMediaType, "Streaming 'Content-Type' application/recordio is not supported for " + first.GetType().String() + " call"}
		case first.GetAttachContainerInput().GetType() != agentpb.Call_AttachContainerInput_CONTAINER_ID:
			p = &problem{http.StatusBadRequest, "Expecting 'attach_container_input.type' to be CONTAINER_ID"}
		case first.GetAttachContainerInput().GetContainerId() == nil:
			p = &problem{http.StatusBadRequest, "Failed to validate agent::Call: Expecting 'attach_container_input.container_id' to be present"}
		}
	}
	if p != nil {
		refuse(p.status, p.text)
		return
	}
	id := first.GetAttachContainerInput().GetContainerId()
	if a.forbid(w, r, func(p *auth.Principal) bool { return a.mayActIn(p, auth.AttachContainersInput, id) }) {
		return
	}
	var k *container
	if !a.do(w, r, func() { k = a.containers[containerKey(id)] }) {
		return
	}
	o, p := a.attachable(k, id)
	if p == nil {
		p = feed(w, o, func() (*agentpb.Call, *problem) { return nextInput(records, c) })
	}
	if p != nil {
		refuse(p.status, p.text)
		return
	}
	httpapi.Empty(w, http.StatusOK)
}

// feed gives a process its input until that ends, or the process does.
func feed(w http.ResponseWriter, o *containerIO, next func() (*agentpb.Call, *problem)) *problem {
	fed := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-o.over: // nobody is to wait for input any more
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		case <-fed:
		}
	})
	var p *problem
	for p == nil {
		var call *agentpb.Call
		if call, p = next(); call == nil {
			break
		}
		p = input(o, call.GetAttachContainerInput().GetProcessIo())
	}
	close(fed)
	watch.Wait()
	select {
	case <-o.over:
		if p != nil {
			return &problem{http.StatusInternalServerError, "Disconnected"}
		}
	default:
	}
	return p
}

// nextInput returns the next record, nil at the end.
func nextInput(records *recordio.Reader, c codec.Codec) (*agentpb.Call, *problem) {
	frame, err := records.Next()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "Failed to read the stream: " + err.Error()}
	}
	call := &agentpb.Call{}
	if err := c.UnmarshalOwned(frame, call); err != nil {
		return nil, &problem{http.StatusBadRequest, "Failed to decode a record: " + err.Error()}
	}
	if call.GetType() != agentpb.Call_ATTACH_CONTAINER_INPUT {
		return call, nil
	}
	if call.GetAttachContainerInput() == nil {
		return nil, &problem{http.StatusBadRequest, "Failed to validate agent::Call: Expecting 'attach_container_input' to be present"}
	}
	return call, nil
}

// input handles one record.
func input(o *containerIO, m *agentpb.ProcessIO) *problem {
	switch m.GetType() {
	case agentpb.ProcessIO_DATA:
		if m.GetData().GetType() != agentpb.ProcessIO_Data_STDIN {
			return &problem{http.StatusBadRequest, "Expecting 'process_io.data.type' to be STDIN"}
		}
		if err := o.write(m.GetData().GetData()); err != nil {
			return &problem{http.StatusInternalServerError, "Failed to write to the container: " + err.Error()}
		}
	case agentpb.ProcessIO_CONTROL:
		size := m.GetControl().GetTtyInfo().GetWindowSize()
		if m.GetControl().GetType() != agentpb.ProcessIO_Control_TTY_INFO || size == nil {
			return nil
		}
		if o.pty == nil {
			return &problem{http.StatusBadRequest, "Unable to set the window size: Inappropriate ioctl for device"}
		}
		if err := resizePTY(o.pty, uint16(size.GetRows()), uint16(size.GetColumns())); err != nil {
			return &problem{http.StatusBadRequest, "Unable to set the window size: " + capitalised(err.Error())}
		}
	default:
		return &problem{http.StatusBadRequest, "Failed to validate agent::Call: Expecting 'process_io.type' to be DATA or CONTROL"}
	}
	return nil
}
