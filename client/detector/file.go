package detector

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"
)

// file follows the specification of masters in a file.
type file struct {
	path string
	cfg  Config
}

func (f *file) String() string { return "file://" + f.path }

// Watch watches as the file's content says until the content is another one. A file that cannot be read or
// understood is an error at first; later the last good content holds.
func (f *file) Watch(ctx context.Context) iter.Seq2[Masters, error] {
	return func(yield func(Masters, error) bool) {
		spec, inner, err := f.read()
		if err != nil {
			if ctx.Err() == nil {
				yield(Masters{}, err)
			}
			return
		}
		for ctx.Err() == nil {
			current := inner // follow may replace inner from now on
			changed, stop := f.follow(ctx, &spec, &inner)
			for now, err := range current.Watch(changed) {
				if !yield(now, err) || err != nil {
					stop()
					return
				}
			}
			// The inner loop ended: by the change, by ctx or by itself, which is waited out.
			<-changed.Done()
			stop()
		}
	}
}

// follow returns a context that ends when the file says something new, which is then in spec and inner. These are
// not to be read before. stop ends the watching and waits for it.
func (f *file) follow(ctx context.Context, spec *string, inner *Detector) (changed context.Context, stop func()) {
	changed, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	was := *spec
	go func() {
		defer close(done)
		defer cancel()
		ticker := time.NewTicker(f.cfg.PollInterval)
		defer ticker.Stop()
		for complaint := ""; ; {
			select {
			case <-changed.Done():
				return
			case <-ticker.C:
			}
			now, d, err := f.read()
			switch {
			case err != nil:
				if complaint != err.Error() {
					complaint = err.Error()
					f.cfg.Warn(complaint + "; keeping what it said before")
				}
			case now != was:
				f.cfg.Log("the masters in " + f.path + " changed to " + d.String())
				*spec, *inner = now, d
				return
			}
		}
	}()
	return changed, func() { cancel(); <-done }
}

func (f *file) read() (string, Detector, error) {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return "", nil, fmt.Errorf("read the masters: %w", err)
	}
	spec := strings.TrimSpace(string(data))
	if strings.HasPrefix(spec, "file://") {
		return "", nil, fmt.Errorf("read the masters from %s: a file that names a file is not followed", f.path)
	}
	d, err := parse(spec, f.cfg)
	if err != nil {
		return "", nil, fmt.Errorf("read the masters from %s: %w", f.path, err)
	}
	return spec, d, nil
}
