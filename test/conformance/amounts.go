package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A sum is an amount of resources: by what a resource is (everything but its value), how much of it.
// Scalars count in thousandths, as Mesos does.
type sum map[string]*amount

type amount struct {
	milli  int64
	ranges [][2]int64 // sorted, neither touching nor overlapping
	items  []string   // sorted
}

// sumOf adds up resources. Resources that make no sense count as nothing: comparing their trees
// shows them.
func sumOf(resources ...[]any) sum {
	s := make(sum)
	for _, l := range resources {
		for _, r := range l {
			s.add(r)
		}
	}
	for k, a := range s {
		if a.milli == 0 && a.ranges == nil && a.items == nil {
			delete(s, k)
		}
	}
	return s
}

func (s sum) add(resource any) {
	object, ok := resource.(map[string]any)
	if !ok {
		return
	}
	what := resourceKey(object)
	a := s[what]
	if a == nil {
		a = new(amount)
		s[what] = a
	}
	if n, ok := get(object, "scalar", "value").(json.Number); ok {
		f, _ := n.Float64()
		a.milli += int64(math.Round(f * 1000))
	}
	for _, r := range list(object, "ranges", "range") {
		begin, _ := get(r, "begin").(json.Number)
		end, _ := get(r, "end").(json.Number)
		b, errBegin := strconv.ParseInt(string(begin), 10, 64)
		e, errEnd := strconv.ParseInt(string(end), 10, 64)
		if errBegin == nil && errEnd == nil && b <= e {
			a.ranges = merge(append(a.ranges, [2]int64{b, e}))
		}
	}
	for _, item := range list(object, "set", "item") {
		if text, ok := item.(string); ok {
			a.items = append(a.items, text)
		}
	}
	slices.Sort(a.items)
}

// resourceKey is a resource without its value.
func resourceKey(resource map[string]any) string {
	k := maps.Clone(resource)
	delete(k, "scalar")
	delete(k, "ranges")
	delete(k, "set")
	return encode(k)
}

func merge(ranges [][2]int64) [][2]int64 {
	slices.SortFunc(ranges, func(a, b [2]int64) int {
		return int(min(1, max(-1, a[0]-b[0])))
	})
	var merged [][2]int64
	for _, r := range ranges {
		if n := len(merged); n > 0 && r[0] <= merged[n-1][1]+1 {
			merged[n-1][1] = max(merged[n-1][1], r[1])
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// covers says whether all of t is in s.
func (s sum) covers(t sum) bool {
	for what, need := range t {
		have := s[what]
		if have == nil || have.milli < need.milli {
			return false
		}
		for _, r := range need.ranges {
			if !slices.ContainsFunc(have.ranges, func(h [2]int64) bool { return h[0] <= r[0] && r[1] <= h[1] }) {
				return false
			}
		}
		for _, item := range need.items {
			if !slices.Contains(have.items, item) {
				return false
			}
		}
	}
	return true
}

func (s sum) equal(t sum) bool { return s.covers(t) && t.covers(s) }

// String writes the sum for people, in the notation of Mesos where it goes.
func (s sum) String() string {
	var parts []string
	for what, a := range s {
		k, err := decode([]byte(what))
		if err != nil {
			continue
		}
		var b strings.Builder
		b.WriteString(text(k, "name"))
		rest := maps.Clone(k.(map[string]any))
		delete(rest, "name")
		delete(rest, "type")
		delete(rest, "allocation_info")
		if len(rest) > 0 {
			b.WriteString(encode(rest))
		}
		switch {
		case a.ranges != nil:
			var ranges []string
			for _, r := range a.ranges {
				ranges = append(ranges, fmt.Sprintf("%d-%d", r[0], r[1]))
			}
			fmt.Fprintf(&b, ":[%s]", strings.Join(ranges, ","))
		case a.items != nil:
			fmt.Fprintf(&b, ":{%s}", strings.Join(a.items, ","))
		default:
			fmt.Fprintf(&b, ":%s", strconv.FormatFloat(float64(a.milli)/1000, 'f', -1, 64))
		}
		parts = append(parts, b.String())
	}
	if len(parts) == 0 {
		return "nothing"
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}
