package fault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a set.
const (
	// MaxRules is how many rules a set holds that can still hit something.
	MaxRules = 1000
	// keptRules is how many it remembers beyond that.
	keptRules = 100
	// maxNames is how many names of frameworks it remembers.
	maxNames = 10_000
)

// Errors of a Set.
var (
	ErrClosed   = errors.New("fault: the cluster has been closed")
	ErrTooMany  = fmt.Errorf("fault: there are %d rules; remove some", MaxRules)
	errSevered  = errors.New("fault: severed")
	errReset    = errors.New("fault: connection reset")
	errReleased = errors.New("fault: rule ended")
)

// UnknownRuleError reports the id of a rule that a set does not hold.
type UnknownRuleError struct{ ID string }

func (e *UnknownRuleError) Error() string { return fmt.Sprintf("fault: there is no rule %q", e.ID) }

// Set is a set of rules and what plays them. Its methods are safe for concurrent use. NewSet makes one.
type Set struct {
	rules [3]atomic.Pointer[[]*active] // those that can hit, by target, so that things pass without a lock where there are none

	mu      sync.Mutex
	all     []*active // in order of adding
	last    int       // of the numbers in ids
	taps    map[*tap]struct{}
	names   map[string]string // of frameworks, by id
	changed chan struct{}     // closed and replaced with every hit
	closed  bool
}

// active is a rule in a set. What is below rule is guarded by the set's mu.
type active struct {
	rule     Rule
	rng      *rand.Rand
	seen     int
	hits     int
	over     bool // it hits nothing any more
	expiry   *time.Timer
	released chan struct{} // closed when the rule has been removed or has expired
	held     []func()      // by reorder
	flush    *time.Timer
	delayed  map[*time.Timer]func() // by delay
}

// State is a rule of a set and what became of it.
type State struct {
	Rule
	// Text is the text form of the rule.
	Text string `json:"rule"`
	// Seen counts the things that matched, Hits those that were hit.
	Seen int `json:"seen"`
	Hits int `json:"hits"`
	// Over tells that the rule will not hit anything any more.
	Over bool `json:"over"`
}

type stateJSON struct {
	ruleJSON
	Text string `json:"rule"`
	Seen int    `json:"seen"`
	Hits int    `json:"hits"`
	Over bool   `json:"over"`
}

// MarshalJSON writes the fields of the rule beside the others.
func (s State) MarshalJSON() ([]byte, error) {
	return json.Marshal(stateJSON{s.Rule.forJSON(), s.Text, s.Seen, s.Hits, s.Over})
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *State) UnmarshalJSON(data []byte) error {
	var j stateJSON
	j.plain = new(plain)
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	*s = State{Text: j.Text, Seen: j.Seen, Hits: j.Hits, Over: j.Over}
	return j.into(&s.Rule)
}

// NewSet returns an empty set.
func NewSet() *Set {
	return &Set{taps: map[*tap]struct{}{}, names: map[string]string{}, changed: make(chan struct{})}
}

func indexOf(t Target) int {
	switch t {
	case Call:
		return 0
	case Event:
		return 1
	default:
		return 2
	}
}

// none reports whether no rule applies to a target: the usual case, which must cost nothing.
func (s *Set) none(t Target) bool {
	p := s.rules[indexOf(t)].Load()
	return p == nil || len(*p) == 0
}

// Add adds a rule and returns its id. It applies to what happens after Add has returned. The error is a *RuleError, ErrTooMany or
// ErrClosed.
func (s *Set) Add(r Rule) (id string, err error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	if r.Count == 0 && (r.Do == Sever || r.Do == Reset) && r.On == Event && !r.immediate() {
		r.Count = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", ErrClosed
	}
	if s.livingLocked() >= MaxRules {
		return "", ErrTooMany
	}
	if r.ID == "" {
		for r.ID == "" || s.findLocked(r.ID) != nil {
			s.last++
			r.ID = "f" + strconv.Itoa(s.last)
		}
	} else if s.findLocked(r.ID) != nil {
		return "", &RuleError{"id", r.ID, "is taken by another rule"}
	}
	a := &active{rule: r, released: make(chan struct{})}
	if r.Probability > 0 && r.Probability < 1 {
		a.rng = rand.New(rand.NewPCG(cmp.Or(r.Seed, rand.Uint64()), 0x6661756c74))
	}
	s.all = append(s.all, a)
	if r.immediate() {
		s.endStreamsLocked(a)
		return r.ID, nil
	}
	if r.For > 0 {
		a.expiry = time.AfterFunc(r.For, func() { s.end(a) })
	}
	s.publishLocked()
	return r.ID, nil
}

