package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// journal is a Handler that writes down what happens, and does what a test wants besides.
type journal struct {
	mu    sync.Mutex
	lines []string
	busy  bool
	// do, if set, is called with every line; its error is the handler's.
	do func(ctx context.Context, s *Session, line string) error
}

func (j *journal) note(ctx context.Context, s *Session, format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	j.mu.Lock()
	j.lines = append(j.lines, line)
	if j.busy {
		j.lines = append(j.lines, "TWO AT ONCE")
	}
	j.busy = true
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		j.busy = false
		j.mu.Unlock()
	}()
	if j.do == nil {
		return nil
	}
	return j.do(ctx, s, line)
}

func (j *journal) Connected(ctx context.Context, s *Session, c Connected) error {
	kind := "connected"
	if c.Reconnected {
		kind = "reconnected"
	}
	if c.Resumed {
		kind += " resumed"
	}
	return j.note(ctx, s, "%s %s %s", kind, c.FrameworkID.GetValue(), strings.TrimPrefix(c.Master, "http://"))
}

func (j *journal) Disconnected(ctx context.Context, s *Session, d Disconnected) error {
	return j.note(ctx, s, "disconnected: %s", kindOf(d.Err))
}

func (j *journal) Event(ctx context.Context, s *Session, e *schedulerpb.Event) error {
	switch e.GetType() {
	case schedulerpb.Event_OFFERS:
		var ids []string
		for _, o := range e.GetOffers().GetOffers() {
			ids = append(ids, o.GetId().GetValue())
		}
		return j.note(ctx, s, "offers %s", strings.Join(ids, " "))
	case schedulerpb.Event_UPDATE:
		return j.note(ctx, s, "update %s", e.GetUpdate().GetStatus().GetTaskId().GetValue())
	case schedulerpb.Event_ERROR:
		return j.note(ctx, s, "error %s", e.GetError().GetMessage())
	}
	return j.note(ctx, s, "%s", e.GetType())
}

func (j *journal) Info(ctx context.Context, s *Session, message any) error {
	return j.note(ctx, s, "info %v", message)
}

func (j *journal) Terminate(s *Session, value any, err error) {
	_ = j.note(context.Background(), s, "terminated with %v, error: %s", value, kindOf(err))
}

func (j *journal) read() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// count returns how many lines have a prefix.
func (j *journal) count(prefix string) (n int) {
	for _, line := range j.read() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// expect compares the journal, once nothing moves any more.
func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, j.read()); diff != "" {
		t.Errorf("what the handler saw (-want +got):\n%s", diff)
	}
}

// kindOf names an error.
func kindOf(err error) string {
	for _, kind := range []error{ErrHeartbeatsMissed, ErrLeaderChanged, ErrOvertaken, ErrFailedOver, ErrFrameworkRemoved, ErrGaveUp, ErrStarted, transport.ErrForbidden,
		transport.ErrUnauthorized, transport.ErrBadRequest, transport.ErrUnavailable, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	if _, ok := errors.AsType[*transport.DecodeError](err); ok {
		return "undecodable"
	}
	if _, ok := errors.AsType[*EventError](err); ok {
		return "error event"
	}
	if _, ok := errors.AsType[*StoreError](err); ok {
		return "store"
	}
	if _, ok := errors.AsType[*transport.ExchangeError](err); ok {
		return "connection lost"
	}
	switch {
	case err == nil:
		return "none"
	case err == io.EOF:
		return "end of stream"
	}
	return err.Error()
}

// switchboard is a detector that a test controls.
type switchboard struct {
	mu      sync.Mutex
	now     detector.Masters
	err     error
	changed chan struct{}
}

func newSwitchboard(addresses ...string) *switchboard {
	b := &switchboard{changed: make(chan struct{})}
	b.set(addresses...)
	return b
}

func (b *switchboard) set(addresses ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = detector.Masters{}
	for _, a := range addresses {
		b.now.Candidates = append(b.now.Candidates, "http://"+a)
	}
	if len(addresses) == 1 { // fake masters use their address as their id
		b.now.Info = &mesospb.MasterInfo{Id: proto.String(addresses[0]), Ip: proto.Uint32(1), Port: proto.Uint32(5050)}
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *switchboard) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *switchboard) String() string { return "switchboard" }

func (b *switchboard) Watch(ctx context.Context) iter.Seq2[detector.Masters, error] {
	return func(yield func(detector.Masters, error) bool) {
		for {
			b.mu.Lock()
			now, err, changed := b.now, b.err, b.changed
			b.mu.Unlock()
			if !yield(now, err) || err != nil {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// play starts a session; it is stopped at the end of the test if it has not ended.
func play(t *testing.T, network *memnet.Network, j *journal, change func(*SessionConfig)) *Session {
	t.Helper()
	cfg := SessionConfig{Master: address, Transport: newTransport(t, network, codec.Protobuf), FrameworkInfo: frameworkInfo(), Handler: j}
	if change != nil {
		change(&cfg)
	}
	if cfg.Detector != nil {
		cfg.Master = ""
	}
	s, err := NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _ = s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-s.Done()
	})
	return s
}

// scene is the usual beginning: one master, one session that is connected.
func scene(t *testing.T, change func(*SessionConfig)) (*memnet.Network, *fakeMaster, *fakeStream, *journal, *Session) {
	t.Helper()
	network := new(memnet.Network)
	m := startMaster(t, network, address)
	j := new(journal)
	s := play(t, network, j, change)
	stream := <-m.subscribes
	synctest.Wait() // until the session knows that it is connected
	return network, m, stream, j, s
}

const connectedLine = "connected master:5050-0001 master:5050"

func TestSessionHandsEventsOverInOrderOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, stream, j, _ := scene(t, nil)
		var want []string
		want = append(want, connectedLine)
		for i := range 500 {
			stream.send(offerEvent(fmt.Sprint("o", i)), heartbeatEvent(), updateEvent(fmt.Sprint("t", i), ""))
			want = append(want, fmt.Sprint("offers o", i), fmt.Sprint("update t", i))
		}
		j.expect(t, want...)
	})
}

