package transport_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestPartsOfEventsMayBeKeptUnlessMemoryIsShared(t *testing.T) {
	offer := &mesospb.Offer{Id: &mesospb.OfferID{Value: new("o")}, FrameworkId: &mesospb.FrameworkID{Value: new("f")}, AgentId: &mesospb.AgentID{Value: new("a")}, Hostname: new(strings.Repeat("h", 400<<10))}
	body, err := codec.Protobuf.Append(nil, &schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: &schedulerpb.Event_Offers{Offers: []*mesospb.Offer{offer}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", codec.MediaTypeProtobuf)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	for _, share := range []bool{false, true} {
		c, err := transport.New(transport.Config{ShareMemory: share})
		if err != nil {
			t.Fatal(err)
		}
		before := inUse()
		var ids []*mesospb.AgentID
		for range 100 {
			e := new(schedulerpb.Event)
			if err := c.CallResponse(t.Context(), server.URL, &schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()}, e); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.GetOffers().GetOffers()[0].GetAgentId())
		}
		if grown := int64(inUse()) - int64(before); (grown > 20<<20) != share {
			t.Errorf("shared: %v: 100 agent ids hold %d kB", share, grown>>10)
		}
		runtime.KeepAlive(ids)
		c.Close()
	}
}
