package codec_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// bigOffers is an OFFERS event of some 400 kB.
func bigOffers(t testing.TB, c codec.Codec, n int) []byte {
	t.Helper()
	e := &schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: &schedulerpb.Event_Offers{}}
	for k := range 100 {
		o := &mesospb.Offer{Id: &mesospb.OfferID{Value: new(fmt.Sprint("offer-", n, "-", k))}, FrameworkId: &mesospb.FrameworkID{Value: new("fw")},
			AgentId: &mesospb.AgentID{Value: new(fmt.Sprint("agent-", n, "-", k))}, Hostname: new(strings.Repeat("h", 2000))}
		for a := range 20 {
			o.Attributes = append(o.Attributes, &mesospb.Attribute{Name: new(fmt.Sprint("attribute-", a)), Type: mesospb.Value_TEXT.Enum(), Text: &mesospb.Value_Text{Value: new(strings.Repeat("v", 80))}})
		}
		e.Offers.Offers = append(e.Offers.Offers, o)
	}
	data, err := c.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestWhatIsKeptOfAnEventKeepsItsOwnBytesOnly(t *testing.T) {
	const events = 100
	for name, tc := range map[string]struct {
		unmarshal func(codec.Codec, []byte, proto.Message) error
		keep      func(*mesospb.Offer) any
	}{
		"detached ids":        {codec.Codec.UnmarshalOwned, func(o *mesospb.Offer) any { return codec.Detach(o.GetAgentId()) }},
		"detached attributes": {codec.Codec.UnmarshalOwned, func(o *mesospb.Offer) any { return codec.Detach(o.GetAttributes()[3]) }},
		"ids":                 {codec.Codec.UnmarshalDetached, func(o *mesospb.Offer) any { return o.GetAgentId() }},
		"strings":             {codec.Codec.UnmarshalDetached, func(o *mesospb.Offer) any { return o.GetAgentId().GetValue() }},
	} {
		for _, c := range []codec.Codec{codec.Protobuf, codec.JSON} {
			t.Run(name+"/"+c.MediaType(), func(t *testing.T) {
				kept := make([]any, events)
				before := inUse()
				for n := range kept {
					e := new(schedulerpb.Event)
					if err := tc.unmarshal(c, bigOffers(t, c, n), e); err != nil {
						t.Fatal(err)
					}
					kept[n] = tc.keep(e.GetOffers().GetOffers()[7])
				}
				if grown := int64(inUse()) - int64(before); grown > events*4096 {
					t.Errorf("%d kept parts hold %d bytes", events, grown)
				}
				runtime.KeepAlive(kept)
			})
		}
	}
}

func TestDetachedIsEqual(t *testing.T) {
	e := new(schedulerpb.Event)
	if err := codec.Protobuf.UnmarshalOwned(bigOffers(t, codec.Protobuf, 1), e); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(e, codec.Detach(e)) {
		t.Error("the copy differs")
	}
	if (*mesospb.Offer)(nil) != codec.Detach((*mesospb.Offer)(nil)) {
		t.Error("nothing was made something")
	}
	partial := &mesospb.Offer{Hostname: new("h")}
	if !proto.Equal(partial, codec.Detach(partial)) {
		t.Error("a partial message differs")
	}
	bad := &mesospb.AgentID{Value: new("\xff")}
	if codec.Detach(bad).GetValue() != "\xff" {
		t.Error("a string that is not UTF-8 differs")
	}
}

func BenchmarkDetachOffer(b *testing.B) {
	o := &mesospb.Offer{Id: &mesospb.OfferID{Value: new("offer-1")}, FrameworkId: &mesospb.FrameworkID{Value: new("fw")}, AgentId: &mesospb.AgentID{Value: new("agent")}, Hostname: new("host")}
	for _, name := range []string{"cpus", "mem", "disk"} {
		o.Resources = append(o.Resources, &mesospb.Resource{Name: &name, Type: mesospb.Value_SCALAR.Enum(), Scalar: &mesospb.Value_Scalar{Value: new(4.0)}, AllocationInfo: &mesospb.Resource_AllocationInfo{Role: new("eng")}})
	}
	for b.Loop() {
		codec.Detach(o)
	}
}
