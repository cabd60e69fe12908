package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/feed"
)

// format is the version of the file's layout.
const format = 1

// What the file has: bucket records, from keys to records (record.go); bucket meta, with decimal numbers.
var (
	bucketRecords = []byte("records")
	bucketMeta    = []byte("meta")
	metaFormat    = []byte("format")
	metaRevision  = []byte("revision") // of the last commit
	metaFence     = []byte("fence")    // greatest token seen
)

// Config has options of a store; the zero value is good.
type Config struct {
	// LockWait is how long to wait for another process to close the file. Default 0: not at all.
	LockWait time.Duration
	// Mode of a new file. Default 0600.
	Mode os.FileMode

	open func(path string, flag int, mode os.FileMode) (*os.File, error) // for tests; default os.OpenFile
}

// Open opens the store in the file at path, and makes file and directories if they do not exist. It returns
//   - an error that is store.ErrLocked if another process (or this one) has the file open;
//   - a *store.CorruptError if the file is not a sound store;
//   - a *store.NewerVersionError if a later release wrote it.
func Open(path string, cfg Config) (*Store, error) {
	if cfg.Mode == 0 {
		cfg.Mode = 0o600
	}
	if err := create(path, cfg.Mode); err != nil {
		return nil, fmt.Errorf("create the store %s: %w", path, err)
	}
	s := &Store{path: path, cfg: cfg, queue: make(chan *request), closing: make(chan struct{}), committer: make(chan struct{})}
	if err := s.open(cfg); err != nil {
		if s.db != nil {
			_ = s.db.Close()
		}
		return nil, fmt.Errorf("open the store %s: %w", path, err)
	}
	s.feed = feed.New(s.revision)
	go s.commits()
	return s, nil
}

func options(cfg Config) *bbolt.Options {
	// bbolt takes 0 for waiting forever.
	return &bbolt.Options{Timeout: max(cfg.LockWait, time.Nanosecond), FreelistType: bbolt.FreelistMapType, NoStatistics: true, OpenFile: cfg.open}
}

// create makes a file that does not exist, complete or not at all: a crash must leave nothing that looks damaged.
func create(path string, mode os.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return nil
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	} else if err == nil && info.Mode().IsRegular() {
		return nil // bbolt fills an empty file
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fresh := filepath.Join(dir, "store")
	db, err := bbolt.Open(fresh, mode, options(Config{}))
	if err != nil {
		return spaceError(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucket(bucketRecords); err != nil {
			return err
		}
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		return errors.Join(putNumber(meta, metaFormat, format), putNumber(meta, metaRevision, 0), putNumber(meta, metaFence, 0))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return spaceError(err)
	}
	// Unlike a rename, a link does not replace what another process made meanwhile.
	if err := os.Link(fresh, path); err != nil && !errors.Is(err, os.ErrExist) {
		if err := os.Rename(fresh, path); err != nil { // no links here
			return err
		}
	}
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync() // not all file systems can
		_ = d.Close()
	}
	return nil
}

// open opens the file and reads its meta data.
func (s *Store) open(cfg Config) error {
	return s.guard(func() error {
		db, err := bbolt.Open(s.path, cfg.Mode, options(cfg))
		switch {
		case errors.Is(err, bolterrors.ErrTimeout):
			return fmt.Errorf("%w; end it, or give this one a file of its own", store.ErrLocked)
		case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
			return s.corrupt(err.Error())
		case err != nil:
			return spaceError(err)
		}
		s.db = db
		return s.readMeta(db)
	})
}

// readMeta checks that a file is a store, and takes over what it says.
func (s *Store) readMeta(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		// Pages beyond the end of the file would crash whoever reads them.
		if info, err := os.Stat(s.path); err == nil && info.Size() < tx.Size() && db.Path() == s.path {
			return s.corrupt(fmt.Sprintf("it has %d bytes of at least %d", info.Size(), tx.Size()))
		}
		meta := tx.Bucket(bucketMeta)
		if meta == nil || tx.Bucket(bucketRecords) == nil {
			return s.corrupt("it is a bolt file of something else")
		}
		version, err := s.number(meta, metaFormat)
		if err != nil {
			return err
		}
		if version > format {
			return &store.NewerVersionError{Where: s.path, Kind: "store file", Version: int(version), Supported: format}
		}
		revision, err := s.number(meta, metaRevision)
		if err != nil {
			return err
		}
		fence, err := s.number(meta, metaFence)
		s.revision, s.fence = store.Revision(revision), store.Token(fence)
		return err
	})
}

func (s *Store) corrupt(reason string) error {
	return &store.CorruptError{Where: s.path, Reason: reason}
}

func putNumber(meta *bbolt.Bucket, key []byte, n int64) error {
	return meta.Put(key, strconv.AppendInt(nil, n, 10))
}

func (s *Store) number(meta *bbolt.Bucket, key []byte) (int64, error) {
	n, err := strconv.ParseInt(string(meta.Get(key)), 10, 64)
	if err != nil || n < 0 {
		return 0, s.corrupt(fmt.Sprintf("its %s is %.40q", key, meta.Get(key)))
	}
	return n, nil
}

// guard runs f and makes a *store.CorruptError of its panics: bbolt panics when pages are not what they should be, and reading a mapped file
// faults where the disk cannot be read.
func (s *Store) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = s.corrupt(fmt.Sprint(p))
		}
	}()
	return f()
}
