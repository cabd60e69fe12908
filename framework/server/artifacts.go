package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Artifacts are files that tasks fetch, such as the binary of an executor. Their paths contain the hash of their
// contents, so that the cache of an agent never serves an old one. It is an http.Handler for paths that end with
// /HASH/NAME, with ranges and conditional requests. Safe for concurrent use; the zero value is empty.
type Artifacts struct {
	mu    sync.RWMutex
	files map[string]artifact // by hash/name
}

type artifact struct {
	path    string // of a file on disk
	content []byte
	size    int64
	changed time.Time
	hash    string
}

// AddFile registers a file on disk and returns the end of its path, "HASH/NAME". The file is hashed now; if it changes later, it is not
// served any more: add it again.
func (a *Artifacts) AddFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", file)
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", err
	}
	return a.add(filepath.Base(file), artifact{path: file, size: n, changed: info.ModTime(), hash: hex.EncodeToString(h.Sum(nil))}), nil
}

// Add registers contents under a name, which must be a plain file name, and returns the end of its path, "HASH/NAME". The contents
// must not change.
func (a *Artifacts) Add(name string, content []byte) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\") {
		return "", fmt.Errorf("%q is not a file name", name)
	}
	sum := sha256.Sum256(content)
	return a.add(name, artifact{content: content, size: int64(len(content)), hash: hex.EncodeToString(sum[:])}), nil
}

func (a *Artifacts) add(name string, f artifact) string {
	key := f.hash + "/" + name
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.files == nil {
		a.files = map[string]artifact{}
	}
	a.files[key] = f
	return key
}

// ServeHTTP implements http.Handler.
func (a *Artifacts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dir, name := path.Split(r.URL.Path)
	key := path.Base(dir) + "/" + name
	a.mu.RLock()
	f, ok := a.files[key]
	a.mu.RUnlock()
	if !ok {
		fail(w, &Problem{Type: "no-such-artifact", Status: http.StatusNotFound, Detail: "there is no artifact " + key})
		return
	}
	content, err := f.open()
	if err != nil {
		fail(w, &Problem{Type: "artifact-gone", Status: http.StatusGone, Detail: err.Error()})
		return
	}
	defer func() { _ = content.Close() }()
	w.Header().Set("ETag", `"`+f.hash+`"`)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, f.changed, content)
}

type seekCloser struct{ io.ReadSeeker }

func (seekCloser) Close() error { return nil }

// open returns the contents that were registered, or says that they are gone.
func (f *artifact) open() (io.ReadSeekCloser, error) {
	if f.path == "" {
		return seekCloser{bytes.NewReader(f.content)}, nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, errors.New("the file is not there any more")
	}
	info, err := file.Stat()
	if err != nil || info.Size() != f.size || !info.ModTime().Equal(f.changed) {
		_ = file.Close()
		return nil, errors.New("the file has changed since it was registered: register it again")
	}
	return file, nil
}
