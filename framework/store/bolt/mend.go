package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/mesokit/mesokit/framework/store"
)

// compactBytes is how much one transaction copies.
const compactBytes = 8 << 20

// mend makes a store that has failed fit for writing again: what it holds is copied to a new file, which takes its place. Opening the same file again would not
// do: after a failed fsync the kernel may show what never gets to the disk, and the next fsync does not tell.
func (s *Store) mend() error {
	if s.broken == nil {
		return nil
	}
	if err := s.rewrite(); err != nil {
		return fmt.Errorf("%w: %s can't be written (%w), nor replaced by a copy: %w", store.ErrBroken, s.path, s.broken, err)
	}
	s.broken = nil
	s.feed.Skip(s.revision) // the commit that failed may have happened
	return nil
}

func (s *Store) rewrite() error {
	path, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fresh := filepath.Join(dir, "store")
	db, err := bbolt.Open(fresh, s.cfg.Mode, options(s.cfg)) // and holds its lock
	if err != nil {
		return spaceError(err)
	}
	defer func() {
		if s.db != db {
			_ = db.Close()
		}
	}()
	err = s.guard(func() error {
		if err := bbolt.Compact(db, s.db, compactBytes); err != nil {
			return spaceError(err)
		}
		return s.readMeta(db)
	})
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	s.mu.Lock()
	_ = s.db.Close()
	s.db = db
	s.mu.Unlock()
	return syncDir(filepath.Dir(path)) // or the old file may come back, which lacks what is committed from here on
}

// syncDir makes the names in a directory durable, where the file system can do that.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
