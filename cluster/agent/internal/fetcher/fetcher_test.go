package fetcher

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type member struct {
	name, body, link string
	kind             byte // tar type; 0 is a regular file
	mode             int64
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Linkname: m.link, Typeflag: m.kind, Mode: m.mode, Size: int64(len(m.body))}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, m.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name}
		if m.kind == tar.TypeSymlink {
			h.SetMode(fs.ModeSymlink | 0o777)
			m.body = m.link
		} else if m.mode != 0 {
			h.SetMode(fs.FileMode(m.mode))
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, m.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func xzOf(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := xz.NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// contents lists a directory: path, with a link's target, to contents.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if d.Type()&fs.ModeSymlink != 0 {
			to, _ := os.Readlink(p)
			got[rel] = "-> " + to
			return nil
		}
		body, err := os.ReadFile(p)
		got[rel] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func write(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFetch(t *testing.T) {
	archive := tarOf(t, member{name: "./bin/", kind: tar.TypeDir, mode: 0o755}, member{name: "./bin/run", body: "#!/bin/sh\n", mode: 0o755},
		member{name: "lib", link: "bin/run", kind: tar.TypeSymlink}, member{name: "hard", link: "bin/run", kind: tar.TypeLink})
	unpacked := map[string]string{"bin/run": "#!/bin/sh\n", "lib": "-> bin/run", "hard": "#!/bin/sh\n"}
	with := func(m map[string]string, name string, body []byte) map[string]string {
		out := map[string]string{name: string(body)}
		for k, v := range m {
			out[k] = v
		}
		return out
	}
	bz2 := []byte("BZh91AY&SY\x9a\x89\xb4\"\x00\x00\x00\x01\x00\x00 \x00!\x00\x82\x83\x17rE8P\x90\x9a\x89\xb4\"")
	src := t.TempDir()
	plainFile := write(t, src, "plain.txt", []byte("plain"))
	served := map[string][]byte{
		"/a.tar": archive, "/a.tar.gz": gz(t, archive), "/a.tgz": gz(t, archive), "/a.txz": xzOf(t, archive), "/a.tar.xz": xzOf(t, archive),
		"/a.zip": zipOf(t, member{name: "z/one", body: "1"}, member{name: "two", body: "2", mode: 0o755}),
		"/a.gz":  gz(t, []byte("unzipped")), "/page.html": []byte("<p>"), "/bad.tar.gz": []byte("no gzip"), "/x.bz2": bz2,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := served[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}))
	defer server.Close()
	client := server.Client()
	defer client.CloseIdleConnections()

	for _, c := range []struct {
		name string
		uri  *mesospb.CommandInfo_URI
		want map[string]string
		fail string
	}{
		{"plain path", &mesospb.CommandInfo_URI{Value: proto.String(plainFile)}, map[string]string{"plain.txt": "plain"}, ""},
		{"file URI", &mesospb.CommandInfo_URI{Value: proto.String("file://" + plainFile)}, map[string]string{"plain.txt": "plain"}, ""},
		{"file URI of localhost", &mesospb.CommandInfo_URI{Value: proto.String("file://localhost" + plainFile)}, map[string]string{"plain.txt": "plain"}, ""},
		{"output file", &mesospb.CommandInfo_URI{Value: proto.String(plainFile), OutputFile: proto.String("d/e/f")}, map[string]string{"d/e/f": "plain"}, ""},
		{"http", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/page.html")}, map[string]string{"page.html": "<p>"}, ""},
		{"query stays in the name", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tar.gz?x=1")}, map[string]string{"a.tar.gz?x=1": string(served["/a.tar.gz"])}, ""},
		{"tar", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tar")}, with(unpacked, "a.tar", served["/a.tar"]), ""},
		{"tar.gz", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tar.gz")}, with(unpacked, "a.tar.gz", served["/a.tar.gz"]), ""},
		{"tgz", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tgz")}, with(unpacked, "a.tgz", served["/a.tgz"]), ""},
		{"txz", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.txz")}, with(unpacked, "a.txz", served["/a.txz"]), ""},
		{"tar.xz", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tar.xz")}, with(unpacked, "a.tar.xz", served["/a.tar.xz"]), ""},
		{"zip", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.zip")}, with(map[string]string{"z/one": "1", "two": "2"}, "a.zip", served["/a.zip"]), ""},
		{"gz", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.gz")}, map[string]string{"a.gz": string(served["/a.gz"]), "a": "unzipped"}, ""},
		{"a .gz is extracted into the sandbox itself", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.gz"), OutputFile: proto.String("d/b.gz")},
			map[string]string{"d/b.gz": string(served["/a.gz"]), "b": "unzipped"}, ""},
		{"no extraction", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tar"), Extract: proto.Bool(false)}, map[string]string{"a.tar": string(archive)}, ""},
		{"executable is not extracted", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tar"), Executable: proto.Bool(true)}, map[string]string{"a.tar": string(archive)}, ""},
		{"bare bz2 is not extracted", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/x.bz2")}, map[string]string{"x.bz2": string(bz2)}, ""},

		{"missing file", &mesospb.CommandInfo_URI{Value: proto.String("file:///no/such/file")}, nil, "no such file"},
		{"directory", &mesospb.CommandInfo_URI{Value: proto.String(src)}, nil, "not a regular file"},
		{"relative path", &mesospb.CommandInfo_URI{Value: proto.String("a/b")}, nil, "relative path"},
		{"relative file URI", &mesospb.CommandInfo_URI{Value: proto.String("file://a/b")}, nil, "absolute path"},
		{"other scheme", &mesospb.CommandInfo_URI{Value: proto.String("hdfs://a/b")}, nil, "scheme 'hdfs'"},
		{"no name", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/")}, nil, "missing path"},
		{"empty", &mesospb.CommandInfo_URI{Value: proto.String(" ")}, nil, "empty"},
		{"404", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/gone")}, nil, "404"},
		{"not an archive", &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/bad.tar.gz")}, nil, "failed to extract"},
		{"absolute output file", &mesospb.CommandInfo_URI{Value: proto.String(plainFile), OutputFile: proto.String("/tmp/x")}, nil, "URI output file must be within the sandbox directory"},
		{"escaping output file", &mesospb.CommandInfo_URI{Value: proto.String(plainFile), OutputFile: proto.String("a/../../x")}, nil, "URI output file must be within the sandbox directory"},
		{"refused connection", &mesospb.CommandInfo_URI{Value: proto.String("http://127.0.0.1:1/x")}, nil, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			var log bytes.Buffer
			f := &Fetcher{Client: client}
			err := f.Fetch(t.Context(), []*mesospb.CommandInfo_URI{c.uri}, dir, "me", &log)
			if c.fail != "" {
				var fe *Error
				if !errors.As(err, &fe) || fe.URI != c.uri.GetValue() || !strings.Contains(err.Error(), c.fail) {
					t.Fatalf("got %v, want an *Error for %q about %q", err, c.uri.GetValue(), c.fail)
				}
				if !strings.Contains(log.String(), c.uri.GetValue()) {
					t.Errorf("the log does not name the URI:\n%s", &log)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, contents(t, dir)); diff != "" {
				t.Errorf("sandbox (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExecutableModeIsSet(t *testing.T) {
	dir := t.TempDir()
	src := write(t, t.TempDir(), "run", []byte("#!/bin/sh\n"))
	f := &Fetcher{}
	if err := f.Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src, Executable: proto.Bool(true)}}, dir, "", io.Discard); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "run"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Fatalf("mode %v, error %v; want 0755", info.Mode(), err)
	}
}

func TestFirstFailureEndsFetching(t *testing.T) {
	dir := t.TempDir()
	good := write(t, t.TempDir(), "good", nil)
	err := (&Fetcher{}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: proto.String("/no/such")}, {Value: &good}}, dir, "", io.Discard)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v, want not exist", err)
	}
	if got := contents(t, dir); len(got) != 0 {
		t.Errorf("fetched %v after a failure", got)
	}
}

func TestArchivesStayInTheSandbox(t *testing.T) {
	outside := t.TempDir()
	for name, archive := range map[string][]byte{
		"parent.tar":         tarOf(t, member{name: "../evil", body: "x"}),
		"deep.tar":           tarOf(t, member{name: "a/b/../../../evil", body: "x"}),
		"symlink.tar":        tarOf(t, member{name: "l", link: outside, kind: tar.TypeSymlink}, member{name: "l/evil", body: "x"}),
		"relative-link.tar":  tarOf(t, member{name: "l", link: "../../" + filepath.Base(outside), kind: tar.TypeSymlink}, member{name: "l/evil", body: "x"}),
		"two-links.tar":      tarOf(t, member{name: "a", link: ".", kind: tar.TypeSymlink}, member{name: "b", link: "a/..", kind: tar.TypeSymlink}, member{name: "b/evil", body: "x"}),
		"hardlink.tar":       tarOf(t, member{name: "l", link: "../evil", kind: tar.TypeLink}),
		"hard-via-sym.tar":   tarOf(t, member{name: "s", link: outside, kind: tar.TypeSymlink}, member{name: "l", link: "s/victim", kind: tar.TypeLink}),
		"dir-via-sym.tar":    tarOf(t, member{name: "s", link: outside, kind: tar.TypeSymlink}, member{name: "s/evil/", kind: tar.TypeDir}),
		"parent.zip":         zipOf(t, member{name: "../evil", body: "x"}),
		"symlink.zip":        zipOf(t, member{name: "l", link: outside, kind: tar.TypeSymlink}, member{name: "l/evil", body: "x"}),
		"symlink-in-sym.zip": zipOf(t, member{name: "l", link: outside, kind: tar.TypeSymlink}, member{name: "l/evil", link: "x", kind: tar.TypeSymlink}),
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			dir := filepath.Join(base, "sandbox")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, outside, "victim", []byte("safe"))
			src := write(t, t.TempDir(), name, archive)
			err := (&Fetcher{}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src}}, dir, "", io.Discard)
			var unsafe *UnsafePathError
			if !errors.As(err, &unsafe) {
				t.Errorf("got %v, want an UnsafePathError", err)
			}
			if diff := cmp.Diff(map[string]string{"victim": "safe"}, contents(t, outside)); diff != "" {
				t.Errorf("outside the sandbox (-want +got):\n%s", diff)
			}
			for p := range contents(t, base) {
				if !strings.HasPrefix(p, "sandbox/") {
					t.Errorf("wrote %s beside the sandbox", p)
				}
			}
		})
	}
}

func TestFileReplacesLinkInsteadOfFollowingIt(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	victim := write(t, outside, "victim", []byte("safe"))
	src := write(t, t.TempDir(), "a.tar", tarOf(t, member{name: "f", link: victim, kind: tar.TypeSymlink}, member{name: "f", body: "mine"}))
	if err := (&Fetcher{}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src}}, dir, "", io.Discard); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir)["f"]; got != "mine" {
		t.Errorf("f is %q, want the archive's file", got)
	}
	if got := contents(t, outside)["victim"]; got != "safe" {
		t.Errorf("the link was followed: the victim is %q", got)
	}
}

func TestExtractionIsBounded(t *testing.T) {
	src := write(t, t.TempDir(), "bomb.tar.gz", gz(t, tarOf(t, member{name: "big", body: strings.Repeat("0", 1<<20)})))
	err := (&Fetcher{MaxExtract: 1 << 10}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src}}, t.TempDir(), "", io.Discard)
	var large *TooLargeError
	if !errors.As(err, &large) || large.Limit != 1<<10 {
		t.Fatalf("got %v, want a TooLargeError", err)
	}
}

func TestBombsAreNotUnpackedUnlessTheyAreSmall(t *testing.T) {
	zeros := func(n int) []byte { return gz(t, tarOf(t, member{name: "big", body: strings.Repeat("0", n)})) }
	for _, tc := range []struct {
		size int
		ok   bool
	}{{minExtract / 2, true}, {2 * minExtract, false}} {
		src := write(t, t.TempDir(), "a.tar.gz", zeros(tc.size))
		err := new(Fetcher).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src}}, t.TempDir(), "", io.Discard)
		var large *TooLargeError
		if errors.As(err, &large) == tc.ok || err != nil && large == nil {
			t.Errorf("%d bytes of zeros: %v", tc.size, err)
		}
	}
}

func TestWhatTheFetcherSaysShowsNoPasswords(t *testing.T) {
	var log bytes.Buffer
	uri := "http://ci:hush@127.0.0.1:1/a.tgz"
	err := new(Fetcher).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &uri}}, t.TempDir(), "", &log)
	if said := fmt.Sprint(err, &log); strings.Contains(said, "hush") || !strings.Contains(said, "[redacted]@127.0.0.1") {
		t.Errorf("got %s", said)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "a bit")
		w.(http.Flusher).Flush()
		close(arrived)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	err := (&Fetcher{Client: server.Client()}).Fetch(ctx, []*mesospb.CommandInfo_URI{{Value: proto.String(server.URL + "/x")}}, t.TempDir(), "", io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want canceled", err)
	}
}

