package conformance

import (
	"maps"
	"slices"
	"strings"
)

// An offer as it came in an OFFERS event.
type offer struct {
	id, agent, hostname string
	resources           []any
	look                any   // the offer without its id and resources
	kinds               []any // its resources without their values
	used                bool
	rescinded           bool
	early               bool // it came because all took longer than in the recording
}

func offersIn(event any) []*offer {
	var offers []*offer
	for _, o := range list(event, "offers", "offers") {
		object, ok := o.(map[string]any)
		if !ok {
			continue
		}
		look := maps.Clone(object)
		delete(look, "id")
		delete(look, "resources")
		if executors := list(look, "executor_ids"); len(executors) > 0 && text(executors[0], "value") != "" {
			// Which executors live at the time of an offer is a matter of time.
			look["executor_ids"] = []any{map[string]any{"value": "an executor"}}
		}
		var kinds []any
		for _, r := range list(object, "resources") {
			if r, ok := r.(map[string]any); ok {
				r = maps.Clone(r)
				delete(r, "scalar")
				delete(r, "ranges")
				delete(r, "set")
				kinds = append(kinds, r)
			}
		}
		offers = append(offers, &offer{
			id: text(o, "id", "value"), agent: text(o, "agent_id", "value"), hostname: text(o, "hostname"),
			resources: list(o, "resources"), look: look, kinds: kinds,
		})
	}
	return offers
}

// A ledger keeps the offers of a conversation in the order in which they came.
type ledger struct {
	offers []*offer
	byID   map[string]*offer
}

func newLedger() *ledger { return &ledger{byID: make(map[string]*offer)} }

func (l *ledger) add(offers ...*offer) {
	for _, o := range offers {
		l.offers = append(l.offers, o)
		l.byID[o.id] = o
	}
}

// use takes an offer off the ledger: it was accepted, declined or rescinded.
func (l *ledger) use(id string) {
	if o := l.byID[id]; o != nil {
		o.used = true
	}
}

// rescind takes an offer off the ledger that was taken back.
func (l *ledger) rescind(id string) {
	l.use(id)
	if o := l.byID[id]; o != nil {
		o.rescinded = true
	}
}

// lastRescinded is the latest of an agent's offers that was taken back; nil if none was.
func (l *ledger) lastRescinded(agent string) *offer {
	for _, o := range slices.Backward(l.offers) {
		if o.rescinded && o.agent == agent {
			return o
		}
	}
	return nil
}

// open lists the offers of an agent that are not used; of all agents if agent is empty.
func (l *ledger) open(agent string) []*offer {
	var open []*offer
	for _, o := range l.offers {
		if !o.used && (agent == "" || o.agent == agent) {
			open = append(open, o)
		}
	}
	return open
}

func total(offers []*offer) sum {
	var all [][]any
	for _, o := range offers {
		all = append(all, o.resources)
	}
	return sumOf(all...)
}

// choose picks offers that cover the need: the first that equals it, else the smallest single one
// that covers it, else all of them if together they do. With any, amounts do not matter and the
// first will do. It is nil if nothing covers the need.
func choose(open []*offer, need sum, any bool) []*offer {
	if any && len(open) > 0 {
		return open[:1]
	}
	var covering []*offer
	for _, o := range open {
		s := total([]*offer{o})
		if s.equal(need) {
			return []*offer{o}
		}
		if s.covers(need) {
			covering = append(covering, o)
		}
	}
	if len(covering) > 0 {
		return []*offer{slices.MinFunc(covering, func(a, b *offer) int {
			x, y := total([]*offer{a}), total([]*offer{b})
			switch {
			case x.covers(y) && y.covers(x):
				return 0
			case y.covers(x):
				return -1
			}
			return 1
		})}
	}
	if total(open).covers(need) {
		return open
	}
	return nil
}

// offerIDsOf finds the offers that a call is about: the list that holds their ids, and the ids.
func offerIDsOf(body any) (holder map[string]any, ids []string) {
	for _, call := range []string{"accept", "decline"} {
		if holder, ok := get(body, call).(map[string]any); ok && strings.EqualFold(text(body, "type"), call) {
			for _, id := range list(holder, "offer_ids") {
				ids = append(ids, text(id, "value"))
			}
			return holder, ids
		}
	}
	return nil, nil
}
