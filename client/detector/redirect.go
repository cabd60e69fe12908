package detector

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/client/transport"
)

// RedirectConfig of a detector that asks masters who leads.
type RedirectConfig struct {
	// Client asks; its HeaderTimeout bounds how long a dead master is waited for.
	Client *transport.Client
	// Masters are base URLs, as BaseURL returns them.
	Masters []string
	// Interval between questions; 0 means 5 s.
	Interval time.Duration
}

// Redirect returns a detector that asks the masters of a list, one after the other until one answers, where GET
// /redirect leads to: to the leader, whichever master is asked. It serves where there is no ZooKeeper to ask. A
// scheduler does not need it, as it is redirected when it subscribes.
func Redirect(cfg RedirectConfig) Detector {
	cfg.Masters = slices.Clone(cfg.Masters)
	if cfg.Interval <= 0 {
		cfg.Interval = 5 * time.Second
	}
	return &redirect{cfg}
}

type redirect struct{ cfg RedirectConfig }

func (r *redirect) String() string { return strings.Join(r.cfg.Masters, ",") }

func (r *redirect) Watch(ctx context.Context) iter.Seq2[Masters, error] {
	return func(yield func(Masters, error) bool) {
		ticker := time.NewTicker(r.cfg.Interval)
		defer ticker.Stop()
		var last *Masters
		for ctx.Err() == nil {
			now, answered := r.ask(ctx)
			// While nobody answers, what was known holds.
			if ctx.Err() == nil && (answered || last == nil) && (last == nil || !last.Equal(now)) {
				last = &now
				if !yield(now, nil) {
					return
				}
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}
}

// ask returns the leader that the first master with an opinion names; answered is false if there is none.
func (r *redirect) ask(ctx context.Context) (now Masters, answered bool) {
	for _, base := range r.cfg.Masters {
		resp, err := r.cfg.Client.Get(ctx, base+"/redirect")
		if err == nil {
			_ = resp.Body.Close()
			continue // no master answers 200
		}
		var status *transport.StatusError
		if !errors.As(err, &status) {
			continue
		}
		if leader, err := status.LeaderURL(); err == nil {
			return Masters{Candidates: []string{leader}}, true
		}
		// 503: it knows no leader, but another one may.
		answered = answered || errors.Is(err, transport.ErrUnavailable)
	}
	return Masters{}, answered
}
