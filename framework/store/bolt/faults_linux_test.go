package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"unsafe"

	"github.com/mesokit/mesokit/framework/store"
)

// disk fails operations on the files of a store: writes, and what follows a write until the next one, which is fsync, truncation or nothing.
type disk struct {
	t      *testing.T
	fail   int  // number of the operation that fails, from 1
	always bool // and all that follow
	ops    int
	file   *os.File
	broken bool // the descriptor is one that can do nothing
	whole  int  // a good descriptor of the file
}

// due counts an operation, and says whether it fails.
func (d *disk) due() bool {
	d.ops++
	return d.fail > 0 && (d.ops == d.fail || d.always && d.ops > d.fail)
}

// open is how the store opens files.
func (d *disk) open(path string, flag int, mode os.FileMode) (*os.File, error) {
	if d.always && d.fail > 0 && d.ops >= d.fail {
		return nil, syscall.EIO
	}
	f, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	d.mend()
	if d.whole > 0 {
		_ = syscall.Close(d.whole)
	}
	d.file = f
	if d.whole, err = syscall.Dup(int(f.Fd())); err != nil {
		d.t.Fatal(err)
	}
	return f, nil
}

// tear makes fsync and truncate fail: the descriptor becomes that of a pipe.
func (d *disk) tear() {
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		d.t.Fatal(err)
	}
	if err := syscall.Dup3(p[1], int(d.file.Fd()), syscall.O_CLOEXEC); err != nil {
		d.t.Fatal(err)
	}
	_, _ = syscall.Close(p[0]), syscall.Close(p[1])
	d.broken = true
}

func (d *disk) mend() {
	if d.broken {
		if err := syscall.Dup3(d.whole, int(d.file.Fd()), syscall.O_CLOEXEC); err != nil {
			d.t.Fatal(err)
		}
		d.broken = false
	}
}

// hook puts the disk between bbolt and its file.
func (d *disk) hook(s *Store) {
	ops := reflect.ValueOf(s.db).Elem().FieldByName("ops").FieldByName("writeAt")
	writeAt := (*func([]byte, int64) (int, error))(unsafe.Pointer(ops.UnsafeAddr()))
	file := d.file
	*writeAt = func(b []byte, at int64) (int, error) {
		d.mend()
		if d.due() {
			n, _ := file.WriteAt(b[:len(b)/2], at)
			return n, syscall.EIO
		}
		n, err := file.WriteAt(b, at)
		if d.due() {
			d.tear()
		}
		return n, err
	}
}

// commits commits n batches, each again until it passes, and returns how many passed and the last error.
func (d *disk) commits(s *Store, n, tries int) (done int, last error) {
	for k := range n {
		ok := false
		for range tries {
			before := s.db
			if d.due() { // before the first write: growing the file
				d.tear()
			}
			_, err := s.Commit(context.Background(), store.Batch{Ops: []store.Op{store.Put(fmt.Sprintf("k/%02d", k), make([]byte, 30<<10)), store.Put("last", fmt.Append(nil, k))}})
			if d.mend(); s.db != before {
				d.hook(s)
			}
			if ok = err == nil; ok {
				break
			}
			last = err
		}
		if !ok {
			return k, last
		}
	}
	return n, last
}

func (d *disk) holds(path string, acknowledged int) {
	d.t.Helper()
	s, err := Open(path, Config{})
	if err != nil {
		d.t.Fatalf("operation %d fails: the store can't be opened: %v", d.fail, err)
	}
	defer s.Close()
	records, _, err := s.List(context.Background(), "k/")
	if err != nil {
		d.t.Fatal(err)
	}
	if len(records) < acknowledged || len(records) > acknowledged+1 {
		d.t.Errorf("operation %d fails: %d records are there of %d that were acknowledged", d.fail, len(records), acknowledged)
	}
	last, err := s.Get(context.Background(), "last")
	if want := fmt.Sprint(len(records) - 1); acknowledged > 0 && (err != nil || string(last.Value) != want) {
		d.t.Errorf("operation %d fails: half a commit: last is %q, %v, want %s", d.fail, last.Value, err, want)
	}
}

func (d *disk) use(path string) *Store {
	d.t.Helper()
	s, err := Open(path, Config{open: d.open})
	if err != nil {
		d.t.Fatal(err)
	}
	d.hook(s)
	return s
}

func TestAStoreGoesOnAfterAnIOErrorAtAnyPoint(t *testing.T) {
	const batches = 4
	d := &disk{t: t}
	path := filepath.Join(t.TempDir(), "store.db")
	s := d.use(path)
	if n, err := d.commits(s, batches, 1); n != batches {
		t.Fatal(err)
	}
	_ = s.Close()
	total, failed := d.ops, 0
	for fail := 1; fail <= total; fail++ {
		d := &disk{t: t, fail: fail}
		path := filepath.Join(t.TempDir(), "store.db")
		s := d.use(path)
		done, err := d.commits(s, batches, 3)
		if done != batches {
			t.Errorf("operation %d of %d fails once: stopped after %d batches: %v", fail, total, done, err)
		}
		if err != nil {
			failed++
			if !errors.Is(err, store.ErrUncertain) {
				t.Errorf("operation %d fails once: %v", fail, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("operation %d fails once: close: %v", fail, err)
		}
		d.holds(path, done)
	}
	if failed < total/2 {
		t.Errorf("%d of %d faults were felt", failed, total)
	}
}

func TestAStoreOnADeadDiskSaysSoAndKeepsWhatWasAcknowledged(t *testing.T) {
	for fail := 1; fail <= 12; fail++ {
		d := &disk{t: t, fail: fail, always: true}
		path := filepath.Join(t.TempDir(), "store.db")
		s := d.use(path)
		done, err := d.commits(s, 20, 3)
		if done == 20 || !errors.Is(err, store.ErrBroken) {
			t.Errorf("from operation %d on all fail: %d batches passed, then: %v", fail, done, err)
		}
		if _, err := s.Commit(context.Background(), store.Batch{}); !errors.Is(err, store.ErrBroken) {
			t.Errorf("a commit afterwards: %v", err)
		}
		_ = s.Close()
		d.fail = 0
		d.holds(path, done)
	}
}
