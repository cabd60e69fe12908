package operator

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mesokit/mesokit/client/transport"
)

// FollowConfig of Follow. The zero value follows from the beginning until the context ends.
type FollowConfig struct {
	// Offset to begin at, in bytes. A negative one counts from the end that the file has when it is first seen:
	// -1000 begins with its last 1000 bytes.
	Offset int64
	// Tail begins at the end that the file has when it is first seen, whatever Offset is; a file that does not
	// exist yet is read from its beginning.
	Tail bool
	// Done, when closed, says that the file grows no more, as the task has ended: what there is is still read,
	// then the sequence ends. nil means that only the context ends it.
	Done <-chan struct{}
	// PollInterval is the longest time between two looks at a file that does not grow; 0 means one second. It
	// begins with 50 ms.
	PollInterval time.Duration
	// RetryFor is how long an agent may be out of reach, or not ready, before that is an error; 0 means one minute.
	RetryFor time.Duration
}

const (
	firstPoll       = 50 * time.Millisecond
	defaultPoll     = time.Second
	defaultRetryFor = time.Minute
)

// Follow yields a file of a sandbox piece by piece, as tail -f does. It waits for a file that does not exist
// yet. A piece never ends in the middle of a UTF-8 character, unless the file does. A file that becomes shorter
// is read from its beginning again, as a rotated one.
//
// The sequence ends in one of these ways: without an error when cfg.Done is closed and all is read, with the
// error of ctx, with a *NotFoundError if cfg.Done is closed and there never was such a file, or with what keeps
// the file from being read: transport.ErrForbidden, or an agent that is gone. Pieces are the caller's to keep.
func (a *Agent) Follow(ctx context.Context, path string, cfg FollowConfig) iter.Seq2[[]byte, error] {
	return follow(ctx, a.ReadFile, path, cfg)
}

// Follow yields a file of the master, such as /master/log, as Agent.Follow does.
func (m *Master) Follow(ctx context.Context, path string, cfg FollowConfig) iter.Seq2[[]byte, error] {
	return follow(ctx, m.ReadFile, path, cfg)
}

// FollowReader is Follow as a reader, for io.Copy and bufio.Scanner. The caller closes it, also while another
// goroutine reads.
func (a *Agent) FollowReader(ctx context.Context, path string, cfg FollowConfig) io.ReadCloser {
	return newFollowReader(ctx, a.ReadFile, path, cfg)
}

type readFunc func(ctx context.Context, path string, offset, length int64) (FileChunk, error)

// follower is one run of Follow.
type follower struct {
	read   readFunc
	path   string
	cfg    FollowConfig
	offset int64
	seen   bool // the file has existed
	held   []byte
	wait   time.Duration
	broken time.Time // since when reading fails; zero if it does not
}

func follow(ctx context.Context, read readFunc, path string, cfg FollowConfig) iter.Seq2[[]byte, error] {
	if cfg.PollInterval <= 0 {
		cfg.PollInterval = defaultPoll
	}
	if cfg.RetryFor <= 0 {
		cfg.RetryFor = defaultRetryFor
	}
	return func(yield func([]byte, error) bool) {
		f := &follower{read: read, path: path, cfg: cfg, offset: max(cfg.Offset, 0), wait: min(firstPoll, cfg.PollInterval)}
		for {
			last := isClosed(cfg.Done) // before reading, so that everything that is there by then is read
			data, more, err := f.next(ctx)
			switch {
			case ctx.Err() != nil:
				yield(nil, callError("follow "+path, context.Cause(ctx)))
				return
			case err != nil:
				if len(f.held) > 0 && !yield(f.held, nil) {
					return
				}
				yield(nil, err)
				return
			}
			if len(data) > 0 {
				f.wait = min(firstPoll, cfg.PollInterval)
				if !yield(data, nil) {
					return
				}
			}
			if more {
				continue
			}
			if last && f.broken.IsZero() {
				if !f.seen {
					yield(nil, &NotFoundError{Kind: "file", Name: path})
				} else if len(f.held) > 0 {
					yield(f.held, nil)
				}
				return
			}
			f.pause(ctx)
		}
	}
}

