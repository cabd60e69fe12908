//go:build unix

package agent

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// diskSize returns the size of the file system that dir is or will be on, in MB; 0 if it is
// unknown.
func diskSize(dir string) uint64 {
	for {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return 0
		}
		dir = parent
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0
	}
	return uint64(st.Blocks) * uint64(st.Bsize) >> 20
}
