package bolt

import (
	"testing"

	"github.com/mesokit/mesokit/framework/store"
)

// The form is a promise: files of this release are read by later ones.
func TestARecordIsALineAndItsValue(t *testing.T) {
	r := store.Record{Key: "tasks/1", Value: []byte("value\n"), Revision: 42}
	data := encode(r)
	if want := "42 86e5d656\nvalue\n"; string(data) != want {
		t.Fatalf("%q, want %q", data, want)
	}
	if back, err := decode("tasks/1", data); err != nil || string(back.Value) != "value\n" || back.Revision != 42 {
		t.Fatalf("%v, %v", back, err)
	}
	// A record below the key of another one is damage, too.
	if _, err := decode("tasks/2", data); err == nil {
		t.Fatal("a record passed below another key")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("k", encode(store.Record{Key: "k", Value: []byte("v"), Revision: 7}))
	f.Add("k", []byte("1 00000000\n"))
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		r, err := decode(key, data)
		if err != nil {
			return
		}
		if again, err := decode(key, encode(r)); err != nil || again.Revision != r.Revision || string(again.Value) != string(r.Value) {
			t.Fatalf("%v, then %v, %v", r, again, err)
		}
	})
}
