package files

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sandbox makes a directory with files, attached under its own path and a virtual one, and a
// directory beside it that nobody may see.
func sandbox(t testing.TB) (f *Files, dir, secret string) {
	t.Helper()
	base := t.TempDir()
	dir, secret = filepath.Join(base, "run"), filepath.Join(base, "secret")
	for _, d := range []string{dir, secret, filepath.Join(dir, "sub")} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range map[string]string{
		filepath.Join(dir, "stdout"):      "0123456789",
		filepath.Join(dir, "sub", "deep"): "deep",
		filepath.Join(secret, "key"):      "secret",
		filepath.Join(dir, "big"):         strings.Repeat("x", MaxRead+5),
	} {
		if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"inside": "sub/deep", "absolute": filepath.Join(secret, "key"), "up": "../secret/key", "updir": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f = New()
	f.Attach(dir, dir)
	f.Attach(dir, "/frameworks/f/executors/e/runs/latest")
	return f, dir, secret
}

func get(t testing.TB, f *Files, path string, query ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	f.Register(mux)
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+"?"+q.Encode(), nil))
	return w
}

func TestReadAnswersAsMesos(t *testing.T) {
	f, dir, secret := sandbox(t)
	stdout := dir + "/stdout"
	for _, c := range []struct {
		name  string
		query []string
		code  int
		body  string
	}{
		{"whole file", []string{"path", stdout, "offset", "0"}, 200, `{"data":"0123456789","offset":0}`},
		{"part", []string{"path", stdout, "offset", "3", "length", "2"}, 200, `{"data":"34","offset":3}`},
		{"size", []string{"path", stdout, "offset", "-1"}, 200, `{"data":"","offset":10}`},
		{"size by default", []string{"path", stdout}, 200, `{"data":"","offset":10}`},
		{"past the end", []string{"path", stdout, "offset", "11"}, 200, `{"data":"","offset":11}`},
		{"no length", []string{"path", stdout, "offset", "0", "length", "0"}, 200, `{"data":"","offset":0}`},
		{"virtual path", []string{"path", "/frameworks/f/executors/e/runs/latest/sub/deep", "offset", "0"}, 200, `{"data":"deep","offset":0}`},
		{"link inside", []string{"path", dir + "/inside", "offset", "0"}, 200, `{"data":"deep","offset":0}`},
		{"dots inside", []string{"path", dir + "/sub/../stdout", "offset", "8"}, 200, `{"data":"89","offset":8}`},
		{"jsonp", []string{"path", stdout, "offset", "9", "jsonp", "cb"}, 200, `cb({"data":"9","offset":9});`},

		{"no path", nil, 400, "Expecting 'path=value' in query.\n"},
		{"bad offset", []string{"path", stdout, "offset", "x"}, 400, "Failed to parse offset: 'x' is not a number.\n"},
		{"negative offset", []string{"path", stdout, "offset", "-2"}, 400, "Negative offset provided: -2.\n"},
		{"bad length", []string{"path", stdout, "offset", "0", "length", "?"}, 400, "Failed to parse length: '?' is not a number.\n"},
		{"directory", []string{"path", dir, "offset", "0"}, 400, "Cannot read a directory.\n"},
		{"missing", []string{"path", dir + "/no", "offset", "0"}, 404, ""},
		{"beside", []string{"path", secret + "/key", "offset", "0"}, 404, ""},
		{"dots out", []string{"path", dir + "/../secret/key", "offset", "0"}, 404, ""},
		{"absolute link out", []string{"path", dir + "/absolute", "offset", "0"}, 400, "Cannot access 'absolute': path escapes from parent.\n"},
		{"relative link out", []string{"path", dir + "/up", "offset", "0"}, 400, "Cannot access 'up': path escapes from parent.\n"},
		{"below link out", []string{"path", dir + "/updir/secret/key", "offset", "0"}, 400, "Cannot access 'updir/secret/key': path escapes from parent.\n"},
		{"NUL", []string{"path", dir + "/stdout\x00", "offset", "0"}, 404, ""},
		{"root", []string{"path", "/", "offset", "0"}, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := get(t, f, "/files/read", c.query...)
			if diff := cmp.Diff(c.body, w.Body.String()); w.Code != c.code || diff != "" {
				t.Errorf("status %d, want %d; body (-want +got):\n%s", w.Code, c.code, diff)
			}
		})
	}
}

func TestATreeIsDetachedWithAllItsNames(t *testing.T) {
	f, dir, secret := sandbox(t)
	f.Attach(secret, dir+"/volume")
	f.Attach(secret, "/frameworks/f/executors/e/runs/latest/volume")
	f.Attach(dir+"/sub", "/elsewhere")
	f.Attach(dir+"-other", dir+"-other")
	f.DetachTree(dir)
	if diff := cmp.Diff(map[string]string{dir + "-other": dir + "-other"}, f.Attached()); diff != "" {
		t.Errorf("attached (-want +got):\n%s", diff)
	}
}

