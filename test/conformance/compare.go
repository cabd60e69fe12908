package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kinds of differences.
const (
	KindValue   = "value"   // another value
	KindType    = "type"    // another JSON type; an integer is not a double
	KindMissing = "missing" // recorded, but not sent by the target
	KindExtra   = "extra"   // sent by the target, but not recorded
	KindID      = "id"      // an id that does not stand for what it stood for before
	KindStatus  = "status"  // another HTTP status
	KindOrder   = "order"   // an event at another place in its stream
	KindLate    = "late"    // an event that came after a request that should have followed it
	KindUnsent  = "unsent"  // a request that could not be sent: what it is about never came
	KindStream  = "stream"  // the stream ended, or did not
	KindOffers  = "offers"  // other resources on offer
)

// A Difference is one place in which two values differ.
type Difference struct {
	Path string // in JSON path notation, with names for elements of unordered lists
	Kind string
	Want string
	Got  string
}

// comparer compares values of a recording with values of a target.
type comparer struct {
	ids *bindings
	// commit remembers which ids stand for each other.
	commit bool
	// anyAmounts ignores how much of a resource there is.
	anyAmounts bool
	// shared ignores what snapshots say about frameworks that the replay has not met.
	shared bool
	// roles are those that the recording names; nil for all.
	roles map[string]bool
	// restore puts recorded texts in the place of those that the target was given instead.
	restore *strings.Replacer
	out     []Difference
}

// timeKeys are fields of which only the presence and the type are compared, and for numbers
// whether they are zero ("never").
var timeKeys = set("timestamp", "registered_time", "reregistered_time", "unregistered_time", "start_time",
	"elected_time", "unreachable_time", "estimated_drain_start_time", "build_time", "build_date")

// hostKeys are fields of which only the presence and the type are compared: what differs from
// host to host and from build to build.
var hostKeys = set("hostname", "ip", "ip_address", "port", "executor_pid", "version", "git_branch", "git_sha", "git_tag",
	"build_user", "advertise_ip", "webui_dir", "work_dir")

// unorderedKeys are lists without an order of their own.
var unorderedKeys = set("offers", "tasks", "unreachable_tasks", "frameworks", "executors", "agents", "slaves",
	"framework_ids", "slave_ids", "flags", "metrics", "weight_infos", "infos", "configs", "draining_machines")

// amountKeys are fields that say how much of a resource there is.
var amountKeys = set("scalar", "begin", "end", "cpus", "mem", "disk", "gpus")

func set(keys ...string) map[string]bool {
	m := make(map[string]bool, len(keys))
	for _, k := range keys {
		m[k] = true
	}
	return m
}

// unordered says whether a list has no order of its own.
func unordered(key string, elements []any) bool {
	if key == "roles" { // those of a framework are ordered texts, those of a master objects
		return len(elements) > 0 && kind(elements[0]) == "object"
	}
	if key == "" { // the body is a list: that of /weights
		return len(elements) > 0 && text(elements[0], "role") != ""
	}
	return unorderedKeys[key] || strings.HasSuffix(key, "resources") || strings.HasSuffix(key, "resources_full")
}

func (c *comparer) report(path, kind string, want, got any) {
	c.out = append(c.out, Difference{Path: path, Kind: kind, Want: show(want), Got: show(got)})
}

// show writes a value for people, in one line.
func show(v any) string {
	s, ok := v.(string)
	if !ok {
		s = encode(v)
	}
	const most = 400
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}

// cost says how much two values differ, without any effect: 0 if they do not, and the more text is
// different the more.
func (c *comparer) cost(want, got any, key string) int {
	dry := &comparer{ids: c.ids, anyAmounts: c.anyAmounts, shared: c.shared, roles: c.roles, restore: c.restore}
	dry.compare(want, got, "$", key)
	cost := 0
	for _, d := range dry.out {
		cost += 1 + len(d.Want) + len(d.Got)
	}
	return cost
}

// compare reports how got differs from want. key is the key under which the values are found.
func (c *comparer) compare(want, got any, path, key string) {
	if timeKeys[key] || hostKeys[key] {
		c.compareShape(want, got, path, key, timeKeys[key])
		return
	}
	if kind(want) != kind(got) {
		c.report(path, KindType, fmt.Sprintf("%s %s", kind(want), show(want)), fmt.Sprintf("%s %s", kind(got), show(got)))
		return
	}
	switch want := want.(type) {
	case map[string]any:
		c.compareObject(want, got.(map[string]any), path, key)
	case []any:
		c.compareList(want, got.([]any), path, key)
	case string:
		c.compareText(want, got.(string), path, key)
	case json.Number:
		if c.anyAmounts && amountKeys[key] {
			return
		}
		if !sameNumber(want, got.(json.Number)) {
			c.report(path, KindValue, want, got)
		}
	default:
		if want != got {
			c.report(path, KindValue, want, got)
		}
	}
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if kind(a) == "integer" {
		return false
	}
	x, errX := strconv.ParseFloat(string(a), 64)
	y, errY := strconv.ParseFloat(string(b), 64)
	return errX == nil && errY == nil && x == y
}

