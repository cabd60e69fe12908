package zookeeper

import (
	"testing"

	"github.com/mesokit/mesokit/framework/store"
)

func TestKeysBecomeNames(t *testing.T) {
	for key, want := range map[string]string{
		"tasks/web.1":     "/r/records/tasks/web.1",
		"framework-id":    "/r/records/@/framework-id",
		"@/x":             "/r/records/%40/x",
		"a/b/c":           "/r/records/a/b%2Fc",
		"ä b%/\U0001F600": "/r/records/%C3%A4%20b%25/%F0%9F%98%80",
	} {
		b := &backend{root: "/r"}
		if got := b.recordPath(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
		if back, ok := join(split(key)); !ok || back != key {
			t.Errorf("%q came back as %q, %v", key, back, ok)
		}
	}
	for _, bad := range []string{"a%", "a%2", "a%zz", "a%2f", "a%41", "a b"} {
		if key, ok := join("dir", bad); ok {
			t.Errorf("the foreign name %q is taken for %q", bad, key)
		}
	}
}

func FuzzKeysComeBack(f *testing.F) {
	f.Add("a/b%/c", "x%2F")
	f.Add("%", "@")
	f.Fuzz(func(t *testing.T, key, name string) {
		if store.ValidateKey(key) == nil {
			if back, ok := join(split(key)); !ok || back != key {
				t.Fatalf("%q came back as %q, %v", key, back, ok)
			}
		}
		// A name is the name of one key, or of none.
		if back, ok := unescape(name); ok && escape(back) != name {
			t.Fatalf("%q is %q, whose name is %q", name, back, escape(back))
		}
	})
}
