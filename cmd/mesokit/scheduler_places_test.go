package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlaces(t *testing.T) {
	for _, tc := range []struct {
		text string
		want place
		err  string
	}{
		{text: "memory", want: place{kind: "memory"}},
		{text: "bolt:/a/b.db", want: place{kind: "bolt", path: "/a/b.db"}},
		{text: "etcd:a:1,b:2/x/y/", want: place{kind: "etcd", path: "/x/y", servers: []string{"a:1", "b:2"}}},
		{text: "zk://u:p@a:1/x", want: place{kind: "zk", path: "/x", servers: []string{"a:1"}, user: "u", pass: "p"}},
		{text: "etcd:[::1]:2379", want: place{kind: "etcd", servers: []string{"[::1]:2379"}}},
		{text: "memory:x", err: "nothing"},
		{text: "bolt:", err: "PATH"},
		{text: "zk:a/x", err: `"a"`},
		{text: "zk:a:1,,b:2/x", err: `""`},
		{text: "zk:@a:1/x", err: "user"},
		{text: "", err: "kind"},
	} {
		got, err := parsePlace(tc.text)
		if (tc.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: error %v, want %q", tc.text, err, tc.err)
			continue
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(place{})); err == nil && diff != "" {
			t.Errorf("%q (-want +got)\n%s", tc.text, diff)
		}
	}
	if got := (place{kind: "zk", servers: []string{"a:1"}, user: "u", pass: "secret"}).String(); strings.Contains(got, "secret") {
		t.Errorf("the password shows: %s", got)
	}
}

func FuzzPlaces(f *testing.F) {
	for _, seed := range []string{"memory", "bolt:x", "etcd:a:1,b:2/x", "zk://u:p@[::1]:1/x/y", "zk:[", "etcd:@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text)
		if err != nil {
			return
		}
		if p.user != "" && !p.shared() {
			t.Errorf("%q: a user of nothing", text)
		}
		again, err := parsePlace(p.String())
		again.user, again.pass, p.user, p.pass = "", "", "", ""
		if diff := cmp.Diff(p, again, cmp.AllowUnexported(place{})); err != nil || diff != "" {
			t.Errorf("%q: %q is read as another place (%v)\n%s", text, p, err, diff)
		}
	})
}

func TestTheStateIsKeptInAFilePerFramework(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	for name, want := range map[string]string{"prod": "bolt:/state/mesokit/prod.db", "../x": "bolt:/state/mesokit/%2E%2E%2Fx.db"} {
		if got, err := defaultStore(name); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "/home/x")
	if got, err := defaultStore("p"); got != "bolt:/home/x/.local/state/mesokit/p.db" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