// compareShape compares types, the keys of objects, and whether times are zero.
func (c *comparer) compareShape(want, got any, path, key string, zero bool) {
	if kind(want) != kind(got) {
		c.report(path, KindType, kind(want), fmt.Sprintf("%s %s", kind(got), show(got)))
		return
	}
	switch want := want.(type) {
	case map[string]any:
		got := got.(map[string]any)
		for _, k := range keys(want, got) {
			w, inWant := want[k]
			g, inGot := got[k]
			switch {
			case !inGot:
				if c.expectable(key, k, w) {
					c.report(path+"."+k, KindMissing, w, "")
				}
			case !inWant:
				if !c.foreignKey(k) && c.expectable(key, k, g) {
					c.report(path+"."+k, KindExtra, "", g)
				}
			default:
				c.compareShape(w, g, path+"."+k, k, zero)
			}
		}
	case json.Number:
		if zero && isZero(want) != isZero(got.(json.Number)) {
			c.report(path, KindValue, want, got)
		}
	}
}

func isZero(n json.Number) bool {
	f, err := strconv.ParseFloat(string(n), 64)
	return err == nil && f == 0
}

// keys lists the keys of both objects in alphabetical order.
func keys(a, b map[string]any) []string {
	all := make(map[string]bool, len(a))
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func (c *comparer) compareObject(want, got map[string]any, path, key string) {
	want = c.translateKeys(want)
	for _, k := range keys(want, got) {
		w, inWant := want[k]
		g, inGot := got[k]
		at := path + "." + k
		switch {
		case !inGot:
			if c.expectable(key, k, w) {
				c.report(at, KindMissing, w, "")
			}
		case !inWant:
			if c.expectable(key, k, g) && !(c.shared && key == "flags") {
				c.report(at, KindExtra, "", g)
			}
		case c.shared && key == "flags": // whose values are the operator's choice
			c.compareShape(w, g, at, k, false)
		default:
			c.compare(w, g, at, inside(key, k))
		}
	}
}

// translateKeys puts the target's ids into keys, such as the names of metrics.
func (c *comparer) translateKeys(want map[string]any) map[string]any {
	var translated map[string]any
	for k := range want {
		var missing []string
		if t := c.ids.translate("", k, &missing); t != k {
			if translated == nil {
				translated = maps.Clone(want)
			}
			delete(translated, k)
			translated[t] = want[k]
		}
	}
	if translated != nil {
		return translated
	}
	return want
}

func (c *comparer) compareList(want, got []any, path, key string) {
	want, got = c.recordedOurs(want), c.ours(got)
	if key == "flags" || key == "metrics" {
		c.compareNamed(want, got, path, key)
		return
	}
	if unordered(key, want) {
		c.compareUnordered(want, got, path, key)
		return
	}
	for i := range max(len(want), len(got)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(got):
			c.report(at, KindMissing, want[i], "")
		case i >= len(want):
			c.report(at, KindExtra, "", got[i])
		default:
			c.compare(want[i], got[i], at, key)
		}
	}
}

// compareNamed compares lists of {"name": …, "value": …}; of metrics, and of flags that are facts
// of the host, only the names.
func (c *comparer) compareNamed(want, got []any, path, key string) {
	index := func(l []any, translate bool) map[string]any {
		m := make(map[string]any, len(l))
		for _, e := range l {
			m[text(e, "name")] = get(e, "value")
		}
		if translate {
			return c.translateKeys(m)
		}
		return m
	}
	w, g := index(want, true), index(got, false)
	for _, name := range keys(w, g) {
		at := path + "[" + name + "]"
		_, inWant := w[name]
		_, inGot := g[name]
		switch {
		case !inGot:
			if c.expectable(key, name, w[name]) {
				c.report(at, KindMissing, w[name], "")
			}
		case !inWant:
			if !c.foreignKey(name) && c.expectable(key, name, g[name]) && !(c.shared && key == "flags") {
				c.report(at, KindExtra, "", g[name])
			}
		case key == "metrics" || c.shared && key == "flags":
			c.compareShape(w[name], g[name], at, name, false)
		default:
			c.compare(w[name], g[name], at, name)
		}
	}
}

