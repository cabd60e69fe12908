package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// DefaultCacheSize is how much a Cache keeps unless told otherwise, in bytes.
const DefaultCacheSize = 2 << 30

// Cache keeps fetched URIs as files in a directory. Two that want the same URI at once fetch it
// once. What was used longest ago leaves when the cache is full. It is safe for concurrent use.
type Cache struct {
	dir string
	max int64

	mu      sync.Mutex
	entries map[string]*entry
	uses    uint64
	files   uint64
	size    int64
}

type entry struct {
	ready chan struct{} // closed when path, size and err are set
	path  string
	size  int64
	err   error
	used  uint64
}

// NewCache returns a cache in dir, which it makes when it is needed. max is its size in bytes; 0
// means DefaultCacheSize.
func NewCache(dir string, max int64) *Cache {
	if max == 0 {
		max = DefaultCacheSize
	}
	return &Cache{dir: dir, max: max, entries: map[string]*entry{}}
}

// get opens the file of a key, which fetch makes if it is not there.
func (c *Cache) get(ctx context.Context, key string, fetch func() (*source, error)) (*os.File, error) {
	for {
		c.mu.Lock()
		e, ok := c.entries[key]
		if !ok {
			e = &entry{ready: make(chan struct{})}
			c.entries[key] = e
			c.files++
			e.path = filepath.Join(c.dir, fmt.Sprintf("c%08d", c.files))
		}
		c.uses++
		e.used = c.uses
		c.mu.Unlock()
		if !ok {
			c.fill(key, e, fetch)
			if e.err != nil {
				return nil, e.err
			}
		}
		select {
		case <-e.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if e.err != nil {
			continue // the one that fetched it failed; try for ourselves
		}
		file, err := os.Open(e.path)
		if errors.Is(err, os.ErrNotExist) {
			c.drop(key, e) // left the cache meanwhile
			continue
		}
		return file, err
	}
}

// fill fetches a new entry.
func (c *Cache) fill(key string, e *entry, fetch func() (*source, error)) {
	defer close(e.ready)
	e.size, e.err = writeFile(c.dir, e.path, fetch)
	if e.err != nil {
		os.Remove(e.path)
		c.drop(key, e)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size += e.size
	for c.size > c.max && c.evict(e) {
	}
}

func writeFile(dir, name string, fetch func() (*source, error)) (int64, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	from, err := fetch()
	if err != nil {
		return 0, err
	}
	defer from.Close()
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, from.perm)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(file, from)
	info, statErr := file.Stat()
	if err := errors.Join(err, statErr, file.Close()); err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// evict removes the entry that was used longest ago, but not keep. c.mu is held.
func (c *Cache) evict(keep *entry) bool {
	var oldest string
	var found *entry
	for key, e := range c.entries {
		select {
		case <-e.ready:
		default:
			continue
		}
		if e != keep && (found == nil || e.used < found.used) {
			oldest, found = key, e
		}
	}
	if found == nil {
		return false
	}
	delete(c.entries, oldest)
	c.size -= found.size
	os.Remove(found.path)
	return true
}

func (c *Cache) drop(key string, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key] == e {
		delete(c.entries, key)
		c.size -= e.size
	}
}
