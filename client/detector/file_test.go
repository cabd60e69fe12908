package detector

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
)

// write replaces a file at once.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsFollowedAsItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "masters")
		write(t, path, "a:1\n")
		var log []string
		d, err := Parse("file://"+path, Config{Log: func(line string) { log = append(log, line) }})
		if err != nil {
			t.Fatal(err)
		}
		seen := watch(t, d)
		expect := func(want string) {
			t.Helper()
			if got := <-seen; got.err != nil || got.masters.String() != want {
				t.Errorf("got %v, %v; want %s", got.masters, got.err, want)
			}
		}
		expect("http://a:1")
		write(t, path, "b:2,c:3")
		expect("http://b:2, http://c:3")
		write(t, path, "nonsense:")
		time.Sleep(time.Minute)
		_ = os.Remove(path)
		time.Sleep(time.Minute)
		write(t, path, "d:4")
		expect("http://d:4")
		if len(log) != 4 {
			t.Errorf("log %q, want two changes and two complaints", log)
		}
	})
}

func TestFileThatIsWrongFromTheStartIsAnError(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "loop"), "file://"+dir+"/loop")
	write(t, filepath.Join(dir, "empty"), "")
	write(t, filepath.Join(dir, "secret"), "zk://u:s3cr3t@h:x/p")
	for _, name := range []string{"missing", "loop", "empty", "secret"} {
		d, err := Parse("file://"+filepath.Join(dir, name), Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Leader(t.Context(), d); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRedirectsLeadToTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		var location string
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/redirect" || location == "" {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, "No leader elected")
				return
			}
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})}
		listener := network.Listen("b:5050")
		go func() { _ = server.Serve(listener) }()
		client, err := transport.New(transport.Config{DialContext: network.DialContext})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer func() {
			cancel()
			client.Close()
			_ = server.Close()
		}()
		// a refuses connections all the time.
		d := Redirect(RedirectConfig{Client: client, Masters: []string{"http://a:5050", "http://b:5050"}})
		steps := []struct{ location, want string }{
			{"", "no master"}, {"//b:5050", "http://b:5050"}, {"//a:5050", "http://a:5050"}, {"", "no master"}, {"//b:5050", "http://b:5050"},
		}
		i := 0
		for now, err := range d.Watch(ctx) {
			if err != nil || now.String() != steps[i].want {
				t.Fatalf("step %d: got %v, %v; want %s", i, now, err, steps[i].want)
			}
			if i++; i == len(steps) {
				break
			}
			location = steps[i].location
		}
	})
}
