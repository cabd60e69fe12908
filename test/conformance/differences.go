package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// A Known difference between the embedded cluster and Mesos, and why it is there. It covers all rows
// whose fields match its patterns; a pattern is a text in which * stands for anything, and an empty
// one matches everything.
type Known struct {
	Case     string `json:"case"`     // name of the capture
	Exchange string `json:"exchange"` // such as "#3 KILL*"
	Event    string `json:"event"`    // such as "UPDATE * TASK_RUNNING"
	Path     string `json:"path"`     // such as "$.update.status.message"
	Kind     string `json:"kind"`     // one of the kinds; empty for any
	Want     string `json:"want"`
	Got      string `json:"got"`
	// Area is what it concerns: master, agent, encoding, or recording (the capture shows
	// something that is not Mesos' doing).
	Area string `json:"area"`
	// Reason says why the difference is there and may stay.
	Reason string `json:"reason"`
	// Sometimes marks a difference that depends on time and need not show in every run.
	Sometimes bool `json:"sometimes,omitempty"`
}

// areas are the allowed values of Known.Area.
var areas = set("master", "agent", "encoding", "recording")

// LoadKnown reads the list of known differences.
func LoadKnown(file string) ([]Known, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	known, err := ParseKnown(data)
	if err != nil {
		return nil, fmt.Errorf("conformance: %s: %w", file, err)
	}
	return known, nil
}

// ParseKnown reads a list of known differences: {"differences": […]}.
func ParseKnown(data []byte) ([]Known, error) {
	var file struct {
		About       []string `json:"about"`
		Differences []Known  `json:"differences"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, err
	}
	var errs []error
	for i, k := range file.Differences {
		switch {
		case k.Case == "" || k.Case == "*":
			errs = append(errs, fmt.Errorf("difference %d: name the case", i))
		case len(strings.Fields(k.Reason)) < 3:
			errs = append(errs, fmt.Errorf("difference %d (%s): say why it is there", i, k.Case))
		case !areas[k.Area]:
			errs = append(errs, fmt.Errorf("difference %d (%s): area %q is none of master, agent, encoding, recording", i, k.Case, k.Area))
		case k.Exchange == "" && k.Event == "" && k.Path == "":
			errs = append(errs, fmt.Errorf("difference %d (%s): name the place", i, k.Case))
		}
	}
	return file.Differences, errors.Join(errs...)
}

// Covers says whether a row is this difference.
func (k *Known) Covers(r Row) bool {
	return !r.Same() && glob(k.Case, r.Case) && glob(k.Exchange, r.Exchange) && glob(k.Event, r.Event) && glob(k.Path, r.Path) &&
		glob(k.Kind, r.Kind) && glob(k.Want, r.Want) && glob(k.Got, r.Got)
}

// glob matches a text with a pattern in which * stands for anything; the empty pattern matches all.
func glob(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	if !strings.Contains(pattern, "*") {
		return s == pattern
	}
	return regexp.MustCompile("^(?s:" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + ")$").MatchString(s)
}

// A Verdict sorts rows by whether they are known.
type Verdict struct {
	Rows     []Row
	By       []int // for each row the known difference that covers it; -1 if none does, or it is the same
	New      []Row // differences that are not known
	Outdated []int // known differences that did not show, though their case ran
}

// Judge compares rows with the known differences. ran names the cases that were run to their end.
func Judge(rows []Row, known []Known, ran map[string]bool) Verdict {
	v := Verdict{Rows: rows, By: make([]int, len(rows))}
	shown := make([]bool, len(known))
	for i, r := range rows {
		v.By[i] = -1
		if r.Same() {
			continue
		}
		for j := range known {
			if known[j].Covers(r) {
				v.By[i], shown[j] = j, true
				break
			}
		}
		if v.By[i] < 0 {
			v.New = append(v.New, r)
		}
	}
	for j, k := range known {
		if !shown[j] && !k.Sometimes && ran[k.Case] {
			v.Outdated = append(v.Outdated, j)
		}
	}
	return v
}
