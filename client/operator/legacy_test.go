package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestLegacyEndpointsAnswerAsRecorded(t *testing.T) {
	n := newNetwork(t, codec.Protobuf)
	capture := readCapture(t, "f13_operator.json")
	n.serve("m:5050", func(w http.ResponseWriter, r *http.Request) {
		for _, e := range capture {
			if e.Request.Method == http.MethodGet && e.Request.Path == r.URL.Path {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(e.Response.Status)
				_, _ = w.Write(e.Response.raw())
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
	})
	m := n.master("m:5050")
	var state struct {
		Version string
		Slaves  []struct{ Hostname string }
	}
	if err := m.Legacy(t.Context(), "/state", nil, &state); err != nil || state.Version != "1.12.0" || len(state.Slaves) != 1 {
		t.Errorf("/state: %+v, %v", state, err)
	}
	metrics, err := m.MetricsSnapshot(t.Context(), 0)
	if err != nil || len(metrics) < 50 {
		t.Errorf("%d metrics, %v", len(metrics), err)
	}
	if err := m.Legacy(t.Context(), "/none", nil, &state); !errors.Is(err, transport.ErrNotFound) {
		t.Errorf("an unknown endpoint: %v", err)
	}
	var notJSON *transport.ContentTypeError
	if err := m.Legacy(t.Context(), "/health", nil, &state); !errors.As(err, &notJSON) { // 200 without a body
		t.Errorf("an answer that is not JSON: %v", err)
	}
	if err := m.Legacy(t.Context(), "/state", nil, new(int)); err == nil {
		t.Error("a wrong type is no error")
	}
}

func TestLegacyQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		var query url.Values
		n.serve("x:1", func(w http.ResponseWriter, r *http.Request) {
			query = r.URL.Query()
			_, _ = io.WriteString(w, `{"a/b":1.5}`)
		})
		a := n.agent("x:1")
		for timeout, want := range map[time.Duration]url.Values{0: {}, 2500 * time.Millisecond: {"timeout": {"2.5secs"}}} {
			got, err := a.MetricsSnapshot(t.Context(), timeout)
			if diff := cmp.Diff(map[string]float64{"a/b": 1.5}, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(want, query); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		}
	})
}

func TestReadFileLegacy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		file := "he said \"hi\"\\\n\t\x01\xff\xe2\x82"
		n.serve("a:5051", func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			if r.URL.Path != "/files/read" || q.Get("path") != "/p/a b&c" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			switch q.Get("offset") + " " + q.Get("length") {
			case "-1 ":
				fmt.Fprintf(w, `{"data":"","offset":%d}`, len(file))
			case "0 ":
				_, _ = io.WriteString(w, `{"data":"he said \"hi\"\\\n\t\u0001`+"\xff\xe2\x82"+`","offset":0}`)
			case "3 4":
				_, _ = io.WriteString(w, ` { "offset" : 3 , "data" : "said" } `)
			default:
				_, _ = io.WriteString(w, `nonsense`)
			}
		})
		a := n.agent("a:5051")
		for _, tt := range []struct {
			offset, length int64
			want           FileChunk
		}{
			{0, 0, FileChunk{int64(len(file)), []byte{}}}, {0, -1, FileChunk{int64(len(file)), []byte(file)}}, {3, 4, FileChunk{7, []byte("said")}},
		} {
			got, err := a.ReadFileLegacy(t.Context(), "/p/a b&c", tt.offset, tt.length)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("from %d: error %v (-want +got):\n%s", tt.offset, err, diff)
			}
		}
		if _, err := a.ReadFileLegacy(t.Context(), "/other", 0, -1); !errors.Is(err, transport.ErrNotFound) {
			t.Errorf("an unknown file: %v", err)
		}
		if _, err := a.ReadFileLegacy(t.Context(), "/p/a b&c", 99, -1); err == nil {
			t.Error("nonsense is taken")
		}
	})
}

