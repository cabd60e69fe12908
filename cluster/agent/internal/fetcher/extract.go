package fetcher

import (
	"bufio"
	"bytes"
	"cmp"
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
	"slices"
	"strings"
	"time"

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

// archives are the endings of what is extracted as an archive, whatever kind it is; gzipped is that of a single file.
var archives = []string{".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip"}

const gzipped = ".gz"

// Extractable reports whether a file of this name is one that Extract unpacks.
func Extractable(name string) bool { return isArchive(name) || strings.HasSuffix(name, gzipped) }

func isArchive(name string) bool {
	return slices.ContainsFunc(archives, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// filters are the compressions that an archive may be wrapped in, by what they begin with.
var filters = []struct {
	magic string
	open  func(io.Reader) (io.Reader, error)
}{
	{"\x1f\x8b\x08", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
}

// maxFilters is how many compressions may be wrapped in each other.
const maxFilters = 8

// Extract unpacks an archive into root. The ending of name says whether it is an archive or a single file that is
// compressed (.gz), which is put into root without the ending; of which kind an archive is, is seen by what is in it.
// No entry is written outside root, not by way of symbolic links either; such an archive gives an UnsafePathError.
// Symbolic links are made as the archive has them. limit, unless it is 0, bounds the bytes written.
func Extract(ctx context.Context, archive *os.File, name string, root *os.Root, limit int64) error {
	x := &extraction{ctx: ctx, root: root, left: limit, limit: limit}
	var err error
	switch {
	case isArchive(name):
		err = x.archive(archive)
	case strings.HasSuffix(name, gzipped):
		var r io.Reader
		if r, err = gzip.NewReader(bufio.NewReader(contextReader{ctx, archive})); err == nil {
			err = x.regular(header{name: strings.TrimSuffix(path.Base(name), gzipped), perm: 0o644}, r)
		}
	default:
		return fmt.Errorf("'%s' is not an archive that can be extracted", name)
	}
	if err == nil {
		err = x.finish()
	}
	if err != nil {
		return fmt.Errorf("failed to extract '%s': %w", name, err)
	}
	return nil
}

var errFormat = errors.New("unrecognized archive format")

// archive unpacks what it finds: a zip file, or a tar file in any number of compressions.
func (x *extraction) archive(file *os.File) error {
	r := bufio.NewReader(contextReader{x.ctx, file})
	for depth := range maxFilters {
		head, err := r.Peek(8)
		if err != nil && err != io.EOF {
			return err
		}
		if depth == 0 && len(head) == 0 {
			return nil // an empty archive
		}
		if depth == 0 && bytes.HasPrefix(head, []byte("PK")) {
			info, err := file.Stat()
			if err != nil {
				return err
			}
			return x.zip(file, info.Size())
		}
		filtered := false
		for _, f := range filters {
			if bytes.HasPrefix(head, []byte(f.magic)) {
				inner, err := f.open(r)
				if err != nil {
					return err
				}
				r, filtered = bufio.NewReader(inner), true
				break
			}
		}
		if !filtered {
			return x.tar(r)
		}
	}
	return errFormat
}

// extraction unpacks as libarchive does, which Mesos lets restore times and nothing else of what an archive says
// beside names and contents:
//
//   - Modes are as the umask lets them be, without setuid, setgid and sticky bits. Files and directories belong to the
//     user who unpacks.
//   - Absolute names are names below the sandbox; so are the targets of hard links.
//   - What is in the way of an entry is removed, unless it is a directory with something in it. A directory takes in
//     what is there.
//
// Unlike there directories stay ones that their owner can enter and fill, so that whoever is not root can remove them.
type extraction struct {
	ctx         context.Context
	root        *os.Root
	left, limit int64
	directories []header // whose times are set last
}

// header is what an archive says of a file.
type header struct {
	name     string // local
	perm     fs.FileMode
	modified time.Time // zero if it is not said
	accessed time.Time
}

var errOutside = errors.New("path escapes from parent")

// local cleans an entry's name; it keeps what libarchive accepts, such as "./x", "a/../b" and "/a/b".
func local(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if name == "" || strings.ContainsRune(name, 0) || !filepath.IsLocal(filepath.FromSlash(clean)) {
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

func (x *extraction) parents(name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	return wrap(name, x.root.MkdirAll(dir, 0o777))
}

// directory makes a directory, unless there is one.
func (x *extraction) directory(e header) error {
	if e.name == "." {
		return nil
	}
	x.directories = append(x.directories, e)
	if info, err := x.root.Stat(e.name); err == nil && info.IsDir() {
		return nil
	}
	if err := x.makeWay(e.name); err != nil {
		return err
	}
	return wrap(e.name, x.root.Mkdir(e.name, e.perm|0o700))
}

func (x *extraction) regular(e header, r io.Reader) error {
	if err := x.makeWay(e.name); err != nil {
		return err
	}
	out, err := x.root.OpenFile(e.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.perm)
	if err != nil {
		return wrap(e.name, err)
	}
	if x.limit > 0 {
		r = io.LimitReader(r, x.left+1)
	}
	n, err := io.Copy(out, contextReader{x.ctx, r})
	x.left -= n
	if err == nil && x.limit > 0 && x.left < 0 {
		err = &TooLargeError{x.limit}
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if e.perm&0o111 != 0 {
		settle(x.root, e.name)
	}
	return x.setTimes(e)
}

func (x *extraction) symlink(e header, target string) error {
	if err := x.makeWay(e.name); err != nil {
		return err
	}
	if err := wrap(e.name, x.root.Symlink(target, e.name)); err != nil {
		return err
	}
	return x.setLinkTimes(e)
}

// link makes a hard link.
func (x *extraction) link(e header, target string) error {
	clean, err := local(target)
	if err != nil {
		return err
	}
	if _, err := x.root.Lstat(clean); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hard-link target '%s' does not exist", target)
	}
	if clean == e.name {
		return nil
	}
	if err := x.makeWay(e.name); err != nil {
		return err
	}
	return wrap(e.name, x.root.Link(clean, e.name))
}

// makeWay makes the directories above a name, and removes what has the name already.
func (x *extraction) makeWay(name string) error {
	if name == "." {
		return errors.New("an entry that is no directory has the name of the sandbox")
	}
	if err := x.parents(name); err != nil {
		return err
	}
	if _, err := x.root.Lstat(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return wrap(name, err)
	}
	return wrap(name, x.root.Remove(name)) // which does not remove a directory that holds something
}

func (x *extraction) setTimes(e header) error {
	if e.modified.IsZero() {
		return nil
	}
	return wrap(e.name, x.root.Chtimes(e.name, e.accessed, e.modified))
}

// finish sets the times of directories, which those of what is in them would change: the deepest come first.
func (x *extraction) finish() error {
	slices.SortStableFunc(x.directories, func(a, b header) int { return cmp.Compare(len(b.name), len(a.name)) })
	for _, e := range x.directories {
		if err := x.setTimes(e); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have been replaced
			return err
		}
	}
	return nil
}