// AddText adds a rule in its text form. The error is a *ParseError or one of Add.
func (s *Set) AddText(text string) (id string, err error) {
	r, err := Parse(text)
	if err != nil {
		return "", err
	}
	return s.Add(r)
}

// Remove removes a rule. What it holds goes on: stalled streams, updates that are delayed. Connections that hang are reset. The error is an
// *UnknownRuleError.
func (s *Set) Remove(id string) error {
	s.mu.Lock()
	a := s.findLocked(id)
	if a == nil {
		s.mu.Unlock()
		return &UnknownRuleError{id}
	}
	s.all = slices.DeleteFunc(s.all, func(b *active) bool { return a == b })
	s.mu.Unlock()
	s.end(a)
	return nil
}

// Clear removes all rules.
func (s *Set) Clear() {
	s.mu.Lock()
	all := s.all
	s.all = nil
	s.publishLocked()
	s.mu.Unlock()
	for _, a := range all {
		s.end(a)
	}
}

// List returns the rules in the order of their adding: all that can hit something still, and some that cannot.
func (s *Set) List() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]State, len(s.all))
	for i, a := range s.all {
		list[i] = State{a.rule, a.rule.String(), a.seen, a.hits, a.over}
	}
	return list
}

// Wait waits until a rule has hit n times. The error is that of ctx, or an *UnknownRuleError, or ErrClosed.
func (s *Set) Wait(ctx context.Context, id string, n int) error {
	for {
		s.mu.Lock()
		a, changed, closed := s.findLocked(id), s.changed, s.closed
		enough := a != nil && a.hits >= n
		s.mu.Unlock()
		switch {
		case enough:
			return nil
		case closed:
			return ErrClosed
		case a == nil:
			return &UnknownRuleError{id}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends all rules. What they hold is lost.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	all := s.all
	for _, a := range all {
		a.held = nil
		for t := range a.delayed {
			t.Stop()
		}
		a.delayed = nil
	}
	s.broadcastLocked()
	s.mu.Unlock()
	for _, a := range all {
		s.end(a)
	}
}

func (s *Set) broadcastLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Set) livingLocked() (n int) {
	for _, a := range s.all {
		if !a.over {
			n++
		}
	}
	return n
}

func (s *Set) findLocked(id string) *active {
	for _, a := range s.all {
		if a.rule.ID == id {
			return a
		}
	}
	return nil
}

// publishLocked makes the rules known to what they apply to, and forgets old ones.
func (s *Set) publishLocked() {
	if n := len(s.all) - s.livingLocked() - keptRules; n > 0 {
		s.all = slices.DeleteFunc(s.all, func(a *active) bool {
			if a.over && n > 0 && !a.rule.lasts() {
				n--
				return true
			}
			return false
		})
	}
	var lists [3][]*active
	for _, a := range s.all {
		if i := indexOf(a.rule.On); !a.over && !a.rule.immediate() {
			lists[i] = append(lists[i], a)
		}
	}
	for i := range lists {
		s.rules[i].Store(&lists[i])
	}
	s.broadcastLocked()
}

// end makes a rule hit nothing any more and lets go what it holds.
func (s *Set) end(a *active) {
	s.mu.Lock()
	a.over = true
	if a.expiry != nil {
		a.expiry.Stop()
	}
	select {
	case <-a.released:
	default:
		close(a.released)
	}
	release := a.takeHeldLocked()
	for t, f := range a.delayed {
		if t.Stop() {
			release = append(release, f)
		}
	}
	a.delayed = nil
	s.publishLocked()
	s.mu.Unlock()
	for _, f := range release {
		f()
	}
}

// hit decides whether a rule hits a thing that it matches.
func (s *Set) hit(a *active) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hitLocked(a)
}

func (s *Set) hitLocked(a *active) bool {
	if a.over {
		return false
	}
	a.seen++
	if a.seen <= a.rule.Skip || a.rng != nil && a.rng.Float64() >= a.rule.Probability {
		return false
	}
	a.hits++
	if a.rule.Count > 0 && a.hits >= a.rule.Count {
		a.over = true
		s.publishLocked()
	} else {
		s.broadcastLocked()
	}
	return true
}

// list returns the rules that apply to a target.
func (s *Set) list(t Target) []*active {
	if p := s.rules[indexOf(t)].Load(); p != nil {
		return *p
	}
	return nil
}

// learn remembers the name of a framework.
func (s *Set) learn(id, name string) {
	if id == "" || name == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.names[id]; !known && len(s.names) >= maxNames {
		clear(s.names)
	}
	s.names[id] = name
}

func (s *Set) nameOf(framework string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[framework]
}

// wait waits for d, unless the rule or ctx ends before: then it returns errReleased or the error of ctx.
func (a *active) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-a.released:
		return errReleased
	case <-ctx.Done():
		return ctx.Err()
	}
}
