package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options of a replay. The zero value suits a cluster that is set up like the recorded one.
type Options struct {
	// Pace is the longest pause that the replay makes where the recorded client waited on
	// purpose. 0 means no pauses; see DefaultPace.
	Pace time.Duration
	// Slack is how long the replay waits for an event beyond the recorded time; 0 means 10 s.
	Slack time.Duration
	// Retries compares updates that were sent again because nobody acknowledged them.
	Retries bool
	// AnyAmounts ignores how many resources are offered, for agents unlike the recorded one.
	AnyAmounts bool
	// Shared ignores frameworks that others run on the same cluster.
	Shared bool
	// Replace maps recorded texts in requests (parts of texts, such as a command, and whole
	// numbers, such as a port) to those to send instead.
	Replace map[string]string
	// Ready is called before a request, and returns when the target is as the recorded one was then, where no event
	// tells that.
	Ready func(ctx context.Context, e *Exchange) error
	// Base is sent requests instead of the target's master, if it is set (host:port).
	Base string
}

// DefaultPace is long enough for a round of the allocator, and for a process to start. It is no multiple of
// half the allocation interval, so that pauses after an offer do not end where the next may come.
const DefaultPace = 1300 * time.Millisecond

// Quiet is the pause (in seconds of the recording) before a request after which what is on offer
// is compared exactly: more than two rounds of the allocator.
const Quiet = 2.5

// A Session is a series of replays to one target. The ids met in one stay known in the next.
type Session struct {
	Target Target
	ids    *bindings
}

// NewSession returns a session with nothing known yet.
func NewSession(t Target) *Session { return &Session{Target: t, ids: newBindings()} }

// replay is one capture on its way through a target.
type replay struct {
	name     string
	target   Target
	opts     Options
	base     string
	client   *http.Client
	ids      *bindings
	known    *bindings // at the start
	timeline []*Exchange
	streams  []*stream
	results  map[*Exchange]*result
	outside  map[string]bool // ids that the recorded server gave out

	hosts   map[string]string // recorded names and addresses of hosts to those of the target
	filters map[string]filter // by the target's id of an agent, the latest

	arrivals chan arrival
	answers  chan answer // to a request that is still being sent
	answer   *answer     // what came on answers
	stop     chan struct{}
	readers  sync.WaitGroup
	horizon  float64
	offers   []Row // differences between ledgers, found on the way
}

// result is what came back for an exchange.
type result struct {
	status  int
	header  http.Header
	chunked bool
	body    any
	stream  *stream
	unsent  string // why it was not sent
}

// Run replays a capture and returns the rows that compare it: at least one for every exchange. The
// error says that the replay could not be carried out, such as when the target is not there.
// errors.ErrUnsupported means that the case needs more control over the target.
func (s *Session) Run(ctx context.Context, c *Capture, opts Options) ([]Row, error) {
	if opts.Slack == 0 {
		opts.Slack = 10 * time.Second
	}
	base := opts.Base
	if base == "" {
		base = s.Target.Master()
	}
	transport := &http.Transport{DisableCompression: true}
	r := &replay{
		name: c.Name, target: s.Target, opts: opts, base: "http://" + base,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		hosts: make(map[string]string), filters: make(map[string]filter),
		ids: s.ids.clone(), known: s.ids.clone(), timeline: c.timeline(), results: make(map[*Exchange]*result),
		arrivals: make(chan arrival), answers: make(chan answer, 1), stop: make(chan struct{}),
	}
	r.outside = givenOut(c)
	ctx, cancel := context.WithCancel(ctx)
	err := r.run(ctx)
	cancel()
	close(r.stop)
	r.readers.Wait()
	transport.CloseIdleConnections()
	if err != nil {
		return nil, fmt.Errorf("conformance: %s: %w", c.Name, err)
	}
	j := newJudge(r)
	rows := j.judge()
	s.ids = j.ids
	return rows, nil
}

// givenOut collects the ids that the recorded server made up: those that are in what it sent.
func givenOut(c *Capture) map[string]bool {
	ids := make(map[string]bool)
	collect := func(key string, v any) {
		s, ok := v.(string)
		if !ok {
			return
		}
		if isUUIDBytes(key, s) {
			ids[s] = true
		}
		_, tokens := split(s)
		for _, t := range tokens {
			ids[t.text] = true
		}
	}
	for _, e := range c.Exchanges {
		if e.Request == nil {
			continue
		}
		for _, h := range e.Response.Headers {
			collect("", h)
		}
		if e.Response.Status < 400 { // a refusal may quote what the request made up
			walk(e.Response.Body, "", collect)
		}
		for _, f := range e.Response.Frames {
			walk(f.Event, "", collect)
		}
	}
	return ids
}

