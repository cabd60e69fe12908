package agent

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Whatever is posted to the APIs, the agent answers and lives.
func FuzzAPIs(f *testing.F) {
	m := newTestMaster(f)
	a := run(f, m)
	m.send(link.RunTask{Framework: testFramework(), Task: customTask("t", executorInfo("x", idle))})
	await[link.Register](f, m)
	for _, s := range []string{
		`{"type":"GET_STATE"}`, `{"type":"GET_CONTAINERS"}`, `{"type":"READ_FILE","read_file":{"path":"/","offset":18446744073709551615,"length":0}}`,
		`{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"a","parent":{"value":""}}}}`,
		`{"type":"SUBSCRIBE","framework_id":{"value":"fw-0000"},"executor_id":{"value":"x"},"subscribe":{"unacknowledged_updates":[{"status":{"task_id":{"value":"t"},"state":"TASK_RUNNING"}}]}}`,
		`{"type":"UPDATE","framework_id":{"value":"fw-0000"},"executor_id":{"value":"x"},"update":{"status":{"task_id":{"value":"t"},"state":"TASK_FINISHED","uuid":"AAAAAAAAQACAAAAAAAAAAA==","source":"SOURCE_EXECUTOR"}}}`,
		`{"type":"MESSAGE","framework_id":{"value":"fw-0000"},"executor_id":{"value":"x"},"message":{"data":""}}`,
	} {
		f.Add("/api/v1", codec.MediaTypeJSON, []byte(s))
		f.Add("/api/v1/executor", codec.MediaTypeJSON, []byte(s))
	}
	f.Add("/api/v1", codec.MediaTypeProtobuf, []byte{8, 9})
	f.Add("/api/v1", codec.MediaTypeRecordIO, []byte("2\n{}"))
	f.Fuzz(func(t *testing.T, path, contentType string, body []byte) {
		call := &agentpb.Call{}
		if c, ok := codec.ByMediaType(contentType); ok && c.Unmarshal(body, call) == nil {
			switch call.GetType() {
			case agentpb.Call_LAUNCH_CONTAINER, agentpb.Call_LAUNCH_NESTED_CONTAINER, agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION: //lint:ignore SA1019 part of the API
				return // a fuzzer must not run commands
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body))
		r.URL.Path = path
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Message-Content-Type", codec.MediaTypeJSON)
		if contentType != codec.MediaTypeRecordIO {
			r.Header.Del("Message-Content-Type")
		}
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() { defer close(done); a.server.Handler.ServeHTTP(w, r) }()
		select {
		case <-done:
		case <-time.After(50 * time.Millisecond): // a stream was opened
			cancel()
			<-done
		}
	})
}

func TestGroupOfACustomExecutor(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	info := executorInfo("x", idle)
	g := link.RunTaskGroup{Framework: testFramework(), Executor: info, Group: &mesospb.TaskGroupInfo{Tasks: []*mesospb.TaskInfo{baseTask("one"), baseTask("two")}}}
	m.send(g)
	eventually(t, "the executor is known", func() bool {
		known := false
		_ = a.loop.Do(t.Context(), func() { f := a.frameworks["fw-0000"]; known = f != nil && f.executors["x"] != nil })
		return known
	})
	x, _ := subscribe(t, a, "x", codec.Protobuf, nil)
	x.next()
	event := x.next()
	if tasks := event.GetLaunchGroup().GetTaskGroup().GetTasks(); len(tasks) != 2 || tasks[0].GetTaskId().GetValue() != "one" {
		t.Errorf("got %v, want LAUNCH_GROUP of both tasks", event)
	}
	x.update("one", mesospb.TaskState_TASK_RUNNING)
	m.updateOf(t, "one", mesospb.TaskState_TASK_RUNNING)
}