func TestCacheFetchesOnce(t *testing.T) {
	var mu sync.Mutex
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests++
		mu.Unlock()
		w.Write(gz(t, tarOf(t, member{name: "in", body: "side"})))
	}))
	defer server.Close()
	f := &Fetcher{Client: server.Client(), Cache: NewCache(filepath.Join(t.TempDir(), "cache"), 0)}
	uri := &mesospb.CommandInfo_URI{Value: proto.String(server.URL + "/a.tgz"), Cache: proto.Bool(true)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			dir := t.TempDir()
			if err := f.Fetch(context.Background(), []*mesospb.CommandInfo_URI{uri}, dir, "", io.Discard); err != nil {
				t.Error(err)
				return
			}
			if diff := cmp.Diff(map[string]string{"in": "side"}, contents(t, dir)); diff != "" {
				t.Errorf("sandbox, an archive from the cache does not remain (-want +got):\n%s", diff)
			}
		})
	}
	wg.Wait()
	if requests != 1 {
		t.Errorf("%d requests, want 1", requests)
	}
}

func TestCacheEvictsAndRefetches(t *testing.T) {
	dir := t.TempDir()
	src := t.TempDir()
	a, b := write(t, src, "a", bytes.Repeat([]byte("a"), 600)), write(t, src, "b", bytes.Repeat([]byte("b"), 600))
	cacheDir := filepath.Join(dir, "cache")
	f := &Fetcher{Cache: NewCache(cacheDir, 1000)}
	for _, p := range []string{a, b, a} {
		if err := f.Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &p, Cache: proto.Bool(true)}}, dir, "", io.Discard); err != nil {
			t.Fatal(err)
		}
		if n := len(contents(t, cacheDir)); n != 1 {
			t.Errorf("%d files in the cache, want 1", n)
		}
	}
}

