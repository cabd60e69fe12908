// Package calls makes every call of every API to an embedded cluster, in both media types, through the clients, and sees that every event
// comes: what a client can say and hear is what a Mesos takes and tells.
package calls

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for; nothing should come near it.
const patience = 30 * time.Second

var media = map[string]codec.Codec{"json": codec.JSON, "protobuf": codec.Protobuf}

// ledger keeps account of what went over the wire. It is a transport.FrameTracer.
type ledger struct {
	mu    sync.Mutex
	taken map[string]bool  // calls, events and operations that were taken or came: "mesos.v1.scheduler.Call ACCEPT"
	last  map[string]error // how calls failed that did
}

func newLedger() *ledger { return &ledger{taken: make(map[string]bool), last: make(map[string]error)} }

// nameOf names a message by its type.
func nameOf(m proto.Message) string {
	r := m.ProtoReflect()
	field := r.Descriptor().Fields().ByName("type")
	if field == nil || field.Enum() == nil {
		return ""
	}
	value := field.Enum().Values().ByNumber(r.Get(field).Enum())
	if value == nil {
		return ""
	}
	return string(r.Descriptor().FullName()) + " " + string(value.Name())
}

type sentKey struct{}

func (l *ledger) TraceStart(ctx context.Context, d transport.TraceStart) context.Context {
	if d.Message == nil {
		return ctx
	}
	return context.WithValue(ctx, sentKey{}, d.Message)
}

func (l *ledger) TraceEnd(ctx context.Context, d transport.TraceEnd) {
	sent, ok := ctx.Value(sentKey{}).(proto.Message)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.Err != nil {
		l.last[nameOf(sent)] = d.Err
		return
	}
	l.taken[nameOf(sent)] = true
	if call, ok := sent.(*schedulerpb.Call); ok {
		for _, op := range call.GetAccept().GetOperations() {
			l.taken[nameOf(op)] = true
		}
	}
}

func (l *ledger) TraceFrame(_ context.Context, d transport.TraceFrame) {
	if d.Err != nil || d.Message == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken[nameOf(d.Message)] = true
}

// complete sees that every value of the field "type" of a message was on the wire, but for those that are excused.
func (l *ledger) complete(t *testing.T, m proto.Message, excused map[string]string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	d := m.ProtoReflect().Descriptor()
	values := d.Fields().ByName("type").Enum().Values()
	for i := range values.Len() {
		value := values.Get(i)
		name := string(d.FullName()) + " " + string(value.Name())
		_, isExcused := excused[string(value.Name())]
		switch {
		case value.Number() == 0 && value.Name() == "UNKNOWN":
		case isExcused && l.taken[name]:
			t.Errorf("%s works by now; take it off the list of excuses", name)
		case !isExcused && !l.taken[name]:
			t.Errorf("%s was not taken or did not come; last error: %v", name, l.last[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(excused)) {
		if values.ByName(protoreflect.Name(name)) == nil {
			t.Errorf("%s has no %s to be excused", d.FullName(), name)
		}
	}
}

// transportOf returns a transport into the ledger, closed with the test.
func (l *ledger) transport(t *testing.T, cd codec.Codec) *transport.Client {
	t.Helper()
	tr, err := transport.New(transport.Config{Codec: cd, Tracer: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

func value(s string) *string { return proto.String(strings.Clone(s)) }
