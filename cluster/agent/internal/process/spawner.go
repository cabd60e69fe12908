package process

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

// Spawner starts processes. All of them are started from one operating system thread, because
// the kernel ties their lives to that thread. It starts nothing itself before the first Start.
//
// A Spawner is safe for concurrent use.
type Spawner struct {
	root string

	mu       sync.Mutex
	closed   bool
	requests chan request  // nil before the first Start
	done     chan struct{} // closed when the thread is given back
	guard    *guard
}

type request struct {
	spec  Spec
	reply chan<- result
}

type result struct {
	process *Process
	err     error
}

// NewSpawner returns a Spawner. Marks of its processes have values that begin with root and a
// slash; the guard finds stragglers by it. An empty root is allowed.
func NewSpawner(root string) *Spawner { return &Spawner{root: root} }

// Start starts a process. The caller must Wait for it and Sweep it.
func (s *Spawner) Start(spec Spec) (*Process, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	if s.requests == nil {
		s.requests = make(chan request)
		s.done = make(chan struct{})
		s.guard = startGuard(s.root)
		go s.run(s.requests, s.done, s.guard)
	}
	reply := make(chan result, 1)
	s.requests <- request{spec, reply} // the thread serves until the lock lets Close in
	s.mu.Unlock()
	r := <-reply
	return r.process, r.err
}

// Close ends the guard and gives the thread back. All processes must have been waited for:
// the kernel kills those that have not ended.
func (s *Spawner) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	requests, done, guard := s.requests, s.done, s.guard
	s.mu.Unlock()
	if requests == nil {
		return
	}
	close(requests)
	<-done
	guard.close()
}

func (s *Spawner) run(requests <-chan request, done chan<- struct{}, guard *guard) {
	defer close(done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for r := range requests {
		p, err := start(r.spec)
		if err == nil {
			p.guard = guard
			guard.add(p.pid)
		}
		r.reply <- result{p, err}
	}
}

func start(spec Spec) (*Process, error) {
	files := []*os.File{spec.Stdin, spec.Stdout, spec.Stderr}
	var null *os.File
	for i, f := range files {
		if f != nil {
			continue
		}
		if null == nil {
			var err error
			if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
				return nil, fmt.Errorf("process: %w", err)
			}
			defer null.Close()
		}
		files[i] = null
	}
	p, err := startLimited(spec, &os.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: files,
		Sys:   attributes(spec),
	})
	if err != nil {
		return nil, err
	}
	return &Process{root: root{pid: p.Pid, born: birth(p.Pid), mark: spec.Mark}, os: p}, nil
}
