package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mesokit/mesokit/mesos/recordio"
)

// ProbeVariable is set for a process that shall be the executor of f14; its value is the file for the
// transcript. A test binary that launches itself looks at it in TestMain.
const ProbeVariable = "CONFORMANCE_PROBE_TRANSCRIPT"

// ServerVariable is set for a process that shall be the HTTP server of f12; its value is the address.
const ServerVariable = "CONFORMANCE_HTTP_SERVER"

// LingerVariable is set for a process that shall be the executor of f23.
const LingerVariable = "CONFORMANCE_LINGER"

// RunLinger is the executor of f23: its tasks end by themselves, and it stays until it is shut down.
func RunLinger(ctx context.Context) error {
	p := newProbe()
	p.lingers = true
	return p.run(ctx)
}

// RunServer answers two requests at an address, and returns 124, the exit status of the recorded server, which was
// ended by timeout.
func RunServer(address string) (status int, err error) {
	server := &http.Server{Addr: address, ReadHeaderTimeout: 10 * time.Second}
	server.SetKeepAlivesEnabled(false)
	var answered atomic.Int32
	ended := make(chan error, 1)
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed && answered.Add(1) == 2 {
			go func() { ended <- server.Shutdown(context.Background()) }()
		}
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return 1, err
	}
	return 124, <-ended
}

// recordedProbe is how f14 was recorded, in its requests.
const recordedProbe = "exec python3 /opt/probe/probe_executor.py /tmp/probe/f14_executor_side.json"

// recordedWorkDir is the work directory of the recorded agent.
const recordedWorkDir = "/var/lib/mesos/agent"

// RunProbe is the executor of f14: it runs every task at once and writes down its own conversation
// with the agent, in the format of f14_executor_side.json. It returns at SHUTDOWN, or with an error
// if the agent ends the stream.
func RunProbe(ctx context.Context, transcript string) error {
	p := newProbe()
	if entries, err := os.ReadDir("."); err == nil {
		for _, e := range entries {
			p.record.Listing = append(p.record.Listing, e.Name())
		}
	}
	err := p.run(ctx)
	return errors.Join(err, p.save(transcript))
}

func newProbe() *probe {
	return &probe{
		url:    "http://" + os.Getenv("MESOS_AGENT_ENDPOINT") + "/api/v1/executor",
		start:  time.Now(),
		client: &http.Client{Transport: &http.Transport{DisableCompression: true}},
		record: probeTranscript{Environment: probeEnvironment(os.Environ())},
	}
}

// probeEnvironment picks the variables that Mesos sets, and that of the recorded command.
func probeEnvironment(environ []string) map[string]string {
	picked := make(map[string]string)
	for _, entry := range environ {
		k, v, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(k, "MESOS_") || strings.HasPrefix(k, "LIBPROCESS_") || k == "FROM_COMMAND" {
			picked[k] = v
		}
	}
	return picked
}

type probe struct {
	lingers bool // its tasks end by themselves
	url     string
	start   time.Time
	client  *http.Client
	record  probeTranscript
}

type probeTranscript struct {
	Environment map[string]string `json:"environment"`
	Listing     []string          `json:"cwd_listing"`
	Exchanges   []*probeExchange  `json:"exchanges"`
}

