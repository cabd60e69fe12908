//go:build !unix

package files

import "io/fs"

const openFlags = 0

func owner(info fs.FileInfo) ownership {
	mode := uint32(info.Mode().Perm())
	if info.IsDir() {
		mode |= 0o040000
	} else {
		mode |= 0o100000
	}
	return ownership{links: 1, mode: mode}
}
