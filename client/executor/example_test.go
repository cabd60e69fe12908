package executor_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// An executor that has done a task as soon as it is launched. Where a program would use FromEnvironment, the
// example asks an agent of its own, which launches one task and then shuts the executor down.
func ExampleRun() {
	agent := newExampleAgent()
	defer agent.Close()
	cfg, err := executor.FromEnv(agent.lookupEnv)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = executor.Run(context.Background(), cfg, executor.Handler{
		Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
			fmt.Println("launch", task.GetName())
			return s.Update(ctx, &mesospb.TaskStatus{TaskId: task.TaskId, State: mesospb.TaskState_TASK_FINISHED.Enum()})
		},
		Acknowledged: func(ctx context.Context, s *executor.Session, e *executorpb.Event_Acknowledged) error {
			fmt.Println("acknowledged", e.GetTaskId().GetValue())
			return nil
		},
		Shutdown: func(ctx context.Context, s *executor.Session, cause error) error {
			fmt.Println("shutdown")
			return executor.ErrStop
		},
	})
	fmt.Println("ended with", err)
	// Output:
	// launch hello
	// acknowledged hello.1
	// shutdown
	// ended with <nil>
}

// One subscription, with nothing done behind its back.
func ExampleClient_Subscribe() {
	agent := newExampleAgent()
	defer agent.Close()
	cfg, err := executor.FromEnv(agent.lookupEnv)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := executor.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	sub, err := client.Subscribe(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sub.Close()
	for event, err := range sub.Events() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event.GetType())
		if task := event.GetLaunch().GetTask(); task != nil {
			_, err := client.Update(ctx, &mesospb.TaskStatus{TaskId: task.TaskId, State: mesospb.TaskState_TASK_FINISHED.Enum()})
			if err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	// Output:
	// SUBSCRIBED
	// LAUNCH
	// ACKNOWLEDGED
	// SHUTDOWN
}

func ExampleFromEnv() {
	_, err := executor.FromEnv(func(name string) (string, bool) {
		value, ok := map[string]string{
			"MESOS_FRAMEWORK_ID":     "8fd4e0b2-ece8-44b9-9b58-88a85706f49a-0018",
			"MESOS_EXECUTOR_ID":      "web",
			"MESOS_AGENT_ENDPOINT":   "127.0.0.1:5051",
			"MESOS_CHECKPOINT":       "1",
			"MESOS_RECOVERY_TIMEOUT": "15m",
		}[name]
		return value, ok
	})
	fmt.Println(err)
	// Output: environment variable MESOS_RECOVERY_TIMEOUT="15m": unknown unit "m"; use ns, us, ms, secs, mins, hrs, days or weeks
}

// exampleAgent launches one task, acknowledges its update and shuts the executor down.
type exampleAgent struct {
	*httptest.Server
	acks chan *mesospb.TaskStatus
}

func newExampleAgent() *exampleAgent {
	a := &exampleAgent{acks: make(chan *mesospb.TaskStatus, 1)}
	a.Server = httptest.NewServer(a)
	return a
}

func (a *exampleAgent) lookupEnv(name string) (string, bool) {
	value, ok := map[string]string{
		"MESOS_FRAMEWORK_ID":   "framework",
		"MESOS_EXECUTOR_ID":    "executor",
		"MESOS_AGENT_ENDPOINT": strings.TrimPrefix(a.URL, "http://"),
	}[name]
	return value, ok
}

func (a *exampleAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := new(executorpb.Call)
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = codec.Protobuf.Unmarshal(body, call)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if call.GetType() != executorpb.Call_SUBSCRIBE {
		a.acks <- call.GetUpdate().GetStatus()
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", codec.MediaTypeProtobuf)
	send := func(text string, fill func(e *executorpb.Event)) {
		event := new(executorpb.Event)
		if err := protojson.Unmarshal([]byte(text), event); err != nil {
			panic(err)
		}
		if fill != nil {
			fill(event)
		}
		frame, err := codec.Protobuf.Append(nil, event)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(recordio.AppendFrame(nil, frame))
		w.(http.Flusher).Flush()
	}
	send(`{"type":"SUBSCRIBED","subscribed":{
		"executor_info":{"executor_id":{"value":"executor"}},"framework_info":{"user":"u","name":"n"},"agent_info":{"hostname":"h"}}}`, nil)
	send(`{"type":"LAUNCH","launch":{"task":{"name":"hello","task_id":{"value":"hello.1"},"agent_id":{"value":"agent"}}}}`, nil)
	select {
	case status := <-a.acks:
		send(`{"type":"ACKNOWLEDGED","acknowledged":{"task_id":{"value":"hello.1"},"uuid":""}}`,
			func(e *executorpb.Event) { e.Acknowledged.Uuid = status.GetUuid() })
	case <-time.After(10 * time.Second):
	}
	send(`{"type":"SHUTDOWN"}`, nil)
}