type probeExchange struct {
	At       float64        `json:"at"`
	Request  map[string]any `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    *string           `json:"body,omitempty"`
		Frames  []map[string]any  `json:"frames,omitempty"`
		Closed  string            `json:"closed,omitempty"`
	} `json:"response"`
}

func (p *probe) at() float64 { return float64(time.Since(p.start).Milliseconds()) / 1000 }

// call makes a call and writes it down.
func (p *probe) call(ctx context.Context, typ string, fields map[string]any) (*probeExchange, *http.Response, error) {
	body := map[string]any{
		"type":         typ,
		"framework_id": map[string]any{"value": os.Getenv("MESOS_FRAMEWORK_ID")},
		"executor_id":  map[string]any{"value": os.Getenv("MESOS_EXECUTOR_ID")},
	}
	for k, v := range fields {
		body[k] = v
	}
	headers := map[string]string{"Content-Type": "application/json", "Accept": "application/json"}
	e := &probeExchange{At: p.at(), Request: map[string]any{
		"method": http.MethodPost, "path": "/api/v1/executor", "headers": headers, "body": body,
	}}
	p.record.Exchanges = append(p.record.Exchanges, e)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(encode(body)))
	if err != nil {
		return nil, nil, err
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	response, err := p.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	e.Response.Status = response.StatusCode
	e.Response.Headers = make(map[string]string)
	for k := range response.Header {
		e.Response.Headers[k] = response.Header.Get(k)
	}
	if slices.Equal(response.TransferEncoding, []string{"chunked"}) {
		e.Response.Headers["Transfer-Encoding"] = "chunked"
	}
	return e, response, nil
}

// post makes a call that is not answered by a stream.
func (p *probe) post(ctx context.Context, typ string, fields map[string]any) error {
	e, response, err := p.call(ctx, typ, fields)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	text := string(data)
	e.Response.Body = &text
	return err
}

func (p *probe) run(ctx context.Context) error {
	e, response, err := p.call(ctx, "SUBSCRIBE", map[string]any{
		"subscribe": map[string]any{"unacknowledged_tasks": []any{}, "unacknowledged_updates": []any{}},
	})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("probe: SUBSCRIBE answered with %s", response.Status)
	}
	e.Response.Frames = []map[string]any{}
	frames := recordio.NewReader(response.Body, recordio.Config{})
	for {
		record, err := frames.Next()
		if err != nil {
			e.Response.Closed = "EOFError()"
			return err
		}
		event, err := decode(record)
		if err != nil {
			return err
		}
		e.Response.Frames = append(e.Response.Frames, map[string]any{"at": p.at(), "event": event})
		done, err := p.handle(ctx, event)
		if done || err != nil {
			return err
		}
	}
}

// handle reacts to an event as the recorded executor did.
func (p *probe) handle(ctx context.Context, event any) (done bool, err error) {
	switch text(event, "type") {
	case "LAUNCH":
		if p.lingers {
			return false, p.runShortly(ctx, get(event, "launch", "task", "task_id"))
		}
		return false, p.update(ctx, get(event, "launch", "task", "task_id"), map[string]any{
			"state": "TASK_RUNNING", "message": "probe runs", "data": base64.StdEncoding.EncodeToString([]byte("d")),
		})
	case "KILL":
		return false, p.update(ctx, get(event, "kill", "task_id"), map[string]any{"state": "TASK_KILLED"})
	case "MESSAGE":
		data, err := base64.StdEncoding.DecodeString(text(event, "message", "data"))
		if err != nil {
			return false, err
		}
		echo := base64.StdEncoding.EncodeToString(append([]byte("echo:"), data...))
		return false, p.post(ctx, "MESSAGE", map[string]any{"message": map[string]any{"data": echo}})
	case "SHUTDOWN":
		return true, nil
	}
	return false, nil
}

// lingerRuns is how long the tasks of f23 run: long enough for an offer while they do, with a filter and an allocation
// interval of a second.
const lingerRuns = 2500 * time.Millisecond

// runShortly runs a task that ends by itself.
func (p *probe) runShortly(ctx context.Context, taskID any) error {
	if err := p.update(ctx, taskID, map[string]any{"state": "TASK_RUNNING"}); err != nil {
		return err
	}
	select {
	case <-time.After(lingerRuns):
		return p.update(ctx, taskID, map[string]any{"state": "TASK_FINISHED"})
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *probe) update(ctx context.Context, taskID any, status map[string]any) error {
	uuid := make([]byte, 16)
	rand.Read(uuid)
	uuid[6], uuid[8] = uuid[6]&0x0f|0x40, uuid[8]&0x3f|0x80
	status["task_id"], status["source"] = taskID, "SOURCE_EXECUTOR"
	status["uuid"] = base64.StdEncoding.EncodeToString(uuid)
	status["timestamp"] = json.Number(fmt.Sprintf("%.6f", float64(time.Now().UnixMicro())/1e6))
	return p.post(ctx, "UPDATE", map[string]any{"update": map[string]any{"status": status}})
}

// save writes the transcript in one step, so that nobody reads half of it.
func (p *probe) save(file string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", " ")
	if err := enc.Encode(p.record); err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(file), "."+filepath.Base(file))
	if err := os.WriteFile(temporary, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