func TestCacheForgetsFailures(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "late")
	f := &Fetcher{Cache: NewCache(filepath.Join(dir, "cache"), 0)}
	uri := []*mesospb.CommandInfo_URI{{Value: &p, Cache: proto.Bool(true)}}
	if err := f.Fetch(t.Context(), uri, t.TempDir(), "", io.Discard); err == nil {
		t.Fatal("no error for a missing file")
	}
	write(t, dir, "late", nil)
	if err := f.Fetch(t.Context(), uri, t.TempDir(), "", io.Discard); err != nil {
		t.Fatal(err)
	}
}

func TestAnArchiveIsWhatIsInItWhateverItsName(t *testing.T) {
	file := member{name: "in", body: "side"}
	for name, data := range map[string][]byte{
		"plain.tgz": tarOf(t, file), "gzipped.tar": gz(t, tarOf(t, file)), "xz.zip": xzOf(t, tarOf(t, file)), "zip.tar.bz2": zipOf(t, file),
		"twice.tar": gz(t, xzOf(t, tarOf(t, file))), "empty.tar": nil,
	} {
		dir, src := t.TempDir(), write(t, t.TempDir(), name, data)
		if err := (&Fetcher{}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src}}, dir, "", io.Discard); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := contents(t, dir)["in"]; got != "side" && name != "empty.tar" {
			t.Errorf("%s unpacks to %q", name, contents(t, dir))
		}
	}
	src := write(t, t.TempDir(), "text.tar", []byte(strings.Repeat("no archive at all\n", 100)))
	if err := (&Fetcher{}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src}}, t.TempDir(), "", io.Discard); !errors.Is(err, errFormat) {
		t.Errorf("text: %v", err)
	}
}