func TestSessionSubscribesAgainWithItsIDWhateverBreaksTheStream(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(*fakeStream)
		want   string
	}{
		"ended":   {func(s *fakeStream) { s.end() }, "end of stream"},
		"severed": {func(s *fakeStream) { s.sever() }, "connection lost"},
		"cut":     {func(s *fakeStream) { s.raw([]byte("1")); s.end() }, "connection lost"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, m, stream, j, _ := scene(t, nil)
				test.breaks(stream)
				again := <-m.subscribes
				again.send(offerEvent("o"))
				j.expect(t, connectedLine, "disconnected: "+test.want, "re"+strings.Replace(connectedLine, "connected", "connected resumed", 1), "offers o")
				if again.call.GetFrameworkId().GetValue() != stream.fw || again.call.GetSubscribe().GetFrameworkInfo().GetId().GetValue() != stream.fw {
					t.Errorf("the framework id is missing: %v", again.call)
				}
				if again.header.Get(streamIDHeader) != "" {
					t.Error("SUBSCRIBE bears a stream id")
				}
			})
		})
	}
}

func TestSessionFollowsRedirectsAndSendsCallsToTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		follower, leader := startMaster(t, &network, address), startMaster(t, &network, "leader:5050")
		follower.refuse = redirectTo("leader:5050")
		j := new(journal)
		s := play(t, &network, j, nil)
		stream := <-leader.subscribes
		synctest.Wait()
		if err := s.Revive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-leader.calls; got.call.GetType() != schedulerpb.Call_REVIVE || len(follower.calls) != 0 {
			t.Errorf("the leader got %v, the follower %d calls", got.call, len(follower.calls))
		}
		if base, ok := s.Master(); !ok || base != "http://leader:5050" {
			t.Errorf("connected to %q, %v", base, ok)
		}
		// The roles change: the leader goes, the follower leads.
		leader.stop()
		follower.set(func(m *fakeMaster) { m.refuse = nil })
		<-stream.gone
		<-follower.subscribes
		if err := s.Waiting().Revive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-follower.calls; got.call.GetType() != schedulerpb.Call_REVIVE {
			t.Errorf("got %v", got.call)
		}
	})
}

