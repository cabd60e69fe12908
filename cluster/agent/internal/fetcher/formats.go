package fetcher

import (
	"archive/tar"
	"archive/zip"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
)

// tar unpacks a tar file: of the old, POSIX, pax and GNU kinds, sparse files included.
func (x *extraction) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for first := true; ; first = false {
		h, err := t.Next()
		switch {
		case err == io.EOF:
			return nil
		case first && (errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)):
			return errFormat
		case err != nil:
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == typeVolume {
			continue
		}
		name, err := local(h.Name)
		if err != nil {
			return err
		}
		if err := x.tarEntry(header{name, h.FileInfo().Mode().Perm(), h.ModTime, h.AccessTime}, h, t); err != nil {
			return err
		}
	}
}

// Types of GNU tar that archive/tar has no names for.
const (
	typeVolume  = 'V' // the name of the archive
	typeDumpDir = 'D' // a directory with the list of what was in it
)

func (x *extraction) tarEntry(e header, h *tar.Header, body io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir, typeDumpDir:
		return x.directory(e)
	case tar.TypeSymlink:
		return x.symlink(e, h.Linkname)
	case tar.TypeLink:
		return x.link(e, h.Linkname)
	case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		return x.node(e, h)
	}
	return x.regular(e, body) // unknown types too, as POSIX wants it
}

// zip unpacks a zip file.
func (x *extraction) zip(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return err
	}
	z.RegisterDecompressor(methodBzip2, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	for _, f := range z.File {
		if err := x.zipEntry(f); err != nil {
			return err
		}
	}
	return nil
}

// methodBzip2 is a compression of zip files that archive/zip does not know.
const methodBzip2 = 12

func (x *extraction) zipEntry(f *zip.File) error {
	name, err := local(zipName(f))
	if err != nil {
		return err
	}
	e := header{name: name, perm: f.Mode().Perm(), modified: zipTime(f)}
	mode := f.Mode()
	if !fromUnix(f) { // it has no modes
		if e.perm = 0o664; mode.IsDir() {
			e.perm = 0o775
		}
	}
	if mode.IsDir() {
		return x.directory(e)
	}
	body, err := f.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	if mode&fs.ModeSymlink != 0 {
		target, err := io.ReadAll(io.LimitReader(body, 4096))
		if err != nil {
			return err
		}
		return x.symlink(e, string(target))
	}
	return x.regular(e, body)
}

// fromUnix reports whether an entry has the attributes of a file of Unix.
func fromUnix(f *zip.File) bool {
	const unix, macOS = 3, 19
	system := f.CreatorVersion >> 8
	return (system == unix || system == macOS) && f.ExternalAttrs>>16 != 0
}

// zipName returns the name of an entry. Some programs of Windows write backslashes.
func zipName(f *zip.File) string {
	if f.CreatorVersion>>8 == 0 && !strings.Contains(f.Name, "/") {
		return strings.ReplaceAll(f.Name, `\`, "/")
	}
	return f.Name
}

// zipTime returns the time of an entry. Without one of the extra fields for that it is the local time of whoever
// packed it; it is taken for one of this machine.
func zipTime(f *zip.File) time.Time {
	t := f.Modified
	for extra := f.Extra; len(extra) >= 4; {
		id, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if id == 0x5455 || id == 0x000a || id == 0x5855 || id == 0x000d { // of Unix or Windows
			return t
		}
		extra = extra[min(len(extra), 4+size):]
	}
	if t.IsZero() || f.ModifiedDate == 0 {
		return time.Time{}
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.Local)
}