// What libarchive does with the flags that Mesos gives it: names, modes, times and kinds of entries.
func TestEntriesAreUnpackedAsLibarchiveDoes(t *testing.T) {
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, h := range []*tar.Header{
		{Name: "/abs/file", Typeflag: tar.TypeReg, Mode: 0o4777, Size: 4},
		{Name: "/abs/", Typeflag: tar.TypeDir, Mode: 0o777},
		{Name: "ro", Typeflag: tar.TypeReg, Mode: 0o444},
		{Name: "hard", Typeflag: tar.TypeLink, Linkname: "/abs/file"},
		{Name: "soft", Typeflag: tar.TypeSymlink, Linkname: "abs/file"},
		{Name: "pipe", Typeflag: tar.TypeFifo, Mode: 0o600},
		{Name: "odd", Typeflag: 'Q', Mode: 0o644},
		{Name: "ro", Typeflag: tar.TypeReg, Mode: 0o640}, // again
	} {
		h.ModTime = old
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, "text")
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir, src := t.TempDir(), write(t, t.TempDir(), "a.tar", archive.Bytes())
	if err := (&Fetcher{}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src}}, dir, "", io.Discard); err != nil {
		t.Fatal(err)
	}
	umask := umaskOf(t)
	for name, mode := range map[string]fs.FileMode{
		"abs": fs.ModeDir | 0o777&^umask, "abs/file": 0o777 &^ umask, "hard": 0o777 &^ umask, "ro": 0o640 &^ umask, "soft": fs.ModeSymlink | 0o777,
		"pipe": fs.ModeNamedPipe | 0o600&^umask, "odd": 0o644 &^ umask,
	} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode() != mode || !info.ModTime().Equal(old) {
			t.Errorf("%s has mode %v and time %v, want %v and %v", name, info.Mode(), info.ModTime().UTC(), mode, old)
		}
	}
}

