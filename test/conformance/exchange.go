package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// answerTimeout is how long a target may take to answer a request.
const answerTimeout = 30 * time.Second

// exchange sends a recorded request with the target's ids and takes in the response.
func (r *replay) exchange(ctx context.Context, e *Exchange) error {
	res := new(result)
	r.results[e] = res
	req, unsent, err := r.request(ctx, e)
	if err != nil {
		return err
	}
	if unsent != "" {
		res.unsent = unsent
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	patience := time.AfterFunc(answerTimeout, cancel)
	var response *http.Response
	if len(e.Request.Records) > 0 {
		patience.Reset(answerTimeout + seconds(e.Request.Records[len(e.Request.Records)-1].At-e.At) + time.Duration(len(e.Request.Records))*r.opts.Slack)
		response, err = r.sendRecords(ctx, e, req.WithContext(ctx))
	} else {
		response, err = r.client.Do(req.WithContext(ctx))
	}
	if err != nil {
		cancel()
		if !patience.Stop() {
			res.unsent = "it was sent, but nothing came back within " + answerTimeout.String()
			return nil
		}
		return err
	}
	res.status, res.header = response.StatusCode, response.Header
	res.chunked = slices.Equal(response.TransferEncoding, []string{"chunked"})
	r.meetHeaders(e, response.Header)
	if e.Response.Stream && response.StatusCode == http.StatusOK {
		s := newStream(e, r.opts.Retries)
		s.cancel = cancel
		patience.Stop()
		res.stream = s
		r.streams = append(r.streams, s)
		r.readers.Go(func() { s.read(response.Body, response.Header.Get("Content-Type"), r.arrivals, r.stop) })
		return nil
	}
	defer cancel()
	defer patience.Stop()
	defer response.Body.Close()
	if response.Header.Get("Mesos-Stream-Id") != "" {
		res.body = "" // a stream where none was recorded; its status tells
		return nil
	}
	data, err := io.ReadAll(response.Body)
	if err != nil {
		res.unsent = "it was sent, but the answer broke off: " + err.Error()
		return nil
	}
	res.body = string(data)
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if v, err := decode(data); err == nil {
			res.body = v
		}
	}
	return nil
}

// request makes the request of an exchange, or says why it cannot be sent: the recorded server gave
// it an id that the target did not give.
func (r *replay) request(ctx context.Context, e *Exchange) (req *http.Request, unsent string, err error) {
	var missing []string
	replace := func(key string, v any) (any, bool) { return r.ours(key, v, &missing) }
	data := e.Request.Raw
	if e.Request.Body != nil {
		recordedHolder, recordedIDs := offerIDsOf(e.Request.Body)
		// The holder's ids are taken out before the rest is translated: offers are chosen.
		body := e.Request.Body
		if recordedHolder != nil {
			body = withoutOffers(body)
		}
		body = transform(body, "", replace)
		if recordedHolder != nil {
			chosen, problem := r.chooseOffers(e, recordedIDs)
			if problem != "" {
				return nil, problem, nil
			}
			holder, _ := offerIDsOf(body)
			holder["offer_ids"] = chosen
		}
		data = []byte(encode(body))
	}
	path := r.ids.translate("", e.Request.Path, &missing)
	headers := make(http.Header)
	for k, v := range e.Request.Headers {
		headers.Set(k, r.ids.translate("", v, &missing))
	}
	for _, id := range missing {
		if r.outside[id] {
			return nil, "nothing has come that stands for " + id, nil
		}
	}
	base := r.base
	if e.toAgent() {
		if base, unsent, err = r.agentBase(ctx); base == "" {
			return nil, unsent, err
		}
	}
	req, err = http.NewRequestWithContext(ctx, e.Request.Method, base+path, bytes.NewReader(data))
	if err != nil {
		return nil, "", fmt.Errorf("bad recorded request: %w", err)
	}
	req.Header = headers
	return req, "", nil
}

// ours puts what the target calls a thing in the place of a recorded text or number.
func (r *replay) ours(key string, v any, missing *[]string) (any, bool) {
	if n, ok := v.(json.Number); ok {
		to, ok := r.opts.Replace[string(n)]
		return json.Number(to), ok
	}
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	if host, known := r.hosts[s]; known && (key == "hostname" || key == "ip") {
		return host, true
	}
	return r.ids.translate(key, r.replaceTexts(false).Replace(s), missing), true
}

