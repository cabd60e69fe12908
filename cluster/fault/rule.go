package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Target is where a rule applies.
type Target string

// Where rules apply.
const (
	Call   Target = "call"   // HTTP requests to masters and agents
	Event  Target = "event"  // events on streams to schedulers, executors and operators
	Update Target = "update" // status updates on their way from an agent to the master
)

// Action is what a rule does; see the package.
type Action string

// What rules do.
const (
	Answer    Action = "answer"
	Lose      Action = "lose"
	Delay     Action = "delay"
	Hang      Action = "hang"
	Reset     Action = "reset"
	Cut       Action = "cut"
	Limit     Action = "limit"
	Drop      Action = "drop"
	Stall     Action = "stall"
	Sever     Action = "sever"
	Duplicate Action = "duplicate"
	Reorder   Action = "reorder"
)

// Rule is one fault. On and Do are necessary; which other fields are allowed depends on them (see the package). Empty fields to match
// with match everything.
type Rule struct {
	// ID names the rule in its set; Add gives one to a rule without.
	ID string `json:"id,omitempty"`
	On Target `json:"on"`
	Do Action `json:"do"`

	API       string `json:"api,omitempty"`
	Path      string `json:"path,omitempty"`
	Type      string `json:"type,omitempty"`
	Framework string `json:"framework,omitempty"`
	Agent     string `json:"agent,omitempty"`
	Task      string `json:"task,omitempty"`
	State     string `json:"state,omitempty"`

	Skip        int           `json:"skip,omitempty"`
	Count       int           `json:"count,omitempty"`
	Probability float64       `json:"p,omitempty"` // 0 means 1
	Seed        uint64        `json:"seed,omitempty"`
	For         time.Duration `json:"for,omitempty"` // in JSON as text, "30s"

	Status int           `json:"status,omitempty"`
	Body   string        `json:"body,omitempty"`
	Header string        `json:"header,omitempty"` // "Name: value"
	Time   time.Duration `json:"time,omitempty"`   // in JSON as text
	Rate   int64         `json:"rate,omitempty"`   // bytes per second
	Bytes  int           `json:"bytes,omitempty"`
	Copies int           `json:"copies,omitempty"`
	Window int           `json:"window,omitempty"`
}

// RuleError reports a rule that cannot be meant.
type RuleError struct {
	Field  string // as in JSON and text
	Value  string
	Reason string
}

func (e *RuleError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("fault: %s: %s", e.Field, e.Reason)
	}
	return fmt.Sprintf("fault: %s %q: %s", e.Field, cutText(e.Value), e.Reason)
}

