package conformance

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
)

// A Row is one line of the outcome: a place where target and recording differ, or an exchange in
// which they do not.
type Row struct {
	Case     string
	Exchange string
	Event    string // within a stream; empty for the response itself
	Difference
}

// Same says whether the row says that all is as recorded.
func (r Row) Same() bool { return r.Kind == "" }

// comparedHeaders are those that the recorder kept and that mean something.
var comparedHeaders = []string{"Allow", "Content-Type", "Location", "Mesos-Stream-Id", "Transfer-Encoding", "Www-Authenticate"}

// judge compares what a replay brought in with the recording, in the order of time, so that an id is
// first met where it was first met then.
type judge struct {
	r    *replay
	ids  *bindings
	rows []Row
}

func newJudge(r *replay) *judge { return &judge{r: r, ids: r.known} }

func (j *judge) judge() []Row {
	type step struct {
		at  float64
		run func()
	}
	var steps []step
	for _, e := range j.r.timeline {
		if e.Request == nil {
			continue
		}
		steps = append(steps, step{e.At, func() { j.response(e) }})
		res := j.r.results[e]
		if res == nil || res.stream == nil {
			continue
		}
		s := res.stream
		pairs := align(s.recorded, s.got)
		for i, p := range pairs {
			at := math.Inf(1)
			if p.want != nil {
				at = p.want.at
			}
			steps = append(steps, step{at, func() { j.pair(s, pairs, i) }})
		}
		for _, f := range e.Response.Frames {
			if text(f.Event, "type") == "OFFERS" {
				steps = append(steps, step{f.At, func() { j.offers(s) }})
				break
			}
		}
		steps = append(steps, step{at: e.At, run: func() { j.stream(s) }})
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	for _, s := range steps {
		s.run()
	}
	j.rows = append(j.rows, j.r.offers...)
	return j.inOrder()
}

// inOrder sorts the rows by exchange, drops repetitions and adds a row for exchanges without
// differences.
func (j *judge) inOrder() []Row {
	var sorted []Row
	for _, e := range j.r.timeline {
		if e.Companion || e.Request == nil {
			continue
		}
		found := false
		for _, row := range j.rows {
			if row.Exchange == e.Label() {
				found = true
				if row.Event != "OFFERS" || !slices.Contains(sorted, row) {
					sorted = append(sorted, row)
				}
			}
		}
		if !found {
			sorted = append(sorted, Row{Case: j.r.name, Exchange: e.Label()})
		}
	}
	return sorted
}

func (j *judge) add(e *Exchange, event, path, kind, want, got string) {
	j.rows = append(j.rows, Row{
		Case: j.r.name, Exchange: e.Label(), Event: event,
		Difference: Difference{Path: path, Kind: kind, Want: want, Got: got},
	})
}

func (j *judge) addAll(e *Exchange, event string, differences []Difference) {
	for _, d := range differences {
		j.rows = append(j.rows, Row{Case: j.r.name, Exchange: e.Label(), Event: event, Difference: d})
	}
}

func (j *judge) comparer() *comparer {
	return &comparer{
		ids: j.ids, commit: true, anyAmounts: j.r.opts.AnyAmounts, shared: j.r.opts.Shared, roles: rolesIn(j.r.timeline), restore: j.r.replaceTexts(true),
	}
}

// response compares status, headers and body.
func (j *judge) response(e *Exchange) {
	res := j.r.results[e]
	if res == nil || res.unsent != "" {
		why := "the replay ended before"
		if res != nil {
			why = res.unsent
		}
		j.add(e, "", "", KindUnsent, "sent", why)
		return
	}
	if res.status != e.Response.Status {
		j.add(e, "", "status", KindStatus, strconv.Itoa(e.Response.Status), fmt.Sprintf("%d %s", res.status, show(res.body)))
		return
	}
	want := make(http.Header)
	for k, v := range e.Response.Headers {
		want.Set(k, v)
	}
	for _, k := range comparedHeaders {
		w, g := want.Get(k), res.header.Get(k)
		if k == "Transfer-Encoding" && res.chunked {
			g = "chunked"
		}
		switch {
		case w == g:
		case k == "Transfer-Encoding" && !e.Response.Stream: // how a body is cut is nobody's business
		case w == "":
			j.add(e, "", "header "+k, KindExtra, "", g)
		case g == "":
			j.add(e, "", "header "+k, KindMissing, w, "")
		default:
			c := j.comparer()
			c.compareText(w, g, "header "+k, "")
			j.addAll(e, "", c.out)
		}
	}
	if e.Response.Stream {
		return
	}
	c := j.comparer()
	key := ""
	if e.Request.Path == "/metrics/snapshot" {
		want, wantOK := e.Response.Body.(map[string]any)
		got, gotOK := res.body.(map[string]any)
		if wantOK && gotOK {
			c.compareShape(c.translateKeys(want), got, "$", "metrics", false)
			j.addAll(e, "", c.out)
			return
		}
	}
	c.compare(e.Response.Body, res.body, "$", key)
	j.addAll(e, "", c.out)
}

// pair compares an event with what stands for it.
func (j *judge) pair(s *stream, pairs []pairing, i int) {
	p, e := pairs[i], s.exchange
	switch {
	case p.got == nil:
		j.add(e, p.want.Label(), "", KindMissing, show(p.want.value), "")
	case p.want == nil:
		if p.got.typ == "RESCIND" && (besideRescind(pairs, i) || s.ofLostAgent(p.got, pairs) || s.ofEarlyOffer(p.got)) {
			return // one recorded offer may be several of the target's
		}
		j.add(e, p.got.Label(), "", KindExtra, "", show(p.got.value))
	default:
		if p.misplaced {
			j.add(e, p.want.Label(), "", KindOrder, fmt.Sprintf("event %d", p.want.frame), fmt.Sprintf("came %d. of those that are compared", p.gotAt))
		} else if p.want.late != "" {
			j.add(e, p.want.Label(), "", KindLate, "before "+p.want.late, "after it")
		}
		c := j.comparer()
		if p.want.typ == "RESCIND" {
			if id := text(p.got.value, "rescind", "offer_id", "value"); s.offers.byID[id] == nil {
				j.add(e, p.want.Label(), "$.rescind.offer_id.value", KindID, "an offer", id)
			}
			c.commit, c.ids = false, newBindings()
		}
		c.compare(p.want.value, p.got.value, "$", "")
		if text(p.want.value, "update", "status", "state") == "TASK_STARTING" {
			c.out = slices.DeleteFunc(c.out, dependsOnLaunch)
		}
		j.addAll(e, p.want.Label(), c.out)
	}
}

// dependsOnLaunch says whether a difference is in what the agent adds to the first update of a task as far as it knows
// it by then: the addresses and the process of its container.
func dependsOnLaunch(d Difference) bool {
	const status = "$.update.status.container_status."
	return (d.Kind == KindMissing || d.Kind == KindExtra) && (d.Path == status+"network_infos" || d.Path == status+"executor_pid")
}

// ofLostAgent says whether a rescinded offer is one of an agent whose loss was recorded. In a slow run what a task has left may
// have been offered again before the agent was lost.
func (s *stream) ofLostAgent(rescind *event, pairs []pairing) bool {
	o := s.offers.byID[text(rescind.value, "rescind", "offer_id", "value")]
	return o != nil && slices.ContainsFunc(pairs, func(p pairing) bool {
		return p.want != nil && p.got != nil && p.got.typ == "FAILURE" && text(p.got.value, "failure", "agent_id", "value") == o.agent
	})
}

// ofEarlyOffer says whether a rescinded offer is one that came because all took longer than in the recording.
func (s *stream) ofEarlyOffer(rescind *event) bool {
	o := s.offers.byID[text(rescind.value, "rescind", "offer_id", "value")]
	return o != nil && o.early
}

// besideRescind says whether a rescinded offer came together with one that was recorded.
func besideRescind(pairs []pairing, i int) bool {
	for _, p := range pairs {
		if p.want != nil && p.got != nil && p.got.typ == "RESCIND" && (p.gotAt == pairs[i].gotAt-1 || p.gotAt == pairs[i].gotAt+1) {
			return true
		}
	}
	return false
}

// stream compares what is not about single events.
func (j *judge) stream(s *stream) {
	e := s.exchange
	if s.heartbeats > 0 && s.gotHeartbeats == 0 {
		j.add(e, "HEARTBEAT", "", KindMissing, "at least one", "")
	}
	switch {
	case e.Response.ServerClosed && !s.ended:
		j.add(e, "end", "", KindStream, "the server ends the stream", "it stays open")
	case !e.Response.ServerClosed && s.ended:
		j.add(e, "end", "", KindStream, "the stream stays open", "the server ends it")
	case s.endErr != nil:
		j.add(e, "end", "", KindStream, "a clean end", s.endErr.Error())
	}
}

// offers compares what offers look like, apart from amounts.
func (j *judge) offers(s *stream) {
	e := s.exchange
	for _, want := range s.recOffers.offers { // agents of one look were told apart by their host names
		if got := j.r.ids.there[want.agent]; got != "" {
			j.ids.agree(want.agent, got, true)
		}
	}
	matched := make(map[int]bool)
	for _, got := range s.offers.offers {
		if j.r.opts.Shared && j.r.ids.back[got.agent] == "" {
			continue // of an agent that the recorded cluster did not have
		}
		c := j.comparer()
		best, least := -1, 0
		for i, want := range s.recOffers.offers {
			if cost := c.cost(want.look, got.look, "offers"); best < 0 || cost < least {
				best, least = i, cost
			}
		}
		if least == 0 {
			matched[best] = true
		}
		c.compare(s.recOffers.offers[best].look, got.look, "$.offers.offers[]", "offers")
		for _, k := range got.kinds {
			j.kindOfResource(s, c, k)
		}
		j.addAll(e, "OFFERS", c.out)
	}
	for i, want := range s.recOffers.offers {
		if matched[i] {
			continue
		}
		c := j.comparer()
		if !slices.ContainsFunc(s.offers.offers, func(got *offer) bool { return c.cost(want.look, got.look, "offers") == 0 }) {
			if len(s.offers.offers) == 0 || slices.IndexFunc(s.recOffers.offers, func(o *offer) bool { return encode(want.look) == encode(o.look) }) == i {
				j.add(e, "OFFERS", "$.offers.offers[]", KindMissing, "an offer like "+show(want.look), "")
			}
		}
	}
}

// kindOfResource compares a resource, apart from its amount, with the most similar recorded one.
func (j *judge) kindOfResource(s *stream, c *comparer, got any) {
	var best any
	least := -1
	for _, o := range s.recOffers.offers {
		for _, want := range o.kinds {
			if text(want, "name") != text(got, "name") {
				continue
			}
			if cost := c.cost(want, got, "resources"); least < 0 || cost < least {
				best, least = want, cost
			}
		}
	}
	path := "$.offers.offers[].resources[" + text(got, "name") + "]"
	if least < 0 {
		c.report(path, KindExtra, "", got)
		return
	}
	c.compare(best, got, path, "resources")
}
