package fetcher

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// node makes a named pipe, or as root a device.
func (x *extraction) node(e header, h *tar.Header) error {
	mode := uint32(e.perm)
	switch h.Typeflag {
	case tar.TypeFifo:
		mode |= unix.S_IFIFO
	case tar.TypeChar:
		mode |= unix.S_IFCHR
	case tar.TypeBlock:
		mode |= unix.S_IFBLK
	}
	if err := x.makeWay(e.name); err != nil {
		return err
	}
	err := x.within(e.name, func(dir int, base string) error {
		return unix.Mknodat(dir, base, mode, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	})
	if err != nil {
		return fmt.Errorf("entry %q of type %q: %w", h.Name, h.Typeflag, err)
	}
	return x.setTimes(e)
}

// setLinkTimes sets the times of a symbolic link itself.
func (x *extraction) setLinkTimes(e header) error {
	if e.modified.IsZero() {
		return nil
	}
	accessed := e.accessed
	if accessed.IsZero() {
		accessed = e.modified
	}
	times := []unix.Timespec{unix.NsecToTimespec(accessed.UnixNano()), unix.NsecToTimespec(e.modified.UnixNano())}
	return x.within(e.name, func(dir int, base string) error {
		return unix.UtimesNanoAt(dir, base, times, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// within does something with the name of an entry in its directory, which no link leads out of.
func (x *extraction) within(name string, do func(dir int, base string) error) error {
	dir, err := x.root.OpenFile(path.Dir(name), os.O_RDONLY, 0)
	if err != nil {
		return wrap(name, err)
	}
	return errors.Join(do(int(dir.Fd()), path.Base(name)), dir.Close())
}