// compareUnordered pairs equal elements first, then those of the same name, then the rest by how
// little they differ.
func (c *comparer) compareUnordered(want, got []any, path, key string) {
	partner := make([]int, len(want))
	used := make([]bool, len(got))
	for i := range partner {
		partner[i] = -1
	}
	pair := func(acceptable func(w, g any) (int, bool)) {
		for i, w := range want {
			if partner[i] >= 0 {
				continue
			}
			best, least := -1, 0
			for j, g := range got {
				if used[j] {
					continue
				}
				if cost, ok := acceptable(w, g); ok && (best < 0 || cost < least) {
					best, least = j, cost
				}
			}
			if best >= 0 {
				partner[i], used[best] = best, true
			}
		}
	}
	pair(func(w, g any) (int, bool) { n := c.cost(w, g, key); return n, n == 0 })
	pair(func(w, g any) (int, bool) { n := name(w); return c.cost(w, g, key), n != "" && n == name(g) })
	pair(func(w, g any) (int, bool) { return c.cost(w, g, key), name(w) == "" || name(g) == "" })

	for i, w := range want {
		at := path + "[" + label(w, i) + "]"
		if partner[i] < 0 {
			c.report(at, KindMissing, w, "")
			continue
		}
		c.compare(w, got[partner[i]], at, key)
	}
	for j, g := range got {
		if !used[j] {
			c.report(path+"["+label(g, j)+"]", KindExtra, "", g)
		}
	}
}

// name is what tells an element of an unordered list from others, if it has a name.
func name(v any) string {
	for _, path := range [][]string{
		{"name"}, {"task_id", "value"}, {"framework_info", "name"}, {"executor_info", "executor_id", "value"},
		{"agent_info", "hostname"}, {"role"},
	} {
		if s := text(v, path...); s != "" {
			return s
		}
	}
	return ""
}

func label(v any, i int) string {
	if s := name(v); s != "" {
		return s
	}
	return strconv.Itoa(i)
}

// foreign says whether an element of a snapshot is about a framework that the replay has not met.
func (c *comparer) foreign(v any) bool {
	ids := []string{text(v, "framework_id", "value"), text(v, "framework_id"), text(v, "framework_info", "id", "value"),
		text(v, "id"), text(v, "value")}
	if s, ok := v.(string); ok {
		ids = append(ids, s)
	}
	for _, id := range ids {
		_, tokens := split(id)
		if len(tokens) == 1 && tokens[0].text == id && tokens[0].kind == "framework" {
			return c.ids.back[id] == ""
		}
	}
	return false
}

// foreignKey says whether a key, such as the name of a metric, is about such a framework.
func (c *comparer) foreignKey(key string) bool {
	if !c.shared {
		return false
	}
	_, tokens := split(key)
	return slices.ContainsFunc(tokens, func(t token) bool { return t.kind == "framework" && c.ids.back[t.text] == "" })
}

var amounts = regexp.MustCompile(`\d+(\.\d+)?`)

// compareText compares two texts part by part: ids must stand for the same, the rest be equal.
func (c *comparer) compareText(want, got, path, key string) {
	if c.restore != nil {
		got = c.restore.Replace(got)
	}
	want, got = sortResources(want), sortResources(got)
	if want == got && !isUUIDBytes(key, want) && !idPattern.MatchString(want) {
		return
	}
	if isUUIDBytes(key, want) && isUUIDBytes(key, got) {
		if !c.ids.agree(want, got, c.commit) {
			c.reportID(path, want, got, want, got)
		}
		return
	}
	wantParts, wantTokens := split(want)
	gotParts, gotTokens := split(got)
	if c.anyAmounts {
		for _, parts := range [][]string{wantParts, gotParts} {
			for i := range parts {
				parts[i] = amounts.ReplaceAllString(parts[i], "#")
			}
		}
	}
	kinds := func(tokens []token) (k []string) {
		for _, t := range tokens {
			k = append(k, t.kind)
		}
		return k
	}
	if !slices.Equal(wantParts, gotParts) || !slices.Equal(kinds(wantTokens), kinds(gotTokens)) {
		c.report(path, KindValue, want, got)
		return
	}
	for i, w := range wantTokens {
		if !w.place() && !c.ids.agree(w.text, gotTokens[i].text, c.commit) {
			c.reportID(path, want, got, w.text, gotTokens[i].text)
			return
		}
	}
}

// aroundResources separates the lists of resources in what Mesos says of too few of them.
var aroundResources = regexp.MustCompile(` operation: |Total resources | required by .* more than available | does not contain `)

// sortResources sorts the lists of resources in a message about too few of them: their order depends on what became of the agent before.
func sortResources(message string) string {
	if !strings.Contains(message, " does not contain ") && !strings.Contains(message, " more than available ") {
		return message
	}
	var b strings.Builder
	from := 0
	write := func(list string) {
		items := strings.Split(list, "; ")
		slices.Sort(items)
		b.WriteString(strings.Join(items, "; "))
	}
	for _, at := range aroundResources.FindAllStringIndex(message, -1) {
		write(message[from:at[0]])
		b.WriteString(message[at[0]:at[1]])
		from = at[1]
	}
	write(message[from:])
	return b.String()
}

func (c *comparer) reportID(path, want, got, wantID, gotID string) {
	expected := c.ids.there[wantID]
	if expected == "" {
		expected = "a new id (this one stands for " + c.ids.back[gotID] + ")"
	}
	c.report(path, KindID, fmt.Sprintf("%s (where %s stands for %s)", want, expected, wantID), got)
}
