//go:build unix

package files

import (
	"syscall"
	"testing"
)

func TestSpecialFilesAreRefused(t *testing.T) {
	f, dir, _ := sandbox(t)
	if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if w := get(t, f, "/files/read", "path", dir+"/pipe", "offset", "0"); w.Code != 400 {
		t.Errorf("status %d for a pipe, want 400", w.Code)
	}
}