func TestFilesReadRefusesWhatIsNotAnAnswer(t *testing.T) {
	for _, text := range []string{
		``, `{`, `{}`, `[]`, `{"data"`, `{"data":`, `{"data":"`, `{"data":"x`, `{"data":"x"`, `{"data":"x",`, `{"data":"x"]`, `{"data":"\`, `{"data":"\u00"}`,
		`{"data":"\u00zz"}`, `{"data":"\x"}`, `{"offset":1}`, `{"data":"","offset":-4}`, `{"data":"","offset":x}`, `{"data":"","offset":99999999999999999999}`,
		`{"data":"","more":1}`, `{"data":""\n"offset":1}`, `{"data":"\ud83d\u12"}`,
	} {
		if at, data, err := parseFilesRead([]byte(text)); err == nil {
			t.Errorf("%s is taken for offset %d and data %q", text, at, data)
		}
	}
}

// Whatever encoding/json understands is understood the same way, but for bytes that are no text.
func FuzzFilesRead(f *testing.F) {
	for _, s := range []string{`{"data":"a\u00e4\ud83d\ude00\ud83d\n","offset":3}`, `{"data":"` + "\xff" + `","offset":0}`, ` {"offset":1,"data":""} `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		at, data, err := parseFilesRead(body)
		if err != nil {
			return
		}
		if len(data) > len(body) || at < 0 {
			t.Fatalf("%d bytes at %d of an answer of %d bytes", len(data), at, len(body))
		}
		var want struct {
			Data   string
			Offset int64
		}
		if utf8.Valid(body) && json.Unmarshal(body, &want) == nil && (string(data) != want.Data || at != want.Offset) {
			t.Fatalf("%s: got %q at %d, want %q at %d", body, data, at, want.Data, want.Offset)
		}
	})
}

func TestDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		h := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/files/download" || r.URL.Query().Get("path") != "/x y" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			_, _ = io.WriteString(w, "\xff\x00raw")
		}
		n.serve("a:5051", h)
		n.serve("m:5050", h)
		for name, get := range map[string]func(path string) (io.ReadCloser, error){
			"agent":  func(path string) (io.ReadCloser, error) { return n.agent("a:5051").Download(t.Context(), path) },
			"master": func(path string) (io.ReadCloser, error) { return n.master("m:5050").Download(t.Context(), path) },
		} {
			body, err := get("/x y")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			data, err := io.ReadAll(body)
			if string(data) != "\xff\x00raw" || err != nil {
				t.Errorf("%s: %q, %v", name, data, err)
			}
			_ = body.Close()
			if _, err := get("/none"); !errors.Is(err, transport.ErrNotFound) {
				t.Errorf("%s: an unknown file: %v", name, err)
			}
		}
	})
}

const agentStateJSON = `{"id":"S0","version":"0.28.0","frameworks":[{"id":"f","executors":[{"id":"e","container":"c1","directory":"/var/lib/mesos/f/e/runs/c1"}],
	"completed_executors":[{"id":"e","directory":"/old"},{"id":"gone","directory":"/1"},{"id":"gone","directory":"/2"}]}],
	"completed_frameworks":[{"id":"cf","executors":[],"completed_executors":[{"id":"e","directory":"/cf"}]}]}`

func TestSandboxIsFoundOnOldAgentsToo(t *testing.T) {
	tests := []struct {
		framework, executor string
		knowsVirtual        bool
		want                string
	}{
		{"f", "e", true, "/frameworks/f/executors/e/runs/latest"},
		{"f", "e", false, "/var/lib/mesos/f/e/runs/c1"},
		{"f", "gone", false, "/2"},
		{"cf", "e", false, "/cf"},
		{"f", "never", false, ""},
		{"other", "e", false, ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s %v", tt.framework, tt.executor, tt.knowsVirtual), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, codec.Protobuf)
				n.serve("a:5051", func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/state" {
						_, _ = io.WriteString(w, agentStateJSON)
						return
					}
					call := new(agentpb.Call)
					cd := readCall(t, r, call)
					if !tt.knowsVirtual {
						w.WriteHeader(http.StatusNotFound)
						return
					}
					if call.GetListFiles().GetPath() != tt.want {
						t.Errorf("looked for %v", call)
					}
					respond(t, w, cd, &agentpb.Response{Type: agentpb.Response_LIST_FILES.Enum(), ListFiles: &agentpb.Response_ListFiles{}})
				})
				got, err := n.agent("a:5051").Sandbox(t.Context(), tt.framework, tt.executor)
				if got != tt.want || errors.Is(err, fs.ErrNotExist) != (tt.want == "") || err != nil && tt.want != "" {
					t.Errorf("Sandbox = %q, %v; want %q", got, err, tt.want)
				}
			})
		})
	}
}

func TestSandboxSaysWhyItCannotLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		for code, want := range map[int]error{403: transport.ErrForbidden, 404: transport.ErrNotFound} {
			n.serve("a:5051", func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(code) // also of /state
			})
			if _, err := n.agent("a:5051").Sandbox(t.Context(), "f", "e"); !errors.Is(err, want) {
				t.Errorf("with %d: %v", code, err)
			}
			n.transport.Close()
		}
	})
}

func TestFindTask(t *testing.T) {
	const tasksJSON = `{"type":"GET_TASKS","get_tasks":{
		"tasks":[
			{"name":"x","task_id":{"value":"command"},"framework_id":{"value":"f1"},"agent_id":{"value":"S0"},"state":"TASK_RUNNING",
			 "statuses":[{"task_id":{"value":"command"},"state":"TASK_RUNNING","timestamp":2,"container_status":{"container_id":{"value":"c"}}}]},
			{"name":"x","task_id":{"value":"grouped"},"framework_id":{"value":"f1"},"executor_id":{"value":"e"},"agent_id":{"value":"S1"},"state":"TASK_RUNNING",
			 "statuses":[{"task_id":{"value":"grouped"},"state":"TASK_RUNNING","container_status":{"container_id":{"value":"nested","parent":{"value":"c"}}}}]},
			{"name":"x","task_id":{"value":"same"},"framework_id":{"value":"f1"},"agent_id":{"value":"S0"},"state":"TASK_RUNNING","statuses":[{"task_id":{"value":"same"},"state":"TASK_RUNNING","timestamp":1}]},
			{"name":"x","task_id":{"value":"same"},"framework_id":{"value":"f2"},"agent_id":{"value":"S1"},"state":"TASK_RUNNING","statuses":[{"task_id":{"value":"same"},"state":"TASK_RUNNING","timestamp":9}]}],
		"unreachable_tasks":[{"name":"x","task_id":{"value":"away"},"framework_id":{"value":"f1"},"agent_id":{"value":"gone"},"state":"TASK_UNREACHABLE"}],
		"completed_tasks":[
			{"name":"x","task_id":{"value":"done"},"framework_id":{"value":"f1"},"agent_id":{"value":"S0"},"state":"TASK_FINISHED","statuses":[{"task_id":{"value":"done"},"state":"TASK_FINISHED","timestamp":7}]},
			{"name":"x","task_id":{"value":"done"},"framework_id":{"value":"f1"},"agent_id":{"value":"S1"},"state":"TASK_FINISHED","statuses":[{"task_id":{"value":"done"},"state":"TASK_FINISHED","timestamp":5}]},
			{"name":"x","task_id":{"value":"command"},"framework_id":{"value":"f1"},"agent_id":{"value":"S1"},"state":"TASK_FINISHED"}]}}`
	const agentsJSON = `{"type":"GET_AGENTS","get_agents":{"agents":[
		{"agent_info":{"hostname":"h0","id":{"value":"S0"}},"active":true,"version":"1","pid":"slave(1)@10.0.0.1:5051"},
		{"agent_info":{"hostname":"h1","id":{"value":"S1"}},"active":true,"version":"1","pid":"slave(1)@10.0.0.2:5051"}]}}`
	tests := map[string]struct {
		framework, task string
		want            TaskPlace // without Task
		sandbox         string
	}{
		"of a command":        {"f1", "command", TaskPlace{FrameworkID: "f1", ExecutorID: "command", AgentID: "S0", Agent: "slave(1)@10.0.0.1:5051", ContainerID: &mesospb.ContainerID{Value: proto.String("c")}}, "/frameworks/f1/executors/command/runs/latest"},
		"of a group":          {"", "grouped", TaskPlace{FrameworkID: "f1", ExecutorID: "e", AgentID: "S1", Agent: "slave(1)@10.0.0.2:5051", ContainerID: &mesospb.ContainerID{Value: proto.String("nested"), Parent: &mesospb.ContainerID{Value: proto.String("c")}}}, "/frameworks/f1/executors/e/runs/latest/containers/nested"},
		"of the framework":    {"f1", "same", TaskPlace{FrameworkID: "f1", ExecutorID: "same", AgentID: "S0", Agent: "slave(1)@10.0.0.1:5051"}, "/frameworks/f1/executors/same/runs/latest"},
		"the latest":          {"", "same", TaskPlace{FrameworkID: "f2", ExecutorID: "same", AgentID: "S1", Agent: "slave(1)@10.0.0.2:5051"}, "/frameworks/f2/executors/same/runs/latest"},
		"completed":           {"f1", "done", TaskPlace{FrameworkID: "f1", ExecutorID: "done", AgentID: "S0", Agent: "slave(1)@10.0.0.1:5051"}, "/frameworks/f1/executors/done/runs/latest"},
		"on an agent that is": {"f1", "away", TaskPlace{FrameworkID: "f1", ExecutorID: "away", AgentID: "gone"}, "/frameworks/f1/executors/away/runs/latest"},
		"unknown":             {"f2", "done", TaskPlace{}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, codec.Protobuf)
				n.serve("m:5050", func(w http.ResponseWriter, r *http.Request) {
					call := new(masterpb.Call)
					cd := readCall(t, r, call)
					text := tasksJSON
					if call.GetType() == masterpb.Call_GET_AGENTS {
						text = agentsJSON
					}
					respond(t, w, cd, parse(t, new(masterpb.Response), text))
				})
				m := n.master("m:5050")
				got, err := m.FindTask(t.Context(), tt.framework, tt.task)
				if tt.sandbox == "" {
					if !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("FindTask = %+v, %v", got, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got.Sandbox() != tt.sandbox || got.Task.GetTaskId().GetValue() != tt.task {
					t.Errorf("sandbox %s of task %v, want %s", got.Sandbox(), got.Task, tt.sandbox)
				}
				got.Task = nil
				if diff := cmp.Diff(tt.want, *got, cmp.Comparer(proto.Equal)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				a, err := m.AgentByID(t.Context(), tt.want.AgentID, n.transport)
				if tt.want.Agent == "" {
					if !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("AgentByID = %v, %v", a, err)
					}
				} else if want, _ := agentURL(tt.want.Agent, "http"); err != nil || a.URL() != want {
					t.Errorf("AgentByID: %v, want %s", err, want)
				}
			})
		})
	}
}
