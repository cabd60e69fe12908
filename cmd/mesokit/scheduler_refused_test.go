package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/bolt"
)

func TestARoleWithoutPermissionIsNamed(t *testing.T) {
	acls, err := auth.ParseACLs([]byte(`{"register_frameworks": [{"principals": {"type": "ANY"}, "roles": {"values": ["open"]}}, {"principals": {"type": "ANY"}, "roles": {"type": "NONE"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Start(t.Context(), cluster.Config{Security: cluster.Security{ACLs: acls}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := mesokit(t, t.Context(), "scheduler", "--master", c.Master(), "--listen", "127.0.0.1:0", "--store", "memory", "--role", "closed")
	if got.code != 1 || !strings.Contains(got.stderr, "Not authorized") || !strings.Contains(got.stderr, "closed") {
		t.Errorf("exit code %d, %s", got.code, got.stderr)
	}
}

func TestASchedulerThatIsRefusedNamesPrincipalAndSecret(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Config{Security: cluster.Security{
		AuthenticateFrameworks: true, Credentials: []auth.Credential{{Principal: "ops", Secret: hush}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for want, args := range map[string][]string{
		"name a --principal and a --secret-file":      nil,
		`principal "ops" needs its secret`:            {"--principal", "ops"},
		`the secret is not that of principal "ops"`:   {"--principal", "ops", "--secret-file", file(t, "wrong", "wrong")},
		`the secret is not that of principal "other"`: {"--principal", "other", "--secret-file", file(t, "right", hush)},
	} {
		got := mesokit(t, t.Context(), append([]string{"scheduler", "--master", c.Master(), "--listen", "127.0.0.1:0", "--store", "memory"}, args...)...)
		if got.code != 1 || !strings.Contains(got.stderr, want) || strings.Contains(got.stderr, "host:port") {
			t.Errorf("%q: exit code %d, %s; want %q", args, got.code, got.stderr, want)
		}
	}
}

func TestAStoreOfANewerSchedulerIsLeftAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := store.Schema{Kind: "core.app", Version: 99}.Seal([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("app/web", text)}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c := testCluster(t)
	got := mesokit(t, t.Context(), "scheduler", "--master", c.Master(), "--listen", "127.0.0.1:0", "--store", "bolt:"+path)
	if got.code != 1 || !strings.Contains(got.stderr, "app/web") || !strings.Contains(got.stderr, "run the release that wrote it") {
		t.Errorf("exit code %d, %s", got.code, got.stderr)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Contains(data, text) {
		t.Errorf("the record is not there any more: %v", err)
	}
}