func umaskOf(t *testing.T) fs.FileMode {
	name := filepath.Join(t.TempDir(), "all")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o777)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return 0o777 &^ info.Mode().Perm()
}

func TestALocalFileKeepsItsMode(t *testing.T) {
	src := write(t, t.TempDir(), "tool", []byte("#!/bin/sh"))
	if err := os.Chmod(src, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, cached := range []bool{false, true} {
		dir := t.TempDir()
		f := &Fetcher{Cache: NewCache(filepath.Join(t.TempDir(), "cache"), 0)}
		if err := f.Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &src, Cache: &cached}}, dir, "", io.Discard); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "tool"))
		if err != nil {
			t.Fatal(err)
		}
		if want := 0o755 &^ umaskOf(t); info.Mode() != want {
			t.Errorf("cached %v: mode %v, want %v", cached, info.Mode(), want)
		}
	}
}

func TestWhatAServerSendsIsKeptAsItIs(t *testing.T) {
	packed := gz(t, []byte("text"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 1)
	go func() { // the server of net/http would refuse the path
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		line, _ := bufio.NewReader(conn).ReadString('\n')
		asked <- line
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(packed), packed)
	}()
	dir := t.TempDir()
	uri := "http://" + l.Addr().String() + "/50%/a%zz?x=100%"
	if err := (&Fetcher{Client: &http.Client{Transport: &http.Transport{}}}).Fetch(t.Context(), []*mesospb.CommandInfo_URI{{Value: &uri, OutputFile: proto.String("out")}}, dir, "", io.Discard); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir)["out"]; got != string(packed) {
		t.Errorf("stored %q, want the bytes that were sent", got)
	}
	if got := <-asked; got != "GET /50%/a%zz?x=100% HTTP/1.1\r\n" {
		t.Errorf("asked for %s", got)
	}
}

