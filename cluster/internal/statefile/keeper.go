package statefile

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Pause is how long a Keeper lets changes gather before it writes, unless somebody waits. It is longer if writing takes long, so that
// it takes a tenth of the time at most.
const Pause = 20 * time.Millisecond

// Keeper writes the newest state to a file, beside whoever changes it: what changes while a state is being
// written is written next, in one go. Its methods are safe for concurrent use.
type Keeper struct {
	kind Kind
	path string
	log  *slog.Logger

	mu      sync.Mutex
	changed *sync.Cond
	make    func() any // the state to write next; nil if there is none
	put     uint64     // states put
	written uint64     // of those, written or superseded
	hurry   int        // callers of Sync
	err     error      // of the last write
	closed  bool
	wake    chan struct{} // ends the pause
	done    chan struct{}
}

// NewKeeper returns a keeper of the file. Failures of writing are logged, and returned by the next Sync or Close.
func NewKeeper(kind Kind, path string, log *slog.Logger) *Keeper {
	k := &Keeper{kind: kind, path: path, log: log, wake: make(chan struct{}, 1), done: make(chan struct{})}
	k.changed = sync.NewCond(&k.mu)
	go k.run()
	return k
}

// Put has a state written soon, in place of those that are not written yet. make is called from another goroutine,
// without any lock of the keeper, perhaps not at all.
func (k *Keeper) Put(make func() any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.make = make
	k.put++
	k.changed.Broadcast()
}

// Sync waits until what was put before is in the file, and returns the error of the last write.
func (k *Keeper) Sync() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hurry++
	defer func() { k.hurry-- }()
	k.nudge()
	for want := k.put; k.written < want; {
		k.changed.Wait()
	}
	return k.err
}

// nudge ends the pause.
func (k *Keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Close writes what is left and ends the keeper. Nothing may be put afterwards. Closing again returns nil.
func (k *Keeper) Close() error {
	k.mu.Lock()
	was := k.closed
	k.closed = true
	k.changed.Broadcast()
	k.nudge()
	k.mu.Unlock()
	<-k.done
	if was {
		return nil
	}
	return k.err
}

func (k *Keeper) run() {
	defer close(k.done)
	pause := time.NewTimer(0)
	defer pause.Stop()
	wait := Pause
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		for k.make == nil && !k.closed {
			k.changed.Wait()
		}
		if k.make == nil {
			return
		}
		if k.hurry == 0 && !k.closed {
			k.mu.Unlock()
			pause.Reset(wait)
			select {
			case <-pause.C:
			case <-k.wake:
			}
			k.mu.Lock()
		}
		state, upTo := k.make, k.put
		k.make = nil
		k.mu.Unlock()
		began := time.Now()
		err := k.kind.Write(k.path, state())
		wait = max(Pause, 10*time.Since(began))
		if err != nil {
			k.log.Error("cannot keep the state", "error", err)
		}
		k.mu.Lock()
		k.err, k.written = err, upTo
		k.changed.Broadcast()
	}
}

// ErrLocked is returned by Lock for a directory that another process uses.
var ErrLocked = errors.New("another process uses it")
