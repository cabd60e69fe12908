package executor

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// BenchmarkUpdate is one status update over loopback, from Update to the acknowledgement of the agent.
func BenchmarkUpdate(b *testing.B) {
	acks := make(chan *mesospb.TaskStatus, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := new(executorpb.Call)
		if err := codec.Protobuf.UnmarshalOwned(body, call); err != nil {
			b.Error(err)
		}
		if call.GetType() == executorpb.Call_UPDATE {
			w.WriteHeader(http.StatusAccepted)
			acks <- call.GetUpdate().GetStatus()
			return
		}
		w.Header().Set("Content-Type", codec.MediaTypeProtobuf)
		send := func(e *executorpb.Event) {
			frame, _ := codec.Protobuf.Append(nil, e)
			_, _ = w.Write(recordio.AppendFrame(nil, frame))
			w.(http.Flusher).Flush()
		}
		send(subscribedEvent())
		for {
			select {
			case st := <-acks:
				send(ackEvent(st))
			case <-r.Context().Done():
				return
			}
		}
	}))
	defer server.Close()
	subscribed := make(chan struct{})
	cfg := Config{FrameworkID: "f", ExecutorID: "e", AgentEndpoint: strings.TrimPrefix(server.URL, "http://")}
	s, err := NewSession(cfg, Handler{Subscribed: func(context.Context, *Session, *executorpb.Event_Subscribed) error {
		close(subscribed)
		return nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(b.Context()) }()
	<-subscribed
	for b.Loop() {
		if err := s.Update(b.Context(), status("t", mesospb.TaskState_TASK_RUNNING)); err != nil {
			b.Fatal(err)
		}
	}
	s.Stop(nil)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
