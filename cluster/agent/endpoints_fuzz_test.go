package agent

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// FuzzLegacyEndpoints tries what is not an API: state, metrics and files.
func FuzzLegacyEndpoints(f *testing.F) {
	m := newTestMaster(f)
	a := run(f, m)
	if _, err := a.ID(f.Context()); err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stdout"), []byte("text"), 0o644); err != nil {
		f.Fatal(err)
	}
	a.files.Attach(dir, "/sandbox")
	for _, path := range []string{"/state", "/metrics/snapshot", "/containers", "/monitor/statistics", "/flags", "/health", "/version", "/logging/toggle", "/slave(1)/state"} {
		f.Add("GET", path, "timeout=1ms&level=3&duration=1secs&container_id=x&jsonp=f")
	}
	for _, query := range []string{"path=/sandbox/stdout&offset=-1&length=1", "path=/sandbox/stdout&offset=1&length=9223372036854775807", "path=/sandbox/../../etc/passwd&offset=0", "path=%00", "path=/sandbox"} {
		for _, path := range []string{"/files/read", "/files/browse", "/files/download", "/files/debug"} {
			f.Add("GET", path, query)
		}
	}
	f.Fuzz(func(t *testing.T, method, path, query string) {
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE"}, method) || strings.Contains(path, "/api/v1") {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, method, "/", nil)
		r.URL = &url.URL{Path: path, RawQuery: query}
		w := httptest.NewRecorder()
		a.server.Handler.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "root:x:") {
			t.Error("a file outside of the sandbox was read")
		}
	})
}

// FuzzAttachInput sends streams of input to a container that reads what it gets.
func FuzzAttachInput(f *testing.F) {
	m := newTestMaster(f)
	a := run(f, m)
	if _, err := a.ID(f.Context()); err != nil {
		f.Fatal(err)
	}
	var c *container
	id := &mesospb.ContainerID{Value: proto.String("c")}
	_ = a.loop.Do(f.Context(), func() { c = a.newContainer(id, nil, f.TempDir()) })
	f.Cleanup(func() {
		_ = a.loop.Do(context.Background(), func() {
			c.io = nil
			done := process.ExitStatus(0)
			c.status = &done
			delete(a.containers, c.key)
		})
	})
	frames := func(records ...string) (all []byte) {
		for _, r := range records {
			all = recordio.AppendFrame(all, []byte(r))
		}
		return all
	}
	const first = `{"type":"ATTACH_CONTAINER_INPUT","attach_container_input":{"type":"CONTAINER_ID","container_id":{"value":"c"}}}`
	data := func(process string) string {
		return `{"type":"ATTACH_CONTAINER_INPUT","attach_container_input":{"type":"PROCESS_IO","process_io":` + process + `}}`
	}
	f.Add(frames(first, data(`{"type":"DATA","data":{"type":"STDIN","data":"aGVsbG8="}}`), data(`{"type":"DATA","data":{"type":"STDIN","data":""}}`)), true)
	f.Add(frames(first, data(`{"type":"CONTROL","control":{"type":"TTY_INFO","tty_info":{"window_size":{"rows":4294967295,"columns":0}}}}`)), true)
	f.Add(frames(first, data(`{"type":"CONTROL","control":{"type":"HEARTBEAT","heartbeat":{"interval":{"nanoseconds":-1}}}}`), data(`{"type":"DATA","data":{"type":"STDOUT"}}`)), true)
	f.Add(frames(`{"type":"GET_STATE"}`), true)
	f.Add([]byte("99999999999\n{"), true)
	f.Add([]byte("3\n{}"), false)
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		theirs, ours, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan struct{})
		go func() { defer close(read); io.Copy(io.Discard, theirs) }()
		defer func() { ours.Close(); <-read; theirs.Close() }()
		if err := a.loop.Do(t.Context(), func() { c.io = &containerIO{attachable: true, stdin: ours} }); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/v1", bytes.NewReader(body))
		r.Header.Set("Content-Type", codec.MediaTypeRecordIO)
		r.Header.Set("Message-Content-Type", codec.MediaTypeProtobuf)
		if json {
			r.Header.Set("Message-Content-Type", codec.MediaTypeJSON)
		}
		w := httptest.NewRecorder()
		a.server.Handler.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError && !strings.Contains(w.Body.String(), "already closed") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if ctx.Err() != nil {
			t.Error("the request did not end")
		}
	})
}
