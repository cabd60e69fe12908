package statefile

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type sample struct {
	Name  string   `json:"name"`
	Words []string `json:"words,omitempty"`
}

var kind = Kind{Name: "sample", Version: 3, Loss: "samples are forgotten"}

func TestWhatIsWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	var got sample
	if found, err := kind.Read(path, &got); found || err != nil {
		t.Fatalf("missing file: found %v, %v", found, err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), ".s.json.new"), []byte("what a crash left, longer than what follows"+strings.Repeat(".", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if err := kind.Write(path, sample{Name: name, Words: []string{"<&>"}}); err != nil {
			t.Fatal(err)
		}
		if found, err := kind.Read(path, &got); !found || err != nil || got.Name != name || got.Words[0] != "<&>" {
			t.Fatalf("found %v, %+v, %v; want %s", found, got, err, name)
		}
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	good, err := kind.Encode(sample{Name: "name", Words: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	for name, test := range map[string]struct {
		content string
		want    error
		says    string
	}{
		"empty":            {"", ErrCorrupt, "empty"},
		"cut":              {text[:len(text)/2], ErrCorrupt, "unexpected EOF"},
		"a letter changed": {strings.Replace(text, `"name": "name"`, `"name": "nbme"`, 1), ErrCorrupt, "checksum"},
		"something after":  {text + "{}", ErrCorrupt, "follows"},
		"another kind":     {strings.Replace(text, `"sample"`, `"other"`, 1), ErrCorrupt, `"other"`},
		"a newer version":  {strings.Replace(text, `"version": 3`, `"version": 4`, 1), ErrVersion, "version 4"},
		"unknown field":    {`{"kind":"sample","version":3,"data":{"name":"n","more":1}}`, ErrCorrupt, "more"},
		"no data":          {`{"kind":"sample","version":3}`, ErrCorrupt, "no data"},
		"zeros":            {strings.Repeat("\x00", 512), ErrCorrupt, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.json")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := kind.Read(path, new(sample))
			e, typed := errors.AsType[*Error](err)
			if !found || !typed || e.Path != path || !errors.Is(err, test.want) {
				t.Fatalf("found %v, %v; want an *Error that wraps %v", found, err, test.want)
			}
			for _, part := range []string{test.says, "move it away: then samples are forgotten"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestPeopleMayEditAFile(t *testing.T) {
	var got sample
	if err := kind.Decode([]byte(` {"kind":"sample","version":3, "data" : {"name":"by hand"}} `), &got); err != nil || got.Name != "by hand" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestKeeperWritesTheNewestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	k := NewKeeper(kind, path, slog.New(slog.DiscardHandler))
	var got sample
	made := 0 // touched by the keeper's goroutine, and by this one after Sync
	for round := range 3 {
		for i := range 100 {
			name := fmt.Sprintf("%d.%d", round, i)
			k.Put(func() any { made++; return sample{Name: name} })
		}
		if err := k.Sync(); err != nil {
			t.Fatal(err)
		}
		if _, err := kind.Read(path, &got); err != nil || got.Name != fmt.Sprintf("%d.99", round) {
			t.Fatalf("after Sync: %+v, %v", got, err)
		}
	}
	if made > 30 {
		t.Errorf("%d states were made for 300 changes in 3 rounds: changes do not gather", made)
	}
	k.Put(func() any { return sample{Name: "last"} })
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := kind.Read(path, &got); err != nil || got.Name != "last" {
		t.Errorf("after Close: %+v, %v", got, err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestKeeperTellsWhyItCannotWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "s.json")
	k := NewKeeper(kind, path, slog.New(slog.DiscardHandler))
	k.Put(func() any { return sample{} })
	err := k.Sync()
	if e, ok := errors.AsType[*Error](err); !ok || e.Path != path || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Sync: %v", err)
	}
	if err := k.Close(); err == nil {
		t.Error("Close says nothing")
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("locking twice: %v, want ErrLocked", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = Lock(path)
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	_ = unlock()
}

func FuzzDecode(f *testing.F) {
	good, _ := kind.Encode(sample{Name: "name", Words: []string{"a"}})
	f.Add(good)
	f.Add([]byte(`{"kind":"sample","version":3,"data":{}}`))
	f.Add([]byte(`{"kind":"sample","version":3,"sum":"0","data":null}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		var v sample
		err := kind.Decode(content, &v)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Errorf("%v is neither corrupt nor of another version", err)
			}
			return
		}
		again, err := kind.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := kind.Decode(again, new(sample)); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