// withoutOffers copies a call with an empty list of offers.
func withoutOffers(body any) any {
	copied := transform(body, "", func(string, any) (any, bool) { return nil, false })
	holder, _ := offerIDsOf(copied)
	holder["offer_ids"] = []any{}
	return copied
}

// chooseOffers puts offers of the target in the place of recorded ones.
func (r *replay) chooseOffers(e *Exchange, recorded []string) (ids []any, problem string) {
	framework := text(e.Request.Body, "framework_id", "value")
	var s *stream
	for _, candidate := range r.streams {
		if candidate.scheduler && candidate.framework == framework {
			s = candidate
		}
	}
	add := func(id string) { ids = append(ids, map[string]any{"value": id}) }
	var needed []*offer
	for _, id := range recorded {
		switch {
		case r.ids.there[id] != "": // used before; that is what the case is about
			add(r.ids.there[id])
		case s == nil || s.recOffers.byID[id] == nil: // made up by the recorded client
			add(id)
		case s.goneAt(id, e.At): // the case is about an offer that was taken back
			o := s.offers.lastRescinded(r.ids.there[s.recOffers.byID[id].agent])
			if o == nil {
				return nil, "no offer was rescinded that could stand for " + id
			}
			r.ids.agree(id, o.id, true)
			add(o.id)
		default:
			needed = append(needed, s.recOffers.byID[id])
		}
	}
	if len(needed) == 0 {
		return ids, ""
	}
	open := s.offers.open(r.ids.there[needed[0].agent])
	if r.ids.there[needed[0].agent] == "" {
		open = nil
	}
	need := total(needed)
	chosen := choose(open, need, r.opts.AnyAmounts)
	if chosen == nil {
		chosen = open // better something: its amounts will show as a difference
	}
	for _, n := range needed {
		s.recOffers.use(n.id)
	}
	if len(chosen) == 0 {
		return nil, "no offer has come that could stand for " + strings.Join(recorded, ", ")
	}
	for i, o := range chosen {
		o.used = true
		add(o.id)
		r.filters[o.agent] = filter{time.Now(), e.At, refused(e.Request.Body)}
		if i < len(needed) {
			r.ids.agree(needed[i].id, o.id, true)
		}
	}
	if got := total(chosen); !r.opts.AnyAmounts && !got.equal(need) && !e.Companion {
		r.offers = append(r.offers, Row{
			Case: r.name, Exchange: e.Label(), Event: "offers used",
			Difference: Difference{Path: "$.offers", Kind: KindOffers, Want: need.String(), Got: got.String()},
		})
	}
	return ids, ""
}

// refused is how many seconds a call wants nothing more of what it leaves.
func refused(body any) float64 {
	for _, call := range []string{"accept", "decline"} {
		if n, ok := get(body, call, "filters", "refuse_seconds").(json.Number); ok {
			f, _ := n.Float64()
			return f
		}
	}
	return 5 // Mesos' default
}

// meetHeaders learns the ids that come in headers.
func (r *replay) meetHeaders(e *Exchange, got http.Header) {
	for k, want := range e.Response.Headers {
		if v := got.Get(k); v != "" {
			(&comparer{ids: r.ids, commit: true}).compareText(want, v, "", "")
		}
	}
}

// acknowledgeExtra acknowledges an update that was not recorded, so that those behind it come.
func (r *replay) acknowledgeExtra(ctx context.Context, s *stream, ev *event) error {
	if ev.typ != "UPDATE" || ev.uuid == "" || !s.scheduler {
		return nil
	}
	acknowledges, known := false, false
	for _, x := range s.recorded {
		known = known || x.lane == ev.lane
		for _, e := range r.timeline {
			if x.lane == ev.lane && e.Request != nil && text(e.Request.Body, "acknowledge", "uuid") == x.uuid && x.uuid != "" {
				acknowledges = true
			}
		}
	}
	if known && !acknowledges {
		return nil
	}
	status := get(ev.value, "update", "status")
	var missing []string
	body := map[string]any{
		"type":         "ACKNOWLEDGE",
		"framework_id": map[string]any{"value": r.ids.translate("", s.framework, &missing)},
		"acknowledge": map[string]any{
			"agent_id": get(status, "agent_id"), "task_id": get(status, "task_id"), "uuid": ev.uuid,
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+s.exchange.Request.Path, strings.NewReader(encode(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range s.exchange.Response.Headers {
		if http.CanonicalHeaderKey(k) == "Mesos-Stream-Id" {
			req.Header.Set(k, r.ids.translate("", v, &missing))
		}
	}
	response, err := r.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return err
}