func TestReadIsBounded(t *testing.T) {
	f, dir, _ := sandbox(t)
	size, data, err := f.ReadAt(dir+"/big", 0, 1<<40)
	if err != nil || size != MaxRead+5 || len(data) != MaxRead {
		t.Fatalf("size %d, %d bytes, error %v; want %d bytes", size, len(data), err, MaxRead)
	}
	if _, data, _ = f.ReadAt(dir+"/big", MaxRead, -1); len(data) != 5 {
		t.Errorf("%d bytes at the end, want 5", len(data))
	}
}

func TestReadKeepsBytesThatAreNoText(t *testing.T) {
	f, dir, _ := sandbox(t)
	raw := "\xff\x00\x1b[1m\"\\\n\xc3"
	if err := os.WriteFile(dir+"/raw", []byte(raw), 0o644); err != nil {
		t.Fatal(err)
	}
	got := get(t, f, "/files/read", "path", dir+"/raw", "offset", "0").Body.String()
	want := "{\"data\":\"\xff\\u0000\\u001b[1m\\\"\\\\\\n\xc3\",\"offset\":0}"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBrowseListsADirectory(t *testing.T) {
	f, dir, _ := sandbox(t)
	w := get(t, f, "/files/browse", "path", "/frameworks/f/executors/e/runs/latest")
	var got []entry
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("status %d: %v", w.Code, err)
	}
	modes := map[string]string{}
	for _, e := range got {
		modes[e.Path] = e.Mode
		if e.UID == "" || e.GID == "" || e.Nlink == 0 || e.Mtime == 0 {
			t.Errorf("%s lacks facts: %+v", e.Path, e)
		}
	}
	base := "/frameworks/f/executors/e/runs/latest/"
	want := map[string]string{
		base + "stdout": "-rw-r--r--", base + "big": "-rw-r--r--", base + "sub": "drwxr-x---", base + "inside": "-rw-r--r--",
		base + "absolute": "lrwxrwxrwx", base + "up": "lrwxrwxrwx", base + "updir": "lrwxrwxrwx",
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	for path, code := range map[string]int{dir + "/stdout": 200, dir + "/no": 404, "/": 404, dir + "/updir": 400} {
		if w := get(t, f, "/files/browse", "path", path); w.Code != code {
			t.Errorf("browse of %s: status %d, want %d", path, w.Code, code)
		}
	}
	if w := get(t, f, "/files/browse"); w.Code != 400 {
		t.Errorf("browse without a path: status %d, want 400", w.Code)
	}
}

func TestLinkToAnAttachedDirectoryIsFollowed(t *testing.T) {
	f, dir, secret := sandbox(t)
	if err := os.Symlink(secret, dir+"/volume"); err != nil {
		t.Fatal(err)
	}
	f.Attach(secret, dir+"/volume")
	if _, data, err := f.ReadAt(dir+"/volume/key", 0, -1); err != nil || string(data) != "secret" {
		t.Errorf("read %q, %v through an attached volume", data, err)
	}
	list, err := f.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if strings.HasSuffix(i.GetPath(), "/volume") && modeText(i.GetMode())[0] != 'd' {
			t.Errorf("the volume is listed with mode %s, want a directory", modeText(i.GetMode()))
		}
	}
	f.Detach(dir + "/volume")
	var invalid *InvalidError
	if _, _, err := f.ReadAt(dir+"/volume/key", 0, -1); !errors.As(err, &invalid) {
		t.Errorf("got %v after Detach, want an InvalidError", err)
	}
}

func TestDownload(t *testing.T) {
	f, dir, _ := sandbox(t)
	w := get(t, f, "/files/download", "path", dir+"/stdout")
	if w.Code != 200 || w.Body.String() != "0123456789" || w.Header().Get("Content-Disposition") != "attachment; filename=stdout" ||
		w.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("status %d, headers %v, body %q", w.Code, w.Header(), w.Body)
	}
	for path, code := range map[string]int{dir: 400, dir + "/no": 404, dir + "/up": 400} {
		if w := get(t, f, "/files/download", "path", path); w.Code != code {
			t.Errorf("download of %s: status %d, want %d", path, w.Code, code)
		}
	}
}

func TestAttachedFile(t *testing.T) {
	f, _, secret := sandbox(t)
	f.Attach(secret+"/key", "/master/log")
	if _, data, err := f.ReadAt("/master/log", 0, -1); err != nil || string(data) != "secret" {
		t.Errorf("read %q, %v of an attached file", data, err)
	}
	if _, _, err := f.ReadAt("/master/log/x", 0, -1); err == nil {
		t.Error("something lies below a file")
	}
	w := get(t, f, "/files/debug")
	var got map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["/master/log"] != secret+"/key" {
		t.Errorf("debug says %s", w.Body)
	}
}

// No path, however it is written, shows the secret.
func FuzzPath(f *testing.F) {
	files, dir, secret := sandbox(f)
	for _, p := range []string{dir + "/up", dir + "/./updir//secret/key", secret + "/key", "/frameworks/f/executors/e/runs/latest/../../../../../.." + secret + "/key", "//", "\x00"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if _, data, err := files.ReadAt(p, 0, -1); err == nil && strings.Contains(string(data), "secret") {
			t.Fatalf("%q shows the secret", p)
		}
	})
}
