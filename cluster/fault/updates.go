package fault

import (
	"time"

	"github.com/mesokit/mesokit/cluster/internal/link"
)

// Defaults of duplicate and reorder.
const (
	defaultCopies = 2
	defaultWindow = 2
	defaultHold   = time.Second
)

// Link returns what plays the rules about updates on what an agent sends to masters. It is for package cluster.
func (s *Set) Link(hostname string) link.Fault { return &linkFault{s, hostname} }

type linkFault struct {
	set      *Set
	hostname string
}

// Pass lets a message through, or does with it what the first rule says that hits it.
func (f *linkFault) Pass(m link.Message, deliver func(link.Message)) {
	u, ok := m.(link.StatusUpdate)
	if !ok || f.set.none(Update) {
		deliver(m)
		return
	}
	t := thing{
		framework: u.FrameworkID, name: f.set.nameOf(u.FrameworkID),
		agent: []string{u.Status.GetAgentId().GetValue(), f.hostname},
		task:  u.Status.GetTaskId().GetValue(), state: u.Status.GetState().String(),
	}
	for _, a := range f.set.list(Update) {
		if a.rule.matches(&t) && f.set.hit(a) {
			f.set.play(a, func() { deliver(m) })
			return
		}
	}
	deliver(m)
}

// play does to an update what a rule says.
func (s *Set) play(a *active, deliver func()) {
	switch a.rule.Do {
	case Drop:
	case Duplicate:
		n := a.rule.Copies
		if n == 0 {
			n = defaultCopies
		}
		for range n {
			deliver()
		}
	case Delay:
		s.later(a, deliver)
	case Reorder:
		s.collect(a, deliver)
	default:
		deliver()
	}
}

// later delivers after a while, or when the rule is removed.
func (s *Set) later(a *active, deliver func()) {
	s.mu.Lock()
	select {
	case <-a.released:
		s.mu.Unlock()
		deliver()
		return
	default:
	}
	if a.delayed == nil {
		a.delayed = map[*time.Timer]func(){}
	}
	var timer *time.Timer
	timer = time.AfterFunc(a.rule.Time, func() {
		s.mu.Lock()
		_, waiting := a.delayed[timer]
		delete(a.delayed, timer)
		s.mu.Unlock()
		if waiting {
			deliver()
		}
	})
	a.delayed[timer] = deliver
	s.mu.Unlock()
}

// collect holds an update until enough are there, or time is up.
func (s *Set) collect(a *active, deliver func()) {
	window, hold := a.rule.Window, a.rule.Time
	if window == 0 {
		window = defaultWindow
	}
	if hold == 0 {
		hold = defaultHold
	}
	s.mu.Lock()
	a.held = append(a.held, deliver)
	var release []func()
	select {
	case <-a.released:
		release = a.takeHeldLocked()
	default:
		if len(a.held) >= window {
			release = a.takeHeldLocked()
		} else if a.flush == nil {
			a.flush = time.AfterFunc(hold, func() {
				s.mu.Lock()
				release := a.takeHeldLocked()
				s.mu.Unlock()
				for _, f := range release {
					f()
				}
			})
		}
	}
	s.mu.Unlock()
	for _, f := range release {
		f()
	}
}

// takeHeldLocked returns what reorder holds, last first.
func (a *active) takeHeldLocked() []func() {
	held := a.held
	a.held = nil
	if a.flush != nil {
		a.flush.Stop()
		a.flush = nil
	}
	for i, j := 0, len(held)-1; i < j; i, j = i+1, j-1 {
		held[i], held[j] = held[j], held[i]
	}
	return held
}
