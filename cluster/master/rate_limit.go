package master

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Rate limits, as the flag --rate_limits of Mesos has them (and its documentation of framework rate limiting):
//
//   - A principal has so many calls a second (qps), which all of its frameworks share; one without qps is not limited. Principals that are
//     not listed, and frameworks without one, share the default, if there is one.
//   - Calls above that wait for their turn. Where more than capacity of them would wait the call is dropped: the framework gets
//     ERROR, after which its stream ends, and the call is answered 429.
//   - SUBSCRIBE is not limited.
//
// Mesos does so with frameworks that speak to it by the old driver, and leaves those of the V1 API alone.

// limiter lets calls pass one after the other, at regular intervals. A nil limiter lets all pass.
type limiter struct {
	interval time.Duration
	capacity uint64 // how many may wait

	mu      sync.Mutex
	next    time.Time // when the next call may pass
	waiting uint64
}

// limiters are those of the principals; that of others is fallback.
type limiters struct {
	of       map[string]*limiter
	fallback *limiter
}

// newLimiters reads the configuration; nil limits nothing.
func newLimiters(cfg *mesospb.RateLimits) (*limiters, error) {
	if cfg == nil {
		return nil, nil
	}
	l := &limiters{of: map[string]*limiter{}}
	for _, k := range cfg.GetLimits() {
		if _, twice := l.of[k.GetPrincipal()]; twice {
			return nil, fmt.Errorf("master: Config.RateLimits has principal %q twice", k.GetPrincipal())
		}
		one, err := newLimiter(k.Qps, k.Capacity)
		if err != nil {
			return nil, fmt.Errorf("master: Config.RateLimits of principal %q: %w", k.GetPrincipal(), err)
		}
		l.of[k.GetPrincipal()] = one
	}
	var err error
	if l.fallback, err = newLimiter(cfg.AggregateDefaultQps, cfg.AggregateDefaultCapacity); err != nil {
		return nil, fmt.Errorf("master: Config.RateLimits by default: %w", err)
	}
	return l, nil
}

func newLimiter(qps *float64, capacity *uint64) (*limiter, error) {
	if qps == nil {
		return nil, nil
	}
	if !(*qps > 0) || math.IsInf(*qps, 0) {
		return nil, fmt.Errorf("qps is %v; it must be a positive number", *qps)
	}
	l := &limiter{interval: time.Duration(min(float64(time.Second) / *qps, float64(time.Hour))), capacity: math.MaxUint64}
	if capacity != nil {
		l.capacity = *capacity
	}
	return l, nil
}

// wait waits until a call may pass. It reports false, at once, if too many wait already. If ctx ends first the turn is spent.
func (l *limiter) wait(ctx context.Context) (bool, error) {
	if l == nil {
		return true, nil
	}
	l.mu.Lock()
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	d := l.next.Sub(now)
	if d > 0 && l.waiting >= l.capacity {
		l.mu.Unlock()
		return false, nil
	}
	l.next = l.next.Add(l.interval)
	if d == 0 {
		l.mu.Unlock()
		return true, nil
	}
	l.waiting++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.waiting--
		l.mu.Unlock()
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// throttle makes a call wait for its turn. It returns the answer of one that is dropped.
func (m *Master) throttle(ctx context.Context, c *schedulerpb.Call, caller *auth.Principal) (_ answer, passes bool, _ error) {
	if m.limits == nil {
		return answer{}, true, nil
	}
	id := c.GetFrameworkId().GetValue()
	var l *limiter
	if err := m.doLeading(ctx, func() {
		f := m.frameworks[id]
		if f == nil || samePrincipal(caller, f.info.GetPrincipal()) != nil {
			return // to be told so
		}
		var listed bool
		if l, listed = m.limits.of[f.info.GetPrincipal()]; !listed || f.info.Principal == nil {
			l = m.limits.fallback
		}
	}); err != nil {
		return answer{}, false, err
	}
	passes, err := l.wait(ctx)
	if passes || err != nil {
		return answer{}, err == nil, err
	}
	text := fmt.Sprintf("Message %v dropped: capacity(%d) exceeded", c.GetType(), l.capacity)
	err = m.doLeading(ctx, func() {
		m.metrics.dropped++
		if f := m.frameworks[id]; f != nil && f.connected {
			m.log.Warn("framework exceeds its rate limit", "framework", id, "call", c.GetType())
			f.send(errorEvent(text))
			f.stream.Close()
			m.disconnect(f, f.stream)
		}
	})
	return answer{http.StatusTooManyRequests, text}, false, err
}
