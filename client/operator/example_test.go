package operator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// Who needs one answer asks for it. The master may be any of the cluster's: the call finds its way to the leader.
func ExampleMaster_GetTasks() {
	server := exampleMaster()
	defer server.Close()
	master, err := operator.NewMaster(operator.MasterConfig{Masters: server.URL, Transport: exampleTransport()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer master.Close()
	tasks, err := master.GetTasks(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, task := range tasks.GetTasks() {
		fmt.Println(task.GetName(), task.GetState())
	}
	// Output: hello TASK_RUNNING
}

// Who wants to know what changes ranges over Watch, which reconnects by itself.
func ExampleMaster_Watch() {
	server := exampleMaster()
	defer server.Close()
	master, err := operator.NewMaster(operator.MasterConfig{Masters: server.URL, Transport: exampleTransport()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer master.Close()
	for event, err := range master.Watch(context.Background(), operator.WatchConfig{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch event.GetType() {
		case masterpb.Event_SUBSCRIBED:
			fmt.Println("tasks at first:", len(event.GetSubscribed().GetGetState().GetGetTasks().GetTasks()))
		case masterpb.Event_TASK_UPDATED:
			fmt.Println(event.GetTaskUpdated().GetStatus().GetTaskId().GetValue(), event.GetTaskUpdated().GetState())
			return
		}
	}
	// Output:
	// tasks at first: 0
	// hello.1 TASK_FINISHED
}

// The output of a task, while it runs. ended is closed by whoever learns of the task's end, from a status
// update for instance.
func ExampleAgent_FollowReader() {
	ended := make(chan struct{})
	server := exampleSandbox(ended)
	defer server.Close()
	agent, err := operator.NewAgent(operator.AgentConfig{Address: server.URL, Transport: exampleTransport()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer agent.Close()
	stdout := agent.FollowReader(context.Background(), operator.SandboxPath("framework", "hello.1")+"/stdout", operator.FollowConfig{Done: ended})
	defer stdout.Close()
	if _, err := io.Copy(os.Stdout, stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello
	// from the task
}

func exampleTransport() *transport.Client {
	t, err := transport.New(transport.Config{Codec: codec.JSON})
	if err != nil {
		panic(err)
	}
	return t
}

// exampleMaster answers GET_TASKS and SUBSCRIBE.
func exampleMaster() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := new(masterpb.Call)
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = codec.JSON.Unmarshal(body, call)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", codec.MediaTypeJSON)
		if call.GetType() == masterpb.Call_GET_TASKS {
			_, _ = io.WriteString(w, `{"type":"GET_TASKS","get_tasks":{"tasks":[{"name":"hello","task_id":{"value":"hello.1"},
				"framework_id":{"value":"f"},"agent_id":{"value":"a"},"state":"TASK_RUNNING"}]}}`)
			return
		}
		for _, event := range []string{
			`{"type":"SUBSCRIBED","subscribed":{"get_state":{},"heartbeat_interval_seconds":15.0}}`,
			`{"type":"HEARTBEAT"}`,
			`{"type":"TASK_UPDATED","task_updated":{"framework_id":{"value":"f"},"status":{"task_id":{"value":"hello.1"},"state":"TASK_FINISHED"},"state":"TASK_FINISHED"}}`,
		} {
			_, _ = w.Write(recordio.AppendFrame(nil, []byte(event)))
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
}

// exampleSandbox serves a file that grows with every look at it, until the task has ended.
func exampleSandbox(ended chan struct{}) *httptest.Server {
	var mu sync.Mutex
	var file []byte
	rest := []string{"hello\n", "from the task\n"}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		call := new(agentpb.Call)
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = codec.JSON.Unmarshal(body, call)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if len(rest) > 0 {
			file = append(file, rest[0]...)
			if rest = rest[1:]; len(rest) == 0 {
				close(ended)
			}
		}
		size := uint64(len(file))
		answer, err := codec.JSON.Append(nil, &agentpb.Response{
			Type:     agentpb.Response_READ_FILE.Enum(),
			ReadFile: &agentpb.Response_ReadFile{Size: &size, Data: append([]byte{}, file[call.GetReadFile().GetOffset():]...)},
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", codec.MediaTypeJSON)
		_, _ = w.Write(answer)
	}))
}
