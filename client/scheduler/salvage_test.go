package scheduler

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// later turns a frame into one of a release that knows more: the type of the resource "later" becomes one that this release does not know.
func later(t *testing.T, cd codec.Codec, frame []byte) []byte {
	t.Helper()
	known, unknown := []byte(`"type":"SET"`), []byte(`"type":"MAP"`)
	if cd == codec.Protobuf {
		// Field 2 is the type, 15 is none of this release.
		known = protowire.AppendTag([]byte("later"), 2, protowire.VarintType)
		unknown = protowire.AppendTag([]byte("later"), 15, protowire.VarintType)
	}
	if !bytes.Contains(frame, known) {
		t.Fatalf("no unknown type in %q", frame)
	}
	return bytes.ReplaceAll(frame, known, unknown)
}

// An offer with a resource of an unknown type, an update of an unknown state, what is no message at all: whatever a later release says.
func TestWhatCannotBeDecodedDoesNotEndTheStream(t *testing.T) {
	for _, cd := range []codec.Codec{codec.Protobuf, codec.JSON} {
		t.Run(cd.MediaType(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				traces := new(traceLog)
				network, j := new(memnet.Network), new(journal)
				m := startMaster(t, network, address)
				play(t, network, j, func(cfg *SessionConfig) { cfg.Tracer, cfg.Transport = traces, newTransport(t, network, cd) })
				stream := <-m.subscribes
				odd := offerEvent("good", "odd", "fine")
				odd.Offers.Offers[1].Resources = []*mesospb.Resource{{Name: proto.String("later"), Type: mesospb.Value_SET.Enum(), Set: &mesospb.Value_Set{}}}
				only := offerEvent("only")
				only.Offers.Offers[0].Resources = odd.Offers.Offers[1].Resources
				stream.raw(later(t, cd, frameOf(cd, odd)))
				stream.raw(later(t, cd, frameOf(cd, only)))
				stream.raw(recordio.AppendFrame(nil, []byte{0xff}))
				stream.send(offerEvent("last"))
				j.expect(t, connectedLine, "offers good fine", "offers last")
				var declined []string
				for len(m.calls) > 0 {
					c := (<-m.calls).call
					for _, id := range c.GetDecline().GetOfferIds() {
						declined = append(declined, id.GetValue())
					}
					if c.GetDecline().GetFilters().GetRefuseSeconds() < 60 {
						t.Errorf("a refusal for too short a time: %v", c)
					}
				}
				if slices.Sort(declined); !slices.Equal(declined, []string{"odd", "only"}) {
					t.Errorf("declined: %v", declined)
				}
				var counts []int
				for _, d := range traces.read() {
					if d.Kind == TraceLeftOut {
						counts = append(counts, d.Failures)
						if _, ok := d.Err.(*transport.DecodeError); !ok || strings.Contains(d.Err.Error(), "\n") {
							t.Errorf("told: %v", d.Err)
						}
					}
				}
				if len(counts) != 3 || counts[0] != 1 || counts[1] != 2 || counts[2] != 1 {
					t.Errorf("left out by cause: %v, want 1 2 1", counts)
				}
			})
		})
	}
}

func TestASessionThatNeverReachedAMasterSaysWhy(t *testing.T) {
	cfg := SessionConfig{Master: "127.0.0.1:1", FrameworkInfo: frameworkInfo(), Handler: new(journal)}
	s, err := NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = s.Run(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want the deadline and that the connection is refused", err)
	}
}