func TestSessionMovesWithTheLeaderThatIsDetected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		a, b := startMaster(t, &network, "a:5050"), startMaster(t, &network, "b:5050")
		board := newSwitchboard()
		j := new(journal)
		play(t, &network, j, func(cfg *SessionConfig) { cfg.Detector = board })
		time.Sleep(time.Hour) // nobody leads
		board.set("a:5050")
		onA := <-a.subscribes
		synctest.Wait()
		board.set("a:5050") // as before
		board.set()         // nobody: the stream is better than nothing
		time.Sleep(time.Minute)
		onA.send(offerEvent("o1"))
		synctest.Wait()
		board.set("b:5050")
		<-onA.gone
		onB := <-b.subscribes
		onB.send(offerEvent("o2"))
		j.expect(t, "connected a:5050-0001 a:5050", "offers o1", "disconnected: another master leads", "reconnected resumed a:5050-0001 b:5050", "offers o2")
	})
}

func TestSessionGivesUpADeadLeaderWhenAnotherIsDetected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		dead, alive := startMaster(t, &network, "dead:5050"), startMaster(t, &network, "alive:5050")
		dead.manual = true // takes SUBSCRIBE and says nothing
		board := newSwitchboard("dead:5050")
		j := new(journal)
		play(t, &network, j, func(cfg *SessionConfig) { cfg.Detector = board })
		<-dead.subscribes
		synctest.Wait()
		start := time.Now()
		board.set("alive:5050")
		<-alive.subscribes
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a master that no longer leads", waited)
		}
		j.expect(t, "connected alive:5050-0001 alive:5050")
	})
}

func TestFailingDetectorEndsTheSessionOnlyWhenItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := newSwitchboard(address)
		failure := errors.New("not authorized")
		_, _, stream, j, s := scene(t, func(cfg *SessionConfig) { cfg.Detector = board })
		board.fail(failure)
		synctest.Wait()
		stream.send(offerEvent("o"))
		j.expect(t, connectedLine, "offers o")
		stream.end()
		if _, err := s.Result(); !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSilentMasterIsTakenForDead(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*SessionConfig)
		want   time.Duration
	}{
		"five heartbeats": {nil, 75 * time.Second},
		"two heartbeats":  {func(cfg *SessionConfig) { cfg.MissedHeartbeats = 2 }, 30 * time.Second},
		"window":          {func(cfg *SessionConfig) { cfg.HeartbeatWindow = 5 * time.Second }, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network memnet.Network
				m := startMaster(t, &network, address)
				j := new(journal)
				start := time.Now()
				play(t, &network, j, test.change)
				stream := <-m.subscribes
				<-stream.gone
				if got := time.Since(start); got != test.want {
					t.Errorf("given up after %v, want %v", got, test.want)
				}
				<-m.subscribes
				j.expect(t, connectedLine, "disconnected: the master is silent", "reconnected resumed master:5050-0001 master:5050")
			})
		})
	}
}

func TestHeartbeatsKeepASubscriptionAliveForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.heartbeat = 15 * time.Second
		j := new(journal)
		play(t, &network, j, nil)
		time.Sleep(48 * time.Hour)
		j.expect(t, connectedLine)
	})
}

// The bytes of a frame that takes long to arrive are signs of life.
func TestFrameThatArrivesSlowlyIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, stream, j, _ := scene(t, nil)
		for _, b := range frameOf(codec.Protobuf, offerEvent("o")) {
			time.Sleep(time.Minute)
			stream.raw([]byte{b})
		}
		j.expect(t, connectedLine, "offers o")
	})
}

func TestSlowHandlerNeitherStallsTheStreamNorLosesTheMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.heartbeat = 15 * time.Second
		j := new(journal)
		j.do = func(_ context.Context, _ *Session, line string) error {
			if line == "offers first" {
				time.Sleep(24 * time.Hour)
			}
			return nil
		}
		play(t, &network, j, nil)
		stream := <-m.subscribes
		stream.send(offerEvent("first"))
		want := []string{connectedLine, "offers first"}
		for i := range 2000 {
			stream.send(offerEvent(fmt.Sprint(i)))
			want = append(want, fmt.Sprint("offers ", i))
		}
		time.Sleep(time.Minute)
		if n := len(stream.ops); n != 0 {
			t.Errorf("the master could not get rid of %d frames while the handler was busy", n)
		}
		time.Sleep(25 * time.Hour)
		j.expect(t, want...)
	})
}