func cutText(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// keys of rules of a target or action, in the order in which they are written.
var (
	keysOf = map[Target][]string{
		Call:   {"api", "path", "type", "framework", "agent"},
		Event:  {"api", "type", "framework", "agent", "task", "state"},
		Update: {"framework", "agent", "task", "state"},
	}
	commonKeys = []string{"skip", "count", "p", "seed", "for"}
	actionsOf  = map[Target]map[Action]struct{ needs, allows []string }{
		Call: {
			Answer: {needs: []string{"status"}, allows: []string{"body", "header"}},
			Lose:   {}, Hang: {}, Reset: {}, Cut: {},
			Delay: {needs: []string{"time"}},
			Limit: {needs: []string{"rate"}},
		},
		Event: {
			Drop: {}, Stall: {}, Sever: {},
			Delay: {needs: []string{"time"}},
			Reset: {allows: []string{"bytes"}},
		},
		Update: {
			Drop:      {},
			Delay:     {needs: []string{"time"}},
			Duplicate: {allows: []string{"copies"}},
			Reorder:   {allows: []string{"window", "time"}},
		},
	}
)

// bounds of values, so that no rule exhausts the program that plays it.
const (
	maxPattern = 256
	maxBody    = 1 << 20
	maxCopies  = 100
	maxWindow  = 10_000
	maxTime    = 24 * time.Hour
)

// Validate returns a *RuleError if the rule cannot be meant.
func (r *Rule) Validate() error {
	actions, ok := actionsOf[r.On]
	if !ok {
		return &RuleError{"on", string(r.On), "want call, event or update"}
	}
	spec, ok := actions[r.Do]
	if !ok {
		var names []string
		for a := range actions {
			names = append(names, string(a))
		}
		slices.Sort(names)
		return &RuleError{"do", string(r.Do), fmt.Sprintf("want, on %s, one of %s", r.On, strings.Join(names, ", "))}
	}
	given := map[string]bool{}
	for key, v := range r.values() {
		given[key] = true
		if !slices.Contains(keysOf[r.On], key) && !slices.Contains(commonKeys, key) && !slices.Contains(spec.needs, key) && !slices.Contains(spec.allows, key) {
			return &RuleError{key, v, fmt.Sprintf("has no meaning for %s %s", r.On, r.Do)}
		}
	}
	for _, key := range spec.needs {
		if !given[key] {
			return &RuleError{key, "", fmt.Sprintf("is missing; %s %s needs it", r.On, r.Do)}
		}
	}
	return r.validateValues()
}

func (r *Rule) validateValues() error {
	if r.API != "" && r.API != "scheduler" && r.API != "executor" && r.API != "operator" {
		return &RuleError{"api", r.API, "want scheduler, executor or operator"}
	}
	for _, p := range []struct{ key, v string }{
		{"id", r.ID}, {"path", r.Path}, {"type", r.Type}, {"framework", r.Framework}, {"agent", r.Agent}, {"task", r.Task}, {"state", r.State},
	} {
		if len(p.v) > maxPattern {
			return &RuleError{p.key, p.v, fmt.Sprintf("is longer than %d bytes", maxPattern)}
		}
	}
	if strings.ContainsAny(r.ID, " \t\r\n/?#%\"") {
		return &RuleError{"id", r.ID, "must be a plain word"}
	}
	for _, n := range []struct {
		key            string
		v, least, most int
	}{
		{"skip", r.Skip, 0, 1 << 30}, {"count", r.Count, 0, 1 << 30},
		{"bytes", r.Bytes, 0, 1 << 30}, {"copies", r.Copies, 0, maxCopies}, {"window", r.Window, 0, maxWindow},
	} {
		if n.v < n.least || n.v > n.most {
			return &RuleError{n.key, fmt.Sprint(n.v), fmt.Sprintf("want %d to %d", n.least, n.most)}
		}
	}
	switch {
	case !(r.Probability >= 0 && r.Probability <= 1):
		return &RuleError{"p", fmt.Sprint(r.Probability), "want a probability, over 0 to 1"}
	case r.For < 0:
		return &RuleError{"for", r.For.String(), "must not be negative"}
	case r.Time < 0 || r.Time > maxTime:
		return &RuleError{"time", r.Time.String(), fmt.Sprintf("want up to %v", maxTime)}
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return &RuleError{"status", fmt.Sprint(r.Status), "want 200 to 599"}
	case len(r.Body) > maxBody:
		return &RuleError{"body", r.Body, fmt.Sprintf("is longer than %d bytes", maxBody)}
	case r.Rate < 0:
		return &RuleError{"rate", fmt.Sprint(r.Rate), "want bytes per second, such as 1kB/s"}
	}
	if _, _, err := r.header(); err != nil {
		return err
	}
	return nil
}

// header splits Header.
func (r *Rule) header() (name, value string, err error) {
	if r.Header == "" {
		return "", "", nil
	}
	name, value, ok := strings.Cut(r.Header, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	bad := func(c rune) bool { return c < ' ' || c == 0x7f }
	if !ok || name == "" || strings.ContainsAny(name, " \t\"(),/;<=>?@[\\]{}") || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }) || strings.ContainsFunc(value, bad) {
		return "", "", &RuleError{"header", r.Header, "want Name: value"}
	}
	return http.CanonicalHeaderKey(name), value, nil
}

// immediate reports whether the rule hits streams that are open, when it is added, and nothing else.
func (r *Rule) immediate() bool {
	return r.On == Event && (r.Do == Sever || r.Do == Reset) && r.Type == "" && r.Task == "" && r.State == "" && r.Count == 0 && r.Skip == 0
}

// lasts reports whether a hit takes until the rule ends.
func (r *Rule) lasts() bool { return r.Do == Hang || r.Do == Stall }

// plain is a Rule without methods.
type plain Rule

type ruleJSON struct {
	*plain
	For  string `json:"for,omitempty"`
	Time string `json:"time,omitempty"`
}

// MarshalJSON writes durations as text, such as "1m30s".
func (r Rule) MarshalJSON() ([]byte, error) { return json.Marshal(r.forJSON()) }

func (r Rule) forJSON() ruleJSON {
	j := ruleJSON{plain: (*plain)(&r)}
	if r.For != 0 {
		j.For = r.For.String()
	}
	if r.Time != 0 {
		j.Time = r.Time.String()
	}
	return j
}

// UnmarshalJSON is the inverse of MarshalJSON. Fields that rules do not have are errors. The rule is not validated.
func (r *Rule) UnmarshalJSON(data []byte) error {
	var j ruleJSON
	j.plain = new(plain)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return &RuleError{"rule", string(data), err.Error()}
	}
	return j.into(r)
}

// into turns what was read into a rule.
func (j *ruleJSON) into(r *Rule) error {
	rule := Rule(*j.plain)
	for _, d := range []struct {
		key, text string
		to        *time.Duration
	}{{"for", j.For, &rule.For}, {"time", j.Time, &rule.Time}} {
		if d.text == "" {
			continue
		}
		v, err := time.ParseDuration(d.text)
		if err != nil {
			return &RuleError{d.key, d.text, "want a duration, such as 1.5s"}
		}
		*d.to = v
	}
	*r = rule
	return nil
}
