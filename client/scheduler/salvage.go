package scheduler

import (
	"context"
	"encoding/json"
	"regexp"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// unusableRefusal is for how long an offer is refused that cannot be decoded: it comes again as it is.
const unusableRefusal = 300 // s

// salvage returns what can be used of an event that does not decode as a whole, because a later release says something in it that this one does not know: an
// OFFERS event without the offers concerned, whose ids come beside it as far as they are known. It returns nil for other events, and where nothing can
// be used.
func salvage(e *transport.DecodeError) (event *schedulerpb.Event, lost []*mesospb.OfferID) {
	if e.MediaType == codec.MediaTypeJSON {
		return salvageJSON(e.Data)
	}
	event = new(schedulerpb.Event)
	if (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(e.Data, event) != nil || event.GetType() != schedulerpb.Event_OFFERS {
		return nil, nil
	}
	good := event.GetOffers().GetOffers()[:0]
	for _, o := range event.GetOffers().GetOffers() {
		if proto.CheckInitialized(o) == nil {
			good = append(good, o)
		} else if o.GetId() != nil && proto.CheckInitialized(o.GetId()) == nil {
			lost = append(lost, o.GetId())
		}
	}
	return withOffers(good), lost
}

func salvageJSON(data []byte) (event *schedulerpb.Event, lost []*mesospb.OfferID) {
	var all struct {
		Type   string `json:"type"`
		Offers struct {
			Offers []json.RawMessage `json:"offers"`
		} `json:"offers"`
	}
	if json.Unmarshal(data, &all) != nil || all.Type != schedulerpb.Event_OFFERS.String() {
		return nil, nil
	}
	var good []*mesospb.Offer
	for _, raw := range all.Offers.Offers {
		var named struct {
			ID json.RawMessage `json:"id"`
		}
		o, id := new(mesospb.Offer), new(mesospb.OfferID)
		if codec.JSON.UnmarshalDetached(raw, o) == nil {
			good = append(good, o)
		} else if json.Unmarshal(raw, &named) == nil && codec.JSON.UnmarshalDetached(named.ID, id) == nil {
			lost = append(lost, id)
		}
	}
	return withOffers(good), lost
}

// withOffers returns an OFFERS event, nil if it would be empty.
func withOffers(offers []*mesospb.Offer) *schedulerpb.Event {
	if len(offers) == 0 {
		return nil
	}
	return &schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: &schedulerpb.Event_Offers{Offers: offers}}
}

// maxLeftOut bounds how many causes are told apart.
const maxLeftOut = 256

var indices = regexp.MustCompile(`\[\d+\]`)

// leaveOut makes the best of an event that cannot be decoded: nil if there is nothing to use in it. The subscription goes on in any case: a new one would
// bring the same.
func (s *Session) leaveOut(ctx context.Context, e *transport.DecodeError) *schedulerpb.Event {
	event, lost := salvage(e)
	if len(lost) > 0 {
		s.acks.send(Decline(lost, &mesospb.Filters{RefuseSeconds: proto.Float64(unusableRefusal)}))
	}
	cause := e.MediaType
	if why, ok := e.Err.(*codec.DecodeError); ok {
		cause = indices.ReplaceAllString(why.Path, "[]") + ": " + why.Detail
	}
	if s.leftOut[cause] == 0 && len(s.leftOut) >= maxLeftOut {
		cause = "others"
	}
	s.leftOut[cause]++
	s.trace(ctx, SessionTrace{Kind: TraceLeftOut, Err: e, Failures: s.leftOut[cause]})
	return event
}