func (r *replay) run(ctx context.Context) error {
	previous := 0.0
	for i, e := range r.timeline {
		last := i == len(r.timeline)-1
		if err := r.awaitRecorded(ctx, e.At, previous, e.Label()); err != nil {
			return err
		}
		r.letGo(e)
		if err := r.pause(ctx, e.At, r.lastActivity(e, i)); err != nil {
			return err
		}
		if r.quiet(e, i) {
			r.compareLedgers(e)
		}
		if r.opts.Ready != nil {
			if err := r.opts.Ready(ctx, e); err != nil {
				return fmt.Errorf("before %s: %w", e.Label(), err)
			}
		}
		if e.Request == nil {
			if err := r.act(ctx, e, last); err != nil {
				return err
			}
		} else if err := r.exchange(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.Label(), err)
		}
		previous = e.At
	}
	return r.finish(ctx, previous)
}

// awaitRecorded waits for everything that was recorded before a time, at which a request was sent, or a record of one.
func (r *replay) awaitRecorded(ctx context.Context, at, previous float64, label string) error {
	r.horizon = at
	timeout := seconds(at-previous) + r.opts.Slack
	ready, err := r.until(ctx, timeout, func() bool { return r.settled(at) || r.answer != nil })
	if err != nil || ready {
		return err
	}
	for _, s := range r.streams {
		for _, x := range s.pending(at) {
			x.skipped, x.late = true, label
		}
		s.gaveUp = openText(s.recordedOpen(at))
	}
	return nil
}

// letGo closes the streams that the recorder closed before an exchange: those whose framework subscribes again, and
// the output of a container whose end is awaited.
func (r *replay) letGo(e *Exchange) {
	if e.Request == nil {
		return
	}
	framework := text(e.Request.Body, "subscribe", "framework_info", "id", "value")
	container := get(e.Request.Body, "wait_nested_container", "container_id")
	for _, s := range r.streams {
		session := get(s.exchange.Request.Body, "launch_nested_container_session", "container_id")
		if !s.exchange.Response.ServerClosed && (framework != "" && framework == s.framework ||
			container != nil && session != nil && encode(container) == encode(session)) {
			s.letGo = true
			s.cancel()
		}
	}
}

// settled says whether all events recorded up to a time have come, and all offers.
func (r *replay) settled(at float64) bool {
	for _, s := range r.streams {
		if s.ended || s.letGo {
			continue
		}
		if len(s.pending(at)) > 0 {
			return false
		}
		open := s.recordedOpen(at)
		if s.gaveUp != "" && s.gaveUp == openText(open) {
			continue
		}
		for agent, offers := range open {
			have := s.offers.open(r.ids.there[agent])
			if r.ids.there[agent] == "" || len(have) == 0 || !r.opts.AnyAmounts && !total(have).covers(total(offers)) {
				return false
			}
		}
	}
	return true
}

func openText(open map[string][]*offer) string {
	var all []*offer
	for _, offers := range open {
		all = append(all, offers...)
	}
	return total(all).String()
}

// pause waits as long as the recorded client did for no visible reason, but no longer than Pace.
func (r *replay) pause(ctx context.Context, at, lastActivity float64) error {
	pause := min(seconds(at-lastActivity), r.opts.Pace)
	if pause < 50*time.Millisecond {
		return nil // no pause, just the recorder at work
	}
	_, err := r.until(ctx, pause, func() bool { return false })
	return err
}

// lastActivity is the time of the last request or event, other than heartbeats, before an exchange.
func (r *replay) lastActivity(e *Exchange, i int) float64 {
	last := 0.0
	if i > 0 {
		last = r.timeline[i-1].At
	}
	return r.lastEvent(e.At, last)
}

// lastEvent is the time of the last event, other than heartbeats, between two times; the first time if there is none.
func (r *replay) lastEvent(at, last float64) float64 {
	for _, s := range r.streams {
		for _, f := range s.exchange.Response.Frames {
			if f.At <= at && f.At > last && text(f.Event, "type") != "HEARTBEAT" {
				last = f.At
			}
		}
	}
	return last
}

