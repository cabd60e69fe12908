package fetcher

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ulikunitz/xz"
)

// UnsafePathError is the error for an archive whose entry would be written outside the directory
// it is unpacked into: by its name, or through a symbolic link.
type UnsafePathError struct {
	Name string
	Err  error
}

func (e *UnsafePathError) Error() string {
	return fmt.Sprintf("the archive's entry %q leads out of the sandbox: %v", e.Name, e.Err)
}

// Unwrap returns the cause.
func (e *UnsafePathError) Unwrap() error { return e.Err }

// TooLargeError is the error for an archive that unpacks to more than Limit bytes.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the archive unpacks to more than %d bytes", e.Limit)
}

// kinds is the table of what can be extracted, in the order of matching.
var kinds = [...]struct {
	suffix string
	open   func(io.Reader) (io.Reader, error) // nil: zip
	tar    bool
}{
	{".tar", plain, true},
	{".tgz", ungzip, true},
	{".tar.gz", ungzip, true},
	{".tbz2", unbzip2, true},
	{".tar.bz2", unbzip2, true},
	{".txz", unxz, true},
	{".tar.xz", unxz, true},
	{".zip", nil, false},
	{".gz", ungzip, false},
}

func plain(r io.Reader) (io.Reader, error)   { return r, nil }
func ungzip(r io.Reader) (io.Reader, error)  { return gzip.NewReader(r) }
func unbzip2(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }
func unxz(r io.Reader) (io.Reader, error)    { return xz.NewReader(r) }

// Extractable reports whether a file of this name is one that Extract unpacks.
func Extractable(name string) bool {
	for _, k := range kinds {
		if strings.HasSuffix(name, k.suffix) {
			return true
		}
	}
	return false
}

// Extract unpacks an archive into root. The kind is told by the ending of name, the archive's path
// below root; a .gz file is unpacked beside it. No entry is written outside root, not by way of
// symbolic links either; such an archive gives an UnsafePathError. Symbolic links are made as
// the archive has them. limit, unless it is 0, bounds the bytes written.
func Extract(ctx context.Context, archive *os.File, name string, root *os.Root, limit int64) error {
	x := &extraction{ctx: ctx, root: root, left: limit, limit: limit}
	for _, k := range kinds {
		if !strings.HasSuffix(name, k.suffix) {
			continue
		}
		if k.open == nil {
			info, err := archive.Stat()
			if err != nil {
				return err
			}
			return x.zip(archive, info.Size())
		}
		r, err := k.open(bufio.NewReader(contextReader{ctx, archive}))
		if err != nil {
			return fmt.Errorf("failed to extract '%s': %w", name, err)
		}
		if k.tar {
			err = x.tar(r)
		} else {
			err = x.file(strings.TrimSuffix(name, k.suffix), 0o644, r)
		}
		if err != nil {
			return fmt.Errorf("failed to extract '%s': %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("'%s' is not an archive that can be extracted", name)
}

type extraction struct {
	ctx         context.Context
	root        *os.Root
	left, limit int64
}

var errOutside = errors.New("path escapes from parent")

// local cleans an entry's name; it keeps what tar and unzip accept, such as "./x" and "a/../b".
func local(name string) (string, error) {
	clean := path.Clean(strings.TrimRight(name, "/"))
	if name == "" || strings.ContainsRune(name, 0) || path.IsAbs(name) || !filepath.IsLocal(filepath.FromSlash(clean)) {
		return "", &UnsafePathError{name, errOutside}
	}
	return clean, nil
}

// wrap marks the errors by which os.Root refuses to leave its directory.
func wrap(name string, err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if inner.Error() == errOutside.Error() {
			return &UnsafePathError{name, err}
		}
	}
	return err
}

func (x *extraction) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name, err := local(h.Name)
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = x.directory(name, h.FileInfo().Mode().Perm())
		case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
			err = x.file(name, h.FileInfo().Mode().Perm(), t)
		case tar.TypeSymlink:
			err = x.symlink(name, h.Linkname)
		case tar.TypeLink:
			err = x.link(name, h.Linkname)
		default:
			err = fmt.Errorf("entry %q is of type %q: only files, directories and links are unpacked", h.Name, h.Typeflag)
		}
		if err != nil {
			return err
		}
	}
}

func (x *extraction) zip(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return err
	}
	for _, f := range z.File {
		if err := x.zipEntry(f); err != nil {
			return err
		}
	}
	return nil
}

func (x *extraction) zipEntry(f *zip.File) error {
	name, err := local(f.Name)
	if err != nil {
		return err
	}
	mode := f.Mode()
	if mode.IsDir() {
		return x.directory(name, 0o755)
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
		return x.symlink(name, string(target))
	}
	perm := mode.Perm()
	if perm == 0 {
		perm = 0o644
	}
	return x.file(name, perm, contextReader{x.ctx, body})
}

func (x *extraction) parents(name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	return wrap(name, x.root.MkdirAll(dir, 0o755))
}

// directory makes a directory that its owner can enter and fill, whatever its mode says: more
// entries may follow.
func (x *extraction) directory(name string, perm fs.FileMode) error {
	if name == "." {
		return nil
	}
	if err := wrap(name, x.root.MkdirAll(name, 0o755)); err != nil {
		return err
	}
	return wrap(name, x.root.Chmod(name, perm|0o700))
}

func (x *extraction) file(name string, perm fs.FileMode, r io.Reader) error {
	if err := x.parents(name); err != nil {
		return err
	}
	// A link of this name is replaced, not followed.
	if info, err := x.root.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if err := x.root.Remove(name); err != nil {
			return wrap(name, err)
		}
	}
	out, err := x.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm|0o200)
	if err != nil {
		return wrap(name, err)
	}
	if x.limit > 0 {
		r = io.LimitReader(r, x.left+1)
	}
	n, err := io.Copy(out, r)
	x.left -= n
	if err == nil && x.limit > 0 && x.left < 0 {
		err = &TooLargeError{x.limit}
	}
	if err == nil {
		err = out.Chmod(perm)
	}
	err = errors.Join(err, out.Close())
	if err == nil && perm&0o111 != 0 {
		settle(x.root, name)
	}
	return err
}

func (x *extraction) symlink(name, target string) error {
	if err := x.parents(name); err != nil {
		return err
	}
	if err := x.replace(name); err != nil {
		return err
	}
	return wrap(name, x.root.Symlink(target, name))
}

func (x *extraction) link(name, target string) error {
	clean, err := local(target)
	if err != nil {
		return err
	}
	if err := x.parents(name); err != nil {
		return err
	}
	if clean == name {
		return nil
	}
	if err := x.replace(name); err != nil {
		return err
	}
	return wrap(name, x.root.Link(clean, name))
}

// replace removes what has a link's name already, unless it is a directory.
func (x *extraction) replace(name string) error {
	info, err := x.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrap(name, err)
	}
	if info.IsDir() {
		return fmt.Errorf("entry %q: a directory is in the way", name)
	}
	return wrap(name, x.root.Remove(name))
}
