package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
	"github.com/mesokit/mesokit/framework/store/storetest"
)

func commit(t *testing.T, s store.Store, ops ...store.Op) {
	t.Helper()
	if _, err := s.Commit(t.Context(), store.Batch{Ops: ops}); err != nil {
		t.Fatal(err)
	}
}

func backup(t *testing.T) []byte {
	t.Helper()
	s := memory.New()
	commit(t, s, store.Put("apps/web", []byte("definition")), store.Put("tasks/web.1", []byte("running\n")), store.Put("z", nil))
	var file bytes.Buffer
	if _, err := store.Backup(t.Context(), s, &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// Every single damage is noticed, whatever byte it hits, and nothing is restored.
func TestEveryDamageOfABackupIsNoticed(t *testing.T) {
	file := backup(t)
	refused := func(what string, damaged []byte) {
		t.Helper()
		s := memory.New()
		_, err := store.Restore(t.Context(), s, bytes.NewReader(damaged), store.RestoreOptions{})
		var corrupt *store.CorruptError
		var newer *store.NewerVersionError
		if !errors.As(err, &corrupt) && !errors.As(err, &newer) {
			t.Errorf("%s: %v", what, err)
		}
		if records, _, _ := s.List(t.Context(), ""); len(records) != 0 {
			t.Errorf("%s: %d records were restored", what, len(records))
		}
	}
	for i := range file {
		refused(fmt.Sprintf("cut to %d bytes", i), file[:i])
		for _, bit := range []byte{1, 0x20, 0x80} {
			damaged := bytes.Clone(file)
			damaged[i] ^= bit
			refused(fmt.Sprintf("byte %d (%q) flipped by %#x", i, file[i], bit), damaged)
		}
	}
	refused("something after the end", append(bytes.Clone(file), '\n'))
	refused("twice", append(bytes.Clone(file), file...))
}

func TestABackupNamesTheDamagedPlace(t *testing.T) {
	damaged := bytes.Replace(backup(t), []byte("running"), []byte("rUnning"), 1)
	_, err := store.ReadBackup(bytes.NewReader(damaged), nil)
	if err == nil || !strings.Contains(err.Error(), "record 2") || !strings.Contains(err.Error(), "tasks/web.1") {
		t.Fatal(err)
	}
}

func TestANewerBackupIsRefused(t *testing.T) {
	_, err := store.ReadBackup(strings.NewReader("mesokit-backup/2 {}\nend 0 x\n"), nil)
	var newer *store.NewerVersionError
	if !errors.As(err, &newer) || newer.Version != 2 {
		t.Fatal(err)
	}
}

type brokenReader struct{ io.Reader }

var errRead = errors.New("the disk is gone")

func (r brokenReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if errors.Is(err, io.EOF) {
		err = errRead
	}
	return n, err
}

// A disk that cannot be read is not a damaged backup.
func TestErrorsOfReadingAreReturned(t *testing.T) {
	_, err := store.ReadBackup(brokenReader{bytes.NewReader(backup(t)[:100])}, nil)
	var corrupt *store.CorruptError
	if !errors.Is(err, errRead) || errors.As(err, &corrupt) {
		t.Fatal(err)
	}
}

// fullWriter takes n bytes.
type fullWriter struct{ n int }

func (w *fullWriter) Write(b []byte) (int, error) {
	if w.n -= len(b); w.n < 0 {
		return 0, errRead
	}
	return len(b), nil
}

func TestABackupThatCannotBeWrittenFails(t *testing.T) {
	s := memory.New()
	storetest.Fill(t, s, 1000, 100)
	var whole bytes.Buffer
	if _, err := store.Backup(t.Context(), s, &whole); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 70_000, whole.Len() - 1} {
		if _, err := store.Backup(t.Context(), s, &fullWriter{n}); !errors.Is(err, errRead) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	// A file that fails leaves the older one, and nothing else.
	dir := t.TempDir()
	path := filepath.Join(dir, "backup")
	if err := os.WriteFile(path, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.BackupFile(ctx, s, path); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	content, err2 := os.ReadFile(path)
	if err != nil || err2 != nil || len(entries) != 1 || string(content) != "older" {
		t.Fatalf("%v, %q", entries, content)
	}
}

func TestABackupFromElsewhereIsSavedWholeOrNotAtAll(t *testing.T) {
	whole, path := backup(t), filepath.Join(t.TempDir(), "backup")
	want, err := store.ReadBackup(bytes.NewReader(whole), nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := store.SaveBackup(path, bytes.NewReader(whole)); err != nil || info != want {
		t.Fatal(info, err)
	}
	for n := range whole {
		var corrupt *store.CorruptError
		if _, err := store.SaveBackup(path, bytes.NewReader(whole[:n])); !errors.As(err, &corrupt) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	content, err2 := os.ReadFile(path)
	if err != nil || err2 != nil || len(entries) != 1 || !bytes.Equal(content, whole) {
		t.Fatalf("%v, %q", entries, content)
	}
}

// A scheduler that was forgotten writes while its store is replaced.
func TestRestoreNoticesAWriter(t *testing.T) {
	s := memory.New()
	commit(t, s, store.Put("a", nil))
	hooked := &storetest.Hooked{Store: s, Before: func(ctx context.Context, b store.Batch) error {
		commit(t, s, store.Put("a", []byte("written meanwhile")))
		return nil
	}}
	if _, err := store.Restore(t.Context(), hooked, bytes.NewReader(backup(t)), store.RestoreOptions{Replace: true}); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
}

func FuzzReadBackup(f *testing.F) {
	f.Add([]byte("mesokit-backup/1 {\"created\":\"2026-11-21T14:00:00Z\",\"revision\":7,\"records\":0}\nend 0 x\n"))
	s := memory.New()
	_, _ = s.Commit(context.Background(), store.Batch{Ops: []store.Op{store.Put("a", []byte("1")), store.Put("b/c", nil)}})
	var file bytes.Buffer
	_, _ = store.Backup(context.Background(), s, &file)
	f.Add(file.Bytes())
	f.Add(bytes.ReplaceAll(file.Bytes(), []byte("b/c"), []byte("a//")))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, last := 0, ""
		info, err := store.ReadBackup(bytes.NewReader(data), func(key string, value []byte) error {
			if store.ValidateKey(key) != nil || len(value) > store.MaxValue || key <= last {
				t.Fatalf("record %q after %q, %d bytes", key, last, len(value))
			}
			records, last = records+1, key
			return nil
		})
		if err == nil && info.Records != records {
			t.Fatalf("%d records, %+v", records, info)
		}
	})
}