func TestURIsAreValidatedBeforeAnyIsFetched(t *testing.T) {
	for _, test := range []struct{ uri, output, want string }{
		{"http://h/x", "/abs", "URI output file must be within the sandbox directory"},
		{"http://h/x", "../x", "URI output file must be within the sandbox directory"},
		{"http://h/it's", "", "Illegal characters in URI"},
		{`http://h/a\b`, "", "Illegal characters in URI"},
		{"http://h", "", "Malformed URI (missing path): http://h"},
		{"http://h/", "x", "Malformed URI (missing path): http://h/"},
		{"http://h/50%", "", "<nil>"},
	} {
		u := &mesospb.CommandInfo_URI{Value: &test.uri}
		if test.output != "" {
			u.OutputFile = &test.output
		}
		if err := Validate([]*mesospb.CommandInfo_URI{u}); fmt.Sprint(err) != test.want {
			t.Errorf("%s to %q: %v, want %s", test.uri, test.output, err, test.want)
		}
	}
}

// Whatever the archive, nothing appears outside the sandbox and extraction ends.
func FuzzExtract(f *testing.F) {
	f.Add(".tar", tarOf(f, member{name: "a/b", body: "x"}, member{name: "l", link: "..", kind: tar.TypeSymlink}, member{name: "l/evil", body: "x"}))
	f.Add(".tgz", gz(f, tarOf(f, member{name: "../evil", body: "x"})))
	f.Add(".zip", zipOf(f, member{name: "l", link: "..", kind: tar.TypeSymlink}, member{name: "l/evil", body: "x"}))
	f.Add(".tar.xz", xzOf(f, tarOf(f, member{name: "a", body: "x"})))
	f.Add(".tar.bz2", []byte("BZh9"))
	f.Add(".gz", gz(f, []byte("x")))
	f.Fuzz(func(t *testing.T, suffix string, data []byte) {
		if !Extractable(suffix) {
			return
		}
		base := t.TempDir()
		dir := filepath.Join(base, "s")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		src := write(t, base, "src", data)
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		file, err := os.Open(src)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_ = Extract(ctx, file, "f"+suffix, root, 1<<20)
		if ctx.Err() != nil {
			t.Error("extraction did not end")
		}
		entries, err := os.ReadDir(base)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "s" && e.Name() != "src" {
				t.Errorf("wrote %s outside the sandbox", e.Name())
			}
		}
	})
}

// A process that is started while a file is being written has that file open for a moment; the fetched
// program must nevertheless be executable at once.
func TestFetchedProgramsCanBeExecutedWhileProcessesStart(t *testing.T) {
	stop := make(chan struct{})
	var forks sync.WaitGroup
	for range 4 {
		forks.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					exec.Command("/bin/true").Run()
				}
			}
		})
	}
	defer forks.Wait()
	defer close(stop)
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var f Fetcher
	uris := []*mesospb.CommandInfo_URI{{Value: &program, Executable: proto.Bool(true)}}
	for i := range 200 {
		dir := t.TempDir()
		if err := f.Fetch(t.Context(), uris, dir, "", io.Discard); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command(filepath.Join(dir, "program")).Run(); err != nil {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
}
