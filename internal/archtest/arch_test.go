// Package archtest keeps the map of ARCHITECTURE.md true.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/mesokit/mesokit/"

// rooms lists, for every room, the rooms that it may import. A room is the longest entry that
// is a prefix of a package's path.
var rooms = map[string][]string{
	"mesos":     {"mesos"},
	"client":    {"client", "mesos", "internal/redact"},
	"cluster":   {"cluster", "mesos", "internal/httpguard", "internal/redact"},
	"driver":    {"driver", "client", "mesos"},
	"framework": {"framework", "driver", "client", "mesos", "internal/httpguard", "internal/redact", "internal/visible"},
	"examples":  {"examples", "framework", "driver", "client", "cluster", "mesos"},
	"cmd":       {"cmd", "examples", "framework", "driver", "client", "cluster", "mesos", "internal/endtoend", "internal/redact", "internal/visible"},
	"bench":     {"cmd", "examples", "framework", "driver", "client", "cluster", "mesos", "bench", "internal/endtoend"},
	"test":      {"cmd", "examples", "framework", "driver", "client", "cluster", "mesos", "test"},
	"internal":  {"internal"},
	// What servers of several rooms have in common.
	"internal/httpguard": {},
	// What must not be seen, and what is to be seen as it is.
	"internal/redact": {}, "internal/visible": {},
	// What bench and cmd have in common.
	"internal/endtoend": {"framework", "driver", "client", "cluster", "mesos"},
}

// siblings lists the packages within a room that may be imported by others of the same room;
// where a room is not listed all of them may.
var siblings = map[string][]string{
	"client": {"client/transport", "client/detector"},
}

type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestImportsGoDownTheMap(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, module); ours {
				if why := forbidden(from, to); why != "" {
					t.Errorf("%s imports %s: %s", from, to, why)
				}
			}
		}
	}
	if seen < 10 {
		t.Fatalf("go list named %d packages: the test looks at nothing", seen)
	}
}

// forbidden says why one package must not import another, or nothing if it may.
func forbidden(from, to string) string {
	a, b := room(from), room(to)
	if _, known := rooms[a]; !known {
		return "no room " + a + " on the map: add it to ARCHITECTURE.md and to this test"
	}
	allowed := false
	for _, r := range rooms[a] {
		allowed = allowed || r == b
	}
	if !allowed {
		return "imports go down the map of ARCHITECTURE.md only"
	}
	if open, listed := siblings[a]; listed && a == b && !strings.HasPrefix(to+"/", family(from)+"/") {
		for _, s := range open {
			if to == s {
				return ""
			}
		}
		return "siblings of a room stay apart"
	}
	return ""
}

func room(path string) string {
	for r := path; r != ""; {
		if _, known := rooms[r]; known {
			return r
		}
		r = r[:max(0, strings.LastIndexByte(r, '/'))]
	}
	r, _, _ := strings.Cut(path, "/")
	return r
}

// family returns the first two components: a package and what lies below it belong together.
func family(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if len(parts) < 2 {
		return path
	}
	return parts[0] + "/" + parts[1]
}

// The rules themselves: without this a mistake in them would pass for a tidy house.
func TestForbidden(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		ok       bool
	}{
		{"client/scheduler", "mesos/codec", true},
		{"client/scheduler", "client/transport", true},
		{"client/scheduler", "client/scheduler/internal/x", true},
		{"client/scheduler", "client/executor", false},
		{"cluster/master", "client/transport", false},
		{"cluster/master", "cluster/allocator", true},
		{"mesos/codec", "client/transport", false},
		{"cmd/mesokit", "cluster", true},
		{"cmd/mesokit", "internal/endtoend", true},
		{"framework", "internal/endtoend", false},
		{"cluster/internal/httpapi", "internal/httpguard", true},
		{"client/transport", "internal/httpguard", false},
		{"internal/httpguard", "mesos/codec", false},
		{"internal/endtoend", "internal/testzk", false},
		{"nowhere/x", "mesos/codec", false},
	} {
		if why := forbidden(tc.from, tc.to); (why == "") != tc.ok {
			t.Errorf("%s imports %s: %q, want allowed %v", tc.from, tc.to, why, tc.ok)
		}
	}
}
