// Package duration reads and writes durations as Mesos flags and endpoints do: a number and a unit, such as 1.5hrs or 250ms.
//
// Go's notation (1h30m) is another one; use time.ParseDuration for it. Units are ns, us, ms, secs, mins, hrs, days
// and weeks. Mesos' own reader is stout's Duration::parse.
package duration

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// unit is one unit; units are listed from small to large.
type unit struct {
	name string
	len  time.Duration
}

var units = [...]unit{
	{"ns", time.Nanosecond},
	{"us", time.Microsecond},
	{"ms", time.Millisecond},
	{"secs", time.Second},
	{"mins", time.Minute},
	{"hrs", time.Hour},
	{"days", 24 * time.Hour},
	{"weeks", 7 * 24 * time.Hour},
}

// ParseError reports text that is no duration.
type ParseError struct {
	Text   string
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("invalid duration %q: %s", e.Text, e.Reason) }

// Parse reads a duration such as 15secs, 0.5hrs or -3weeks. Digits beyond whole nanoseconds are cut off. The error
// is a *ParseError.
//
// A leading minus, which Format writes, is understood although Mesos flags refuse it.
func Parse(s string) (time.Duration, error) {
	d, err := parse(s)
	if err != nil {
		return 0, &ParseError{s, err.Error()}
	}
	return d, nil
}

var errRange = errors.New("beyond 292 years")

func parse(s string) (time.Duration, error) {
	digits, negative := strings.CutPrefix(s, "-")
	n := 0
	for n < len(digits) && (digits[n] >= '0' && digits[n] <= '9' || digits[n] == '.') {
		n++
	}
	number, name := digits[:n], digits[n:]
	if number == "" || number == "." {
		return 0, errors.New("does not start with a number, as 15secs does")
	}
	if name == "" {
		return 0, errors.New("has no unit; write ns, us, ms, secs, mins, hrs, days or weeks after the number")
	}
	for _, u := range units {
		if u.name == name {
			return scale(number, uint64(u.len), negative)
		}
	}
	return 0, fmt.Errorf("unknown unit %q; use ns, us, ms, secs, mins, hrs, days or weeks", name)
}

// scale multiplies a decimal number exactly: floats would lose nanoseconds beyond 104 days.
func scale(number string, unit uint64, negative bool) (time.Duration, error) {
	whole, fraction, _ := strings.Cut(number, ".")
	if strings.Contains(fraction, ".") {
		return 0, fmt.Errorf("%q is not a number", number)
	}
	var w uint64
	if whole != "" {
		var err error
		if w, err = strconv.ParseUint(whole, 10, 64); err != nil {
			return 0, errRange
		}
	}
	hi, ns := bits.Mul64(w, unit)
	if hi != 0 {
		return 0, errRange
	}
	// Eighteen digits resolve a week to far less than a nanosecond.
	fraction = fraction[:min(len(fraction), 18)]
	if fraction != "" {
		f, err := strconv.ParseUint(fraction, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number", number)
		}
		power := uint64(1)
		for range fraction {
			power *= 10
		}
		hi, lo := bits.Mul64(f, unit)
		part, _ := bits.Div64(hi, lo, power) // f < power, so that the quotient is below unit
		var carry uint64
		if ns, carry = bits.Add64(ns, part, 0); carry != 0 {
			return 0, errRange
		}
	}
	switch {
	case negative && ns <= 1<<63:
		return time.Duration(-int64(ns)), nil // -(1<<63) wraps to itself
	case ns > math.MaxInt64:
		return 0, errRange
	}
	return time.Duration(ns), nil
}

// Format writes d as Mesos does, in the largest unit that is not longer than d, or in the next smaller one if that makes it a whole
// number: 15secs, 90mins, 10days, 1.5ms. Where Mesos would round off nanoseconds, a smaller unit is used, so
// that Parse gives d again.
func Format(d time.Duration) string {
	var b []byte
	abs := uint64(d)
	if d < 0 {
		b = append(b, '-')
		abs = -abs
	}
	i := len(units) - 1
	for i > 0 && abs < uint64(units[i].len) {
		i--
	}
	for ; ; i-- {
		u := units[i]
		switch {
		case abs%uint64(u.len) == 0:
			return string(append(strconv.AppendUint(b, abs/uint64(u.len), 10), u.name...))
		case abs%uint64(units[i-1].len) == 0: // not reached for ns, of which everything is a multiple
			return string(append(strconv.AppendUint(b, abs/uint64(units[i-1].len), 10), units[i-1].name...))
		}
		// Mesos prints 15 significant digits.
		text := strconv.FormatFloat(float64(abs)/float64(u.len), 'g', 15, 64)
		if back, err := scale(text, uint64(u.len), false); err == nil && uint64(back) == abs {
			return string(append(append(b, text...), u.name...))
		}
	}
}
