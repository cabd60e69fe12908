package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/duration"
)

// Duration is a time.Duration. In JSON: a string in Go's notation (1m30s) or Mesos' (15secs, 1.5hrs), or a number of seconds.
type Duration time.Duration

// String returns Go's notation without parts that are zero: 5m, not 5m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalText returns what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads both notations.
func (d *Duration) UnmarshalText(text []byte) error {
	v, ok := parseDuration(string(text))
	if !ok {
		return fmt.Errorf("%s is no duration: %s", quoteShort(string(text)), durationHelp)
	}
	*d = v
	return nil
}

const durationHelp = `write "1m30s", "15secs", "1.5hrs" or a number of seconds`

func parseDuration(s string) (Duration, bool) {
	s = strings.TrimSpace(s)
	if d, err := time.ParseDuration(s); err == nil {
		return Duration(d), true
	}
	if d, err := duration.Parse(strings.ReplaceAll(s, " ", "")); err == nil {
		return Duration(d), true
	}
	// The old SDK's retry time has no unit in places.
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return seconds(f)
	}
	return 0, false
}

// seconds converts to whole nanoseconds.
func seconds(f float64) (Duration, bool) {
	if ns := math.Round(f * 1e9); ns > math.MinInt64 && ns < math.MaxInt64 { // false for NaN
		return Duration(ns), true
	}
	return 0, false
}

func (d *Duration) decodeForm(dec *decoder, n *node, _ string, at place) {
	var ok bool
	switch n.kind {
	case '"':
		*d, ok = parseDuration(n.text)
	case '0':
		if f, err := strconv.ParseFloat(n.text, 64); err == nil {
			*d, ok = seconds(f)
		}
	}
	if !ok {
		dec.fail(at, "is "+n.describe()+", no duration", durationHelp)
	}
}

// Seconds returns the duration in seconds, as Mesos' messages have it.
func (d Duration) Seconds() float64 { return time.Duration(d).Seconds() }

// MB is an amount of memory or disk in megabytes, as Mesos counts them (1 MB is 1024×1024 bytes). In JSON: a number of megabytes, or a string with a
// unit such as 512MB, 1.5 GiB or 2T; KB and KiB mean the same.
type MB float64

const sizeHelp = `write a number of megabytes or a size such as "512MB" or "1.5GB"`

// parseSize reads a size with a unit.
func parseSize(s string) (MB, bool) {
	s = strings.TrimSpace(s)
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	number, unit := s, "MB"
	if i >= 0 {
		number, unit = s[:i], strings.TrimSpace(s[i:])
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, false
	}
	unit = strings.TrimSuffix(strings.ToUpper(unit), "B")
	switch strings.TrimSuffix(unit, "I") {
	case "":
		if unit == "I" {
			return 0, false
		}
		f /= 1 << 20 // bytes
	case "K":
		f /= 1 << 10
	case "M":
	case "G":
		f *= 1 << 10
	case "T":
		f *= 1 << 20
	case "P":
		f *= 1 << 30
	default:
		return 0, false
	}
	return MB(f), true
}

func (m *MB) decodeForm(dec *decoder, n *node, _ string, at place) {
	var ok bool
	switch n.kind {
	case '"':
		*m, ok = parseSize(n.text)
	case '0':
		f, err := strconv.ParseFloat(n.text, 64)
		*m, ok = MB(f), err == nil
	}
	if !ok {
		*m = 0
		dec.fail(at, "is "+n.describe()+", no size", sizeHelp)
	}
}

// Strings is a list of strings. In JSON: an array, or a single string.
type Strings []string

func (l *Strings) decodeForm(dec *decoder, n *node, canonical string, at place) {
	switch n.kind {
	case '"':
		*l = Strings{n.text}
	case '[':
		for i, item := range n.items {
			here := place{element(at.path, i), item.offset}
			dec.places[element(canonical, i)] = here
			if dec.is(item, '"', "a string", here) {
				*l = append(*l, item.text)
			}
		}
	default:
		dec.fail(at, "is "+n.describe(), "give an array of strings")
	}
}

// Labels are names with values. In JSON: an object of strings, or, as the old SDK has it, an array of such objects.
type Labels map[string]string

func (l *Labels) decodeForm(dec *decoder, n *node, canonical string, at place) {
	objects := []*node{n}
	if n.kind == '[' {
		objects = n.items
	}
	all := map[string]string{}
	for i, o := range objects {
		here := at
		if n.kind == '[' {
			here = place{element(at.path, i), o.offset}
		}
		if !dec.is(o, '{', `an object of strings: {"name": "value", …}`, here) {
			continue
		}
		for _, m := range o.members {
			in := place{pointer(here.path, m.name), m.value.offset}
			if _, twice := all[m.name]; twice {
				dec.fail(place{in.path, m.offset}, "given twice", "remove one of them")
				continue
			}
			all[m.name] = ""
			dec.places[pointer(canonical, m.name)] = in
			if m.value.kind != 'n' && dec.is(m.value, '"', "a string", in) {
				all[m.name] = m.value.text
			}
		}
	}
	if len(all) > 0 {
		*l = all
	}
}

// encode writes v as encoding/json does, but leaves <, > and & as they are: commands are full of them.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
