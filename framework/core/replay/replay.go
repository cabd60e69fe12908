package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store"
)

// Recorder writes a log. It is not safe for concurrent use: the goroutine that applies records.
type Recorder struct {
	w   io.Writer
	err error
}

// NewRecorder begins a log with what core.Restore was given. Writes to w are one per frame; buffering, rotation and syncing are the caller's.
func NewRecorder(w io.Writer, now time.Time, cfg core.Config, records []store.Record) (*Recorder, error) {
	r := &Recorder{w: w}
	r.err = writeFrame(w, Frame{Header: &Header{Version: Version, Started: now, Config: configOf(cfg)}})
	for _, rec := range records {
		if r.err == nil {
			r.err = writeFrame(w, Frame{Record: recordOf(rec)})
		}
	}
	return r, r.err
}

// Apply records one Apply. After an error nothing more is recorded, and the error is returned every time: a log with gaps is of no use.
func (r *Recorder) Apply(now time.Time, inputs []core.Input, out *core.Effects) error {
	if r.err != nil {
		return r.err
	}
	a := &Apply{Time: now}
	for _, in := range inputs {
		i, err := inputOf(in)
		if err != nil {
			r.err = err
			return err
		}
		a.Inputs = append(a.Inputs, i)
	}
	if a.Effects, r.err = effectsOf(out); r.err == nil {
		r.err = writeFrame(r.w, Frame{Apply: a})
	}
	return r.err
}

// Difference is an Apply that wants something else than was recorded.
type Difference struct {
	Apply int // number of the Apply, from 1
	Time  time.Time
	What  string // writes, calls, replies
	// Want was recorded, Got came out now: the first element that differs, "" if there is none.
	Want, Got string
}

// String describes the difference.
func (d Difference) String() string {
	return fmt.Sprintf("apply %d at %s: %s differ: recorded %s, now %s", d.Apply, d.Time.Format(time.RFC3339Nano), d.What, orNothing(d.Want), orNothing(d.Got))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// Report says how a replay went.
type Report struct {
	Header      Header
	Applies     int
	Inputs      int
	Differences []Difference // the first MaxDifferences
	Core        *core.Core   // in its last state
}

// MaxDifferences bounds a Report: after the first difference, most of what follows differs too.
const MaxDifferences = 100

// Replay feeds a log to a new core. cfg gives the placer; everything else in it is replaced by what was recorded. each, if not nil, is called after every Apply.
//
// Errors are those of Frames, *FrameError for inputs that can't be understood, and *core.RecordError for records that the core does not take.
func Replay(ctx context.Context, r io.Reader, cfg core.Config, each func(*Apply, *core.Effects)) (*Report, error) {
	rep := &Report{}
	var records []store.Record
	line := 0
	begin := func() error {
		if rep.Core != nil {
			return nil
		}
		c, err := core.Restore(rep.Header.Started, rep.Header.Config.apply(cfg), records)
		rep.Core, records = c, nil
		return err
	}
	for f, err := range Frames(r) {
		line++
		if err != nil {
			return rep, err
		}
		if err := ctx.Err(); err != nil {
			return rep, err
		}
		switch {
		case f.Header != nil:
			rep.Header = *f.Header
		case f.Record != nil:
			if rep.Core != nil {
				return rep, &FrameError{Line: line, Reason: "a record after the first apply"}
			}
			records = append(records, f.Record.stored())
		case f.Apply != nil:
			if err := begin(); err != nil {
				return rep, err
			}
			if err := rep.apply(line, f.Apply, each); err != nil {
				return rep, err
			}
		}
	}
	if line == 0 {
		return rep, &FrameError{Line: 1, Reason: "the log is empty"}
	}
	return rep, begin()
}

func (rep *Report) apply(line int, a *Apply, each func(*Apply, *core.Effects)) error {
	var inputs []core.Input
	for k := range a.Inputs {
		in, err := a.Inputs[k].Input()
		if err != nil {
			return &FrameError{Line: line, Reason: fmt.Sprintf("input %d", k+1), Err: err}
		}
		inputs = append(inputs, in)
	}
	rep.Applies++
	rep.Inputs += len(inputs)
	out := rep.Core.Apply(a.Time, inputs...)
	if each != nil {
		each(a, out)
	}
	if a.Effects == nil || len(rep.Differences) >= MaxDifferences {
		return nil
	}
	got, err := effectsOf(out)
	if err != nil {
		return &FrameError{Line: line, Reason: "effects", Err: err}
	}
	diff := func(what, want, now string) {
		if len(rep.Differences) < MaxDifferences {
			rep.Differences = append(rep.Differences, Difference{rep.Applies, a.Time, what, want, now})
		}
	}
	if k := firstDifference(a.Effects.Writes, got.Writes, func(a, b string) bool { return a == b }); k >= 0 {
		diff("writes", at(a.Effects.Writes, k), at(got.Writes, k))
	}
	if k := firstDifference(a.Effects.Calls, got.Calls, sameJSON); k >= 0 {
		diff("calls", string(at(a.Effects.Calls, k)), string(at(got.Calls, k)))
	}
	if !slices.Equal(a.Effects.Replies, got.Replies) {
		diff("replies", fmt.Sprint(a.Effects.Replies), fmt.Sprint(got.Replies))
	}
	return nil
}

// sameJSON compares without regard to how white space and characters are written: the log is compact.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

func firstDifference[T any](a, b []T, same func(a, b T) bool) int {
	for k := range max(len(a), len(b)) {
		if k >= len(a) || k >= len(b) || !same(a[k], b[k]) {
			return k
		}
	}
	return -1
}

func at[T any](list []T, k int) (zero T) {
	if k < len(list) {
		return list[k]
	}
	return zero
}
