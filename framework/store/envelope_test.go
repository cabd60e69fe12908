package store_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/store"
)

type task struct {
	Name  string `json:"name"`
	State string `json:"state,omitempty"`
}

var tasks = store.Schema{Kind: "task", Version: 3, Migrations: map[int]store.Migration{
	1: func(p []byte) ([]byte, error) { return bytes.ReplaceAll(p, []byte(`"id"`), []byte(`"title"`)), nil },
	2: func(p []byte) ([]byte, error) {
		if bytes.Contains(p, []byte("hopeless")) {
			return nil, errHopeless
		}
		return bytes.ReplaceAll(p, []byte(`"title"`), []byte(`"name"`)), nil
	},
}}

var errHopeless = errors.New("hopeless")

func seal(t *testing.T, s store.Schema, payload string) store.Record {
	t.Helper()
	value, err := s.Seal([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return store.Record{Key: "tasks/1", Value: value}
}

// The form is a promise: files of this release are read by later ones.
func TestARecordIsALineAndItsPayload(t *testing.T) {
	value, err := tasks.Encode(task{Name: "web.1", State: "TASK_RUNNING"})
	if want := "mesokit task/3 078f8d23 39\n" + `{"name":"web.1","state":"TASK_RUNNING"}`; err != nil || string(value) != want {
		t.Fatalf("%q, %v; want %q", value, err, want)
	}
	var got task
	if err := tasks.Decode(store.Record{Key: "tasks/1", Value: value}, &got); err != nil || got != (task{"web.1", "TASK_RUNNING"}) {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestOldRecordsAreMigratedStepByStep(t *testing.T) {
	for version, payload := range map[int]string{1: `{"id":"web.1"}`, 2: `{"title":"web.1"}`, 3: `{"name":"web.1"}`} {
		var got task
		r := seal(t, store.Schema{Kind: "task", Version: version}, payload)
		if err := tasks.Decode(r, &got); err != nil || got.Name != "web.1" {
			t.Errorf("version %d: %v, %v", version, got, err)
		}
	}
	if _, err := tasks.Open(seal(t, store.Schema{Kind: "task", Version: 2}, "hopeless")); !errors.Is(err, errHopeless) || !strings.Contains(err.Error(), `"tasks/1"`) {
		t.Errorf("a failing migration: %v", err)
	}
	gap := store.Schema{Kind: "task", Version: 3, Migrations: map[int]store.Migration{2: tasks.Migrations[2]}}
	if _, err := gap.Open(seal(t, store.Schema{Kind: "task", Version: 1}, "{}")); err == nil || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("a missing migration: %v", err)
	}
}

func TestNewerRecordsAreRefused(t *testing.T) {
	_, err := tasks.Open(seal(t, store.Schema{Kind: "task", Version: 4}, "{}"))
	var newer *store.NewerVersionError
	if !errors.As(err, &newer) || newer.Version != 4 || newer.Supported != 3 || newer.Kind != "task" {
		t.Fatal(err)
	}
}

func TestDamagedRecordsAreTold(t *testing.T) {
	good := seal(t, tasks, `{"name":"web.1"}`).Value
	for name, value := range map[string][]byte{
		"nothing":            {},
		"raw JSON":           []byte(`{"name":"web.1"}`),
		"cut":                good[:len(good)-1],
		"longer":             append(bytes.Clone(good), 'x'),
		"flipped":            bytes.Replace(good, []byte("web.1"), []byte("web.2"), 1),
		"another version":    bytes.Replace(good, []byte("task/3"), []byte("task/2"), 1),
		"another kind":       seal(t, store.Schema{Kind: "app", Version: 3}, `{}`).Value,
		"no version":         bytes.Replace(good, []byte("task/3"), []byte("task/0"), 1),
		"an endless line":    bytes.Repeat([]byte("mesokit task/3 "), 100),
		"not the JSON of it": seal(t, tasks, `[]`).Value,
	} {
		var corrupt *store.CorruptError
		if err := tasks.Decode(store.Record{Key: "tasks/1", Value: value}, new(task)); !errors.As(err, &corrupt) || !strings.Contains(err.Error(), `"tasks/1"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadSchemasDoNotSeal(t *testing.T) {
	for _, s := range []store.Schema{{}, {Kind: "Task", Version: 1}, {Kind: "a b", Version: 1}, {Kind: "task"}, {Kind: strings.Repeat("k", 65), Version: 1}} {
		if value, err := s.Seal(nil); err == nil {
			t.Errorf("%+v sealed %q", s, value)
		}
	}
}

func FuzzOpen(f *testing.F) {
	good, _ := tasks.Encode(task{Name: "web.1"})
	f.Add(good)
	f.Add([]byte("mesokit task/1 00000000 0\n"))
	f.Add([]byte("mesokit task/99999999999 00000000 0\n"))
	f.Fuzz(func(t *testing.T, value []byte) {
		current := store.Schema{Kind: "task", Version: 3}
		payload, err := current.Open(store.Record{Key: "k", Value: value})
		if err != nil {
			return
		}
		again, err := current.Seal(payload)
		if err != nil || !bytes.Equal(again, value) {
			t.Fatalf("%q was opened, and sealed as %q, %v", value, again, err)
		}
	})
}
