package detector

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// Trouble goes to Warn where there is one; what is just news does not.
func TestTroubleIsToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "masters")
		write(t, path, "a:1")
		var log, warnings []string
		d, err := Parse("file://"+path, Config{
			Log: func(line string) { log = append(log, line) }, Warn: func(line string) { warnings = append(warnings, line) },
		})
		if err != nil {
			t.Fatal(err)
		}
		seen := watch(t, d)
		<-seen
		write(t, path, "nonsense:")
		time.Sleep(time.Minute)
		write(t, path, "b:2")
		<-seen
		if len(log) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], "nonsense:") {
			t.Errorf("log %q, warnings %q; want one each", log, warnings)
		}
	})
}

// A name that does not resolve, a port where nobody listens: whoever waits for a leader must learn why there is none.
func TestZooKeeperThatCannotBeReachedIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var warnings []string
		refused := errors.New("nobody is there")
		d, err := Parse("zk://user:secret@zk1:2181,zk2:2181/mesos", Config{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, refused },
			Warn: func(line string) {
				mu.Lock()
				defer mu.Unlock()
				warnings = append(warnings, line)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for now, err := range d.Watch(ctx) {
			t.Errorf("yielded %v, %v", now, err)
		}
		slices.Sort(warnings)
		want := []string{
			"no connection to ZooKeeper at zk1:2181: nobody is there; trying on",
			"no connection to ZooKeeper at zk2:2181: nobody is there; trying on",
		}
		if !slices.Equal(warnings, want) {
			t.Errorf("warnings %q, want %q", warnings, want)
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
