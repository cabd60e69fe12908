// Package files serves directories over HTTP as Mesos masters and agents do: sandboxes of tasks and
// logs, under names that they are attached to.
//
// It implements /files/browse, /files/read, /files/download and /files/debug, and what LIST_FILES
// and READ_FILE of the operator API need. A request reaches what lies below an attached directory
// and nothing else: symbolic links that lead out of it are not followed.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// MaxRead is the most that one read returns, in bytes: 16 pages.
const MaxRead = 16 * 4096

// ErrNotFound is the error for paths that are not attached or do not exist.
var ErrNotFound = errors.New("files: no such file or directory")

// InvalidError is the error for paths that exist but cannot be served this way.
type InvalidError struct{ Text string }

func (e *InvalidError) Error() string { return e.Text }

// Files holds what is attached. Its methods are safe for concurrent use.
type Files struct {
	mu       sync.RWMutex
	attached map[string]string

	names sync.Map // "u0", "g0" -> name of the user or group
}

// New returns a Files with nothing attached.
func New() *Files { return &Files{attached: map[string]string{}} }

// Attach serves the directory or file target under name, a slash-separated absolute path. A name that is
// attached already gets the new target.
func (f *Files) Attach(target, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attached[clean(name)] = target
}

// Detach ends what Attach began.
func (f *Files) Detach(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.attached, clean(name))
}

// DetachTree ends what Attach began for a directory that is about to go: names by which it, or something in it, is served, and names below
// these.
func (f *Files) DetachTree(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	within := func(p, of string) bool { return p == of || strings.HasPrefix(p, strings.TrimSuffix(of, "/")+"/") }
	gone := []string{clean(dir)}
	for name, target := range f.attached {
		if within(target, dir) {
			gone = append(gone, name)
		}
	}
	for name := range f.attached {
		if slices.ContainsFunc(gone, func(g string) bool { return within(name, g) }) {
			delete(f.attached, name)
		}
	}
}

// Attached returns a copy of the table of names and targets.
func (f *Files) Attached() map[string]string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return maps.Clone(f.attached)
}

func clean(name string) string { return path.Clean("/" + strings.TrimSpace(name)) }

// location is a resolved path: what it is attached by, and the way from there.
type location struct {
	name string // as asked for, cleaned
	base string // directory or file that is attached
	rest string // slash-separated path below base, "." for base itself
}

// resolve finds the longest attached name that the path is or lies below.
func (f *Files) resolve(name string) (location, error) {
	if strings.ContainsRune(name, 0) {
		return location{}, ErrNotFound
	}
	full := clean(name)
	f.mu.RLock()
	defer f.mu.RUnlock()
	for at := full; ; at = path.Dir(at) {
		if base, ok := f.attached[at]; ok {
			rest := strings.TrimPrefix(strings.TrimPrefix(full, at), "/")
			if rest == "" {
				rest = "."
			}
			return location{full, base, rest}, nil
		}
		if at == "/" {
			return location{}, ErrNotFound
		}
	}
}

// open opens a location for reading, with its info. Special files are refused before they are opened, for
// opening a pipe may wait for ever.
func (l location) open() (*os.File, fs.FileInfo, error) {
	if l.rest == "." {
		if info, err := os.Stat(l.base); err == nil && !info.IsDir() {
			return openIn(filepath.Dir(l.base), filepath.Base(l.base))
		}
	}
	return openIn(l.base, l.rest)
}

func openIn(dir, name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, ErrNotFound
	}
	defer root.Close()
	info, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, &InvalidError{fmt.Sprintf("Cannot access '%s': %s", name, reason(err))}
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, nil, &InvalidError{fmt.Sprintf("'%s' is not a regular file", name)}
	}
	file, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, nil, &InvalidError{fmt.Sprintf("Cannot open '%s': %s", name, reason(err))}
	}
	return file, info, nil
}

// reason words an error without the path that this program sees.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// List returns what a directory holds, by path. The list of a file is empty, as in Mesos.
func (f *Files) List(name string) ([]*mesospb.FileInfo, error) {
	loc, err := f.resolve(name)
	if err != nil {
		return nil, err
	}
	dir, info, err := loc.open()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if !info.IsDir() {
		return nil, nil
	}
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, &InvalidError{fmt.Sprintf("Cannot list '%s': %s", name, reason(err))}
	}
	root, err := os.OpenRoot(loc.base)
	if err != nil {
		return nil, ErrNotFound
	}
	defer root.Close()
	var list []*mesospb.FileInfo
	for _, e := range entries {
		child := path.Join(loc.name, e.Name())
		if info, ok := f.stat(root, child, path.Join(loc.rest, e.Name())); ok {
			list = append(list, f.describe(path.Join(name, e.Name()), info))
		}
	}
	slices.SortFunc(list, func(a, b *mesospb.FileInfo) int { return strings.Compare(a.GetPath(), b.GetPath()) })
	return list, nil
}

// stat follows a link where it leads to something that is served, and describes the link itself
// otherwise.
func (f *Files) stat(root *os.Root, name, rest string) (fs.FileInfo, bool) {
	f.mu.RLock()
	target, attached := f.attached[name]
	f.mu.RUnlock()
	if attached {
		if info, err := os.Stat(target); err == nil {
			return info, true
		}
	}
	if info, err := root.Stat(rest); err == nil {
		return info, true
	}
	info, err := root.Lstat(rest)
	return info, err == nil
}

func (f *Files) describe(name string, info fs.FileInfo) *mesospb.FileInfo {
	o := owner(info)
	return &mesospb.FileInfo{
		Path:  proto.String(name),
		Nlink: proto.Int32(o.links),
		Size:  proto.Uint64(uint64(max(0, info.Size()))),
		Mtime: &mesospb.TimeInfo{Nanoseconds: proto.Int64(info.ModTime().UnixNano())},
		Mode:  proto.Uint32(o.mode),
		Uid:   proto.String(f.ownerName("u", o.uid)),
		Gid:   proto.String(f.ownerName("g", o.gid)),
	}
}

// ownership is what a system knows of a file beyond fs.FileInfo.
type ownership struct {
	links    int32
	uid, gid uint32
	mode     uint32 // st_mode
}

func (f *Files) ownerName(kind string, id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if name, ok := f.names.Load(kind + number); ok {
		return name.(string)
	}
	name := number
	if kind == "u" {
		if u, err := user.LookupId(number); err == nil {
			name = u.Username
		}
	} else if g, err := user.LookupGroupId(number); err == nil {
		name = g.Name
	}
	f.names.Store(kind+number, name)
	return name
}

// ReadAt returns the size of a file and up to length bytes from offset on; a negative length means as
// many as there are. At most MaxRead bytes are returned, and none past the end.
func (f *Files) ReadAt(name string, offset, length int64) (size int64, data []byte, err error) {
	loc, err := f.resolve(name)
	if err != nil {
		return 0, nil, err
	}
	file, info, err := loc.open()
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	if info.IsDir() {
		return 0, nil, &InvalidError{"Cannot read a directory"}
	}
	size = info.Size()
	if length < 0 {
		length = max(0, size-offset)
	}
	if offset >= size || length == 0 {
		return size, nil, nil
	}
	data = make([]byte, min(length, MaxRead, size-offset))
	n, err := file.ReadAt(data, offset)
	if err != nil && err != io.EOF {
		return 0, nil, &InvalidError{fmt.Sprintf("Failed to read '%s': %s", name, reason(err))}
	}
	return size, data[:n], nil
}
