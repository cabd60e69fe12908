//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownedByRoot reports whether a file is root's, and this process is not.
func ownedByRoot(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0 && os.Getuid() != 0
}
