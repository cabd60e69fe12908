package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// recording is a conversation of an executor with a real agent.
type recording struct {
	Environment env
	Exchanges   []struct {
		Request struct {
			Path string
			Body json.RawMessage
		}
		Response struct {
			Status int
			Frames []struct{ Event json.RawMessage }
		}
	}
}

func readRecording(t *testing.T) recording {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "test", "captures", "f14_executor_side.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rec recording
	if err := json.Unmarshal(data, &rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

func (r recording) call(t *testing.T, i int) *executorpb.Call {
	t.Helper()
	call := new(executorpb.Call)
	if err := codec.JSON.Unmarshal(r.Exchanges[i].Request.Body, call); err != nil {
		t.Fatal(err)
	}
	return call
}

// The recorded executor says RUNNING for each task, echoes messages and says KILLED when told to kill. An
// executor that does the same with this package has the same conversation.
func TestSessionHasTheConversationOfARecordedExecutor(t *testing.T) {
	rec := readRecording(t)
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		cfg, err := FromEnv(rec.Environment.lookup)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(cfg.AgentURL()+"/api/v1/executor", rec.Exchanges[0].Request.Path) {
			t.Errorf("agent URL %s does not fit the recorded path %s", cfg.AgentURL(), rec.Exchanges[0].Request.Path)
		}
		cfg.Transport.Codec, cfg.Transport.DialContext = codec.JSON, a.dial

		// The agent's acknowledgements name the recorded uuids, so the updates carry them.
		var recorded []*mesospb.TaskStatus
		for i := range rec.Exchanges {
			if call := rec.call(t, i); call.GetType() == executorpb.Call_UPDATE {
				recorded = append(recorded, call.GetUpdate().GetStatus())
			}
		}
		update := func(ctx context.Context, s *Session, st *mesospb.TaskStatus) error {
			st.Uuid, st.Timestamp = recorded[0].GetUuid(), recorded[0].Timestamp
			recorded = recorded[1:]
			return s.Update(ctx, st)
		}
		s := runSession(t, cfg, Handler{
			Launch: func(ctx context.Context, s *Session, task *mesospb.TaskInfo) error {
				if string(task.GetData()) != "task data" {
					t.Errorf("task data %q", task.GetData())
				}
				st := status(task.GetTaskId().GetValue(), mesospb.TaskState_TASK_RUNNING)
				st.Message, st.Data = new("probe runs"), []byte("d")
				return update(ctx, s, st)
			},
			Kill: func(ctx context.Context, s *Session, e *executorpb.Event_Kill) error {
				return update(ctx, s, status(e.GetTaskId().GetValue(), mesospb.TaskState_TASK_KILLED))
			},
			Message: func(ctx context.Context, s *Session, data []byte) error {
				return s.Message(ctx, bytes.Join([][]byte{[]byte("echo:"), data}, nil))
			},
		})

		got := []*executorpb.Call{}
		go func() {
			for {
				select {
				case ex := <-a.calls:
					got = append(got, ex.answer(http.StatusAccepted).Call)
				case <-a.down:
					return
				}
			}
		}()
		ex := a.nextSubscribe()
		want := rec.call(t, 0)
		if diff := cmp.Diff(want, ex.Call, protocmp.Transform()); diff != "" {
			t.Errorf("SUBSCRIBE (-recorded +got):\n%s", diff)
		}
		ex.answer(rec.Exchanges[0].Response.Status)
		for _, frame := range rec.Exchanges[0].Response.Frames {
			ex.frames <- frame.Event
			synctest.Wait() // as slowly as it was recorded
		}
		s.endsWith(nil) // the last event is SHUTDOWN, and nothing is left to acknowledge

		for i := range rec.Exchanges[1:] {
			want := rec.call(t, i+1)
			if st := want.GetUpdate().GetStatus(); st != nil {
				st.ExecutorId = &mesospb.ExecutorID{Value: new(cfg.ExecutorID)} // which the recorded executor left out
			}
			if i >= len(got) {
				t.Fatalf("call %d is missing: %v", i, want)
			}
			if diff := cmp.Diff(want, got[i], protocmp.Transform()); diff != "" {
				t.Errorf("call %d (-recorded +got):\n%s", i, diff)
			}
		}
	})
}