// With a bounded queue the stream does stall, but the master is not blamed.
func TestBoundedQueueHoldsTheStreamAndKeepsTheMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		j.do = func(_ context.Context, _ *Session, line string) error {
			if line == "offers first" {
				time.Sleep(24 * time.Hour)
			}
			return nil
		}
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.heartbeat = 15 * time.Second
		s := play(t, &network, j, func(cfg *SessionConfig) { cfg.MaxQueue = 3 })
		stream := <-m.subscribes
		stream.send(offerEvent("first"))
		want := []string{connectedLine, "offers first"}
		for i := range 2000 {
			stream.send(offerEvent(fmt.Sprint(i)))
			want = append(want, fmt.Sprint("offers ", i))
		}
		time.Sleep(time.Minute)
		if n := len(stream.ops); n < 1000 {
			t.Errorf("only %d frames are held back", n)
		}
		for range 10 { // messages always fit
			if err := s.Post("x"); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(25 * time.Hour)
		if got := slices.DeleteFunc(j.read(), func(line string) bool { return line == "info x" }); !slices.Equal(got, want) || j.count("info x") != 10 {
			t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
		}
	})
}

func TestFrameworkInfoOfTheCallerIsNotChangedByASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := frameworkInfo()
		_, m, stream, _, _ := scene(t, func(cfg *SessionConfig) { cfg.FrameworkInfo, cfg.FailoverTimeout = info, time.Hour })
		stream.end()
		<-m.subscribes
		if !proto.Equal(info, frameworkInfo()) {
			t.Errorf("changed to %v", info)
		}
		if got := stream.call.GetSubscribe().GetFrameworkInfo().GetFailoverTimeout(); got != 3600 {
			t.Errorf("failover timeout %v, want 3600", got)
		}
	})
}

func TestSessionsOfOneProcessDoNotDisturbEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		var journals [3]*journal
		var sessions [3]*Session
		var streams [3]*fakeStream
		for i := range journals {
			journals[i] = new(journal)
			sessions[i] = play(t, &network, journals[i], func(cfg *SessionConfig) { cfg.Name = fmt.Sprint("s", i) })
			streams[i] = <-m.subscribes
		}
		synctest.Wait()
		streams[1].end()
		sessions[2].Stop(nil)
		<-m.subscribes
		for i := range streams {
			if sessions[i].Name() != fmt.Sprint("s", i) {
				t.Errorf("name %q", sessions[i].Name())
			}
		}
		streams[0].send(offerEvent("o"))
		journals[0].expect(t, connectedLine, "offers o")
		journals[1].expect(t, "connected master:5050-0002 master:5050", "disconnected: end of stream", "reconnected resumed master:5050-0002 master:5050")
		journals[2].expect(t, "connected master:5050-0003 master:5050", "terminated with <nil>, error: none")
	})
}

// Nothing is handled twice or out of order, whatever happens to the connection.
func TestLeaderThatChangesEverySecondForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		masters := map[string]*fakeMaster{"a:5050": startMaster(t, &network, "a:5050"), "b:5050": startMaster(t, &network, "b:5050")}
		board := newSwitchboard("a:5050")
		j := new(journal)
		play(t, &network, j, func(cfg *SessionConfig) { cfg.Detector = board; cfg.FrameworkInfo.Id = frameworkID("f") })
		var sent atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for _, m := range masters {
			wg.Go(func() {
				for {
					select {
					case stream := <-m.subscribes:
						for range 3 {
							stream.send(offerEvent(fmt.Sprintf("%s/%d", stream.id, sent.Add(1))))
						}
					case <-stop:
						return
					}
				}
			})
		}
		for i := range 60 {
			time.Sleep(time.Second)
			leader := []string{"a:5050", "b:5050"}[(i+1)%2]
			board.set(leader)
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		close(stop)
		wg.Wait()
		seen := make(map[string]bool)
		for _, line := range j.read() {
			if seen[line] && strings.HasPrefix(line, "offers") {
				t.Errorf("%q was handled twice", line)
			}
			seen[line] = true
		}
		if n := j.count("offers"); n != int(sent.Load()) || n != 61*3 {
			t.Errorf("%d offers handled of %d, want %d", n, sent.Load(), 61*3)
		}
		// Between two connections there is exactly one disconnection, and offers come only while connected.
		up := false
		for i, line := range j.read() {
			switch {
			case strings.Contains(line, "connected ") && up, strings.HasPrefix(line, "disconnected") && !up, strings.HasPrefix(line, "offers") && !up, line == "TWO AT ONCE":
				t.Fatalf("line %d is out of order: %q", i, line)
			case strings.Contains(line, "connected "):
				up = true
			case strings.HasPrefix(line, "disconnected"):
				up = false
			}
		}
	})
}
