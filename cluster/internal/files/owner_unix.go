//go:build unix

package files

import (
	"io/fs"
	"syscall"
)

// openFlags keep an open from waiting, should a pipe take the place of a file.
const openFlags = syscall.O_NONBLOCK

func owner(info fs.FileInfo) ownership {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ownership{links: 1, mode: uint32(info.Mode().Perm())}
	}
	return ownership{links: int32(st.Nlink), uid: st.Uid, gid: st.Gid, mode: uint32(st.Mode)}
}