// next reads once. more says that there is more to read at once.
func (f *follower) next(ctx context.Context) (data []byte, more bool, err error) {
	if !f.seen && (f.cfg.Offset < 0 || f.cfg.Tail) {
		err := f.begin(ctx)
		return nil, f.seen, err
	}
	chunk, err := f.read(ctx, f.path, f.offset, -1)
	if err != nil {
		return nil, false, f.failed(err)
	}
	f.seen, f.broken = true, time.Time{}
	if chunk.Size < f.offset {
		// Truncated or replaced. What was held back will never be completed.
		data, f.held, f.offset = f.held, nil, 0
		return data, true, nil
	}
	f.offset += int64(len(chunk.Data))
	return f.whole(chunk.Data), len(chunk.Data) > 0 && f.offset < chunk.Size, nil
}

// begin finds the place to begin at, counted from the end.
func (f *follower) begin(ctx context.Context) error {
	chunk, err := f.read(ctx, f.path, 0, 0)
	if err != nil {
		return f.failed(err)
	}
	f.seen, f.broken = true, time.Time{}
	f.offset = chunk.Size
	if !f.cfg.Tail {
		f.offset = max(0, chunk.Size+f.cfg.Offset)
	}
	return nil
}

// failed decides whether a failure is to be sat out.
func (f *follower) failed(err error) error {
	if errors.Is(err, transport.ErrNotFound) {
		f.broken = time.Time{}
		f.cfg.Tail, f.cfg.Offset = false, max(f.cfg.Offset, 0) // whatever will be there is new
		return nil
	}
	if !mayPass(err) {
		return err
	}
	if f.broken.IsZero() {
		f.broken = time.Now()
	}
	if time.Since(f.broken) >= f.cfg.RetryFor {
		return err
	}
	return nil
}

// whole returns what was held back and data, but for the beginning of a character at the end, which is held back.
func (f *follower) whole(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	if len(f.held) > 0 {
		data = append(f.held, data...)
	}
	n := len(data) - incompleteSuffix(data)
	f.held = append([]byte(nil), data[n:]...)
	return data[:n:n]
}

// incompleteSuffix returns how many bytes at the end of data are the beginning of a UTF-8 character.
func incompleteSuffix(data []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		tail := data[len(data)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}

// pause waits a little longer each time nothing has come.
func (f *follower) pause(ctx context.Context) {
	timer := time.NewTimer(f.wait)
	defer timer.Stop()
	done := f.cfg.Done
	if isClosed(done) {
		done = nil
	}
	select {
	case <-timer.C:
	case <-done:
	case <-ctx.Done():
	}
	f.wait = min(2*f.wait, f.cfg.PollInterval)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// followReader turns pieces into a reader.
type followReader struct {
	cancel context.CancelCauseFunc

	mu   sync.Mutex // held by Read
	next func() ([]byte, error, bool)
	stop func()
	rest []byte
	err  error
}

func newFollowReader(ctx context.Context, read readFunc, path string, cfg FollowConfig) *followReader {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &followReader{cancel: cancel}
	r.next, r.stop = iter.Pull2(follow(ctx, read, path, cfg))
	return r
}

// Read implements io.Reader. It returns io.EOF when the file is read to its end.
func (r *followReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		piece, err, ok := r.next()
		switch {
		case !ok:
			r.err = io.EOF
		case err != nil:
			r.err = err
		default:
			r.rest = piece
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close ends a Read that waits, which then returns an error that matches io.ErrClosedPipe.
func (r *followReader) Close() error {
	r.cancel(io.ErrClosedPipe)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
	r.rest = nil
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	return nil
}
