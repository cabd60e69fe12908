package fault

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// tap plays the rules about events on one stream.
type tap struct {
	set   *Set
	w     *writer
	info  httpapi.StreamInfo
	ended chan struct{}
	once  sync.Once
	reset bool // set before ended is closed: with a reset of the connection
}

// TapStream implements httpapi.Tapper.
func (w *writer) TapStream(info httpapi.StreamInfo) httpapi.Tap {
	s := w.set
	s.learn(info.Framework, info.Name)
	t := &tap{set: s, w: w, info: info, ended: make(chan struct{})}
	w.call.Store(&thing{api: info.API, path: w.path, typ: "SUBSCRIBE", framework: info.Framework, name: info.Name, agent: w.names()})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taps[t] = struct{}{}
	return t
}

func (t *tap) thing() thing {
	return thing{api: t.info.API, framework: t.info.Framework, name: t.info.Name, agent: t.w.names()}
}

// endStreamsLocked ends all streams that a rule matches, at once.
func (s *Set) endStreamsLocked(a *active) {
	for t := range s.taps {
		if th := t.thing(); a.rule.matches(&th) {
			if s.hitLocked(a) {
				t.end(a.rule.Do == Reset)
			}
		}
	}
	a.over = true
	s.publishLocked()
}

func (t *tap) end(reset bool) {
	t.once.Do(func() {
		t.reset = reset
		close(t.ended)
		if reset {
			t.w.interrupt()
		}
	})
}

// Ended implements httpapi.Tap.
func (t *tap) Ended() <-chan struct{} { return t.ended }

// Close implements httpapi.Tap.
func (t *tap) Close() {
	t.set.mu.Lock()
	delete(t.set.taps, t)
	t.set.mu.Unlock()
	select {
	case <-t.ended:
		if t.reset {
			t.w.abort()
		}
	default:
	}
}

// Event implements httpapi.Tap.
func (t *tap) Event(ctx context.Context, m proto.Message, sent time.Time, frame []byte, write func([]byte) error) error {
	if t.set.none(Event) {
		return write(frame)
	}
	th := t.thing()
	describeEvent(m, &th)
	for _, a := range t.set.list(Event) {
		if !a.rule.matches(&th) || !t.set.hit(a) {
			continue
		}
		switch a.rule.Do {
		case Drop:
			return nil
		case Delay:
			if err := t.wait(ctx, a, time.Until(sent.Add(a.rule.Time))); err != nil {
				return err
			}
		case Stall:
			select {
			case <-a.released:
			case <-t.ended:
				return errSevered
			case <-ctx.Done():
				return ctx.Err()
			}
		case Sever:
			return errSevered
		case Reset:
			n := a.rule.Bytes
			if n == 0 {
				n = len(frame) / 2
			}
			_ = write(frame[:min(n, len(frame)-1)])
			t.w.abort()
			return errReset
		}
	}
	return write(frame)
}

// wait waits for a while; the end of the rule or of the stream cuts it short, the latter with an error.
func (t *tap) wait(ctx context.Context, a *active, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.released:
	case <-t.ended:
		return errSevered
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// describeEvent says what an event is and about which task.
func describeEvent(m proto.Message, t *thing) {
	switch e := m.(type) {
	case *schedulerpb.Event:
		t.typ = e.GetType().String()
		if s := e.GetUpdate().GetStatus(); s != nil {
			t.task, t.state = s.GetTaskId().GetValue(), s.GetState().String()
			t.agent = append([]string{s.GetAgentId().GetValue()}, t.agent...)
		}
	case *executorpb.Event:
		t.typ = e.GetType().String()
	case *masterpb.Event:
		t.typ = e.GetType().String()
	}
}