// quiet says whether what is on offer must be the same as recorded before an exchange.
func (r *replay) quiet(e *Exchange, i int) bool {
	return e.At-r.lastActivity(e, i) >= Quiet
}

// compareLedgers notes differences between what was on offer and what is.
func (r *replay) compareLedgers(e *Exchange) {
	for _, s := range r.streams {
		if !s.scheduler || s.exchange.Companion || s.ended || s.letGo {
			continue
		}
		recorded := s.recordedOpen(e.At)
		agents := make(map[string]bool)
		for agent := range recorded {
			agents[agent] = true
		}
		for _, o := range s.offers.open("") {
			if want := r.ids.back[o.agent]; want != "" {
				agents[want] = true
			}
		}
		for agent := range agents {
			want, got := total(recorded[agent]), total(s.offers.open(r.ids.there[agent]))
			same := want.equal(got)
			if r.opts.AnyAmounts {
				same = (len(want) == 0) == (len(got) == 0)
			}
			if !same {
				r.offers = append(r.offers, Row{
					Case: r.name, Exchange: s.exchange.Label(), Event: "on offer before " + e.Label(),
					Difference: Difference{Path: "$.offers", Kind: KindOffers, Want: want.String(), Got: got.String()},
				})
			}
		}
	}
}

// act carries out a remark.
func (r *replay) act(ctx context.Context, e *Exchange, last bool) error {
	control := r.target.Control()
	agent := func(format string) (string, bool) {
		var hostname string
		_, err := fmt.Sscanf(e.Note, format, &hostname)
		return hostname, err == nil && strings.HasPrefix(e.Note, fmt.Sprintf(format, hostname))
	}
	if hostname, ok := agent("agent %s killed"); ok && control != nil {
		return control.KillAgent(ctx, hostname)
	}
	if hostname, ok := agent("agent %s started again"); ok && control != nil {
		return control.StartAgent(ctx, hostname)
	}
	switch {
	case control == nil:
	case e.Note == "agent gets SIGUSR1":
		return control.RetireAgent(ctx, "localhost")
	case strings.HasPrefix(e.Note, "agent process ended"):
		return nil // as it was told to
	case strings.HasPrefix(e.Note, "meta/slaves/latest removed; agent started again"):
		return control.StartAgentWithNewID(ctx, "localhost")
	case e.Note == "a second agent starts":
		return control.AddAgent(ctx)
	}
	if last {
		return nil // whatever happened then, nothing recorded depends on it
	}
	return fmt.Errorf("nobody can see to it that %q: %w", e.Note, errors.ErrUnsupported)
}

// until handles arrivals until the condition holds (and says true) or the time is over.
func (r *replay) until(ctx context.Context, timeout time.Duration, done func() bool) (bool, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for !done() {
		select {
		case a := <-r.arrivals:
			if err := r.arrive(ctx, a); err != nil {
				return false, err
			}
		case a := <-r.answers:
			r.answer = &a
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}

// arrive takes in an event or the end of a stream.
func (r *replay) arrive(ctx context.Context, a arrival) error {
	s := a.stream
	switch {
	case s.letGo:
		return nil
	case a.err != nil:
		s.end(a.err)
		return nil
	}
	if len(r.opts.Replace)+len(r.hosts) > 0 {
		restore := r.replaceTexts(true)
		a.value = transform(a.value, "", func(_ string, v any) (any, bool) {
			s, ok := v.(string)
			return restore.Replace(s), ok
		})
	}
	if s.lines != nil {
		for _, line := range s.lines.add(a.value) {
			if err := r.take(ctx, s, line); err != nil {
				return err
			}
		}
		return nil
	}
	return r.take(ctx, s, a.value)
}

// take takes in an event of a stream.
func (r *replay) take(ctx context.Context, s *stream, value any) error {
	ev := newEvent(value, s.seen)
	switch {
	case ev.typ == "HEARTBEAT":
		s.gotHeartbeats++
		return nil
	case ev.typ == "OFFERS":
		offers := offersIn(value)
		s.offers.add(offers...)
		for _, o := range offers {
			r.meetAgent(ctx, s, o)
			o.early = r.tooEarly(o)
		}
		return nil
	case ev.typ == "RESCIND":
		s.offers.rescind(text(value, "rescind", "offer_id", "value"))
	case ev.again && !s.retries:
		return nil
	}
	s.got = append(s.got, ev)
	x := s.pair(ev, r.horizon)
	if x == nil {
		return r.acknowledgeExtra(ctx, s, ev)
	}
	if x.skipped { // the recorded acknowledgement was not sent, or will not be
		if err := r.acknowledgeExtra(ctx, s, ev); err != nil {
			return err
		}
	}
	if s.scheduler && ev.typ != "RESCIND" { // the offers of a ledger do not stand for each other one by one
		(&comparer{ids: r.ids, commit: true}).compare(x.value, ev.value, "$", "")
	}
	return nil
}

// meetAgent lets the agent of an offer stand for a recorded one: that of the same host name, or the
// next that has none yet. The agent that can be killed stands for the one that is killed.
func (r *replay) meetAgent(ctx context.Context, s *stream, o *offer) {
	if r.ids.back[o.agent] != "" {
		return
	}
	controlled := ""
	if c := r.target.Control(); c != nil {
		controlled = c.ControlledAgent(ctx)
	}
	var free []*offer
	for _, rec := range s.recOffers.offers {
		if r.ids.there[rec.agent] == "" && (controlled == "" || r.killed() == "" || (rec.hostname == r.killed()) == (o.agent == controlled)) {
			free = append(free, rec)
		}
	}
	defer func() {
		for _, rec := range s.recOffers.offers {
			if r.ids.there[rec.agent] == o.agent {
				r.meetHost(rec, o)
			}
		}
	}()
	if i := slices.IndexFunc(free, func(rec *offer) bool { return rec.hostname == o.hostname }); i >= 0 {
		r.ids.agree(free[i].agent, o.agent, true)
	} else if len(free) > 0 {
		r.ids.agree(free[0].agent, o.agent, true)
	}
}

// killed is the host name of the agent that is killed in the recording; empty if none is.
func (r *replay) killed() string {
	for _, e := range r.timeline {
		if name, ok := strings.CutPrefix(e.Note, "agent "); ok && e.Request == nil {
			if name, _, ok := strings.Cut(name, " killed"); ok {
				return name
			}
		}
	}
	return ""
}

// meetHost notes what the target calls the host of a recorded agent.
func (r *replay) meetHost(rec, o *offer) {
	ip := func(o *offer) string { return text(o.look, "url", "address", "ip") }
	for from, to := range map[string]string{rec.hostname: o.hostname, ip(rec): ip(o)} {
		if _, known := r.hosts[from]; !known && from != "" && to != "" && from != to {
			r.hosts[from] = to
		}
	}
}

// A filter is how long a framework wants nothing more of an agent.
type filter struct {
	at       time.Time // when it was set
	recorded float64   // the same in the recording
	length   float64   // in seconds
}

// tooEarly says whether an offer came because a filter expired before the replay was where the recording was when it
// had not expired yet: the target is slower than the recorded one.
func (r *replay) tooEarly(o *offer) bool {
	f, ok := r.filters[o.agent]
	return ok && time.Since(f.at) >= seconds(f.length) && r.horizon-f.recorded < f.length
}

// finish waits for what was recorded after the last request and for the end of the streams.
func (r *replay) finish(ctx context.Context, previous float64) error {
	end := previous
	for _, s := range r.streams {
		for _, f := range s.exchange.Response.Frames {
			end = max(end, f.At)
		}
	}
	r.horizon = end
	_, err := r.until(ctx, seconds(end-previous)+r.opts.Slack, func() bool {
		for _, s := range r.streams {
			if !s.ended && !s.letGo && (len(s.pending(end)) > 0 || s.exchange.Response.ServerClosed) {
				return false
			}
		}
		return true
	})
	for _, s := range r.streams {
		s.cancel()
	}
	return err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// replaceTexts replaces recorded texts by those to send instead, or back. Numbers stand for whole
// numbers only and are left alone.
func (r *replay) replaceTexts(back bool) *strings.Replacer {
	var pairs []string
	if back {
		for from, to := range r.hosts { // as texts name an agent: … at slave(1)@10.0.0.5:5051 (host)
			pairs = append(pairs, "("+to+")", "("+from+")")
		}
	}
	for from, to := range r.opts.Replace {
		if _, err := strconv.Atoi(from); err == nil {
			continue
		}
		if back {
			from, to = to, from
		}
		pairs = append(pairs, from, to)
	}
	return strings.NewReplacer(pairs...)
}
