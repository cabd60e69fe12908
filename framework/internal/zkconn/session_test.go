package zkconn

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A lost connection is followed by another attempt at once; only when all servers were tried in vain there is a pause.
func TestServersAreTriedInTurnBeforeAPause(t *testing.T) {
	h := new(hosts)
	if err := h.Init([]string{"a", "b", "c"}); err != nil || h.Len() != 3 {
		t.Fatal(h.Len(), err)
	}
	next := func(n int) (names string, pauses []int) {
		for i := range n {
			server, pause := h.Next()
			if names += server; pause {
				pauses = append(pauses, i)
			}
		}
		return names, pauses
	}
	if names, pauses := next(7); names != "abcabca" || !slices.Equal(pauses, []int{3, 6}) {
		t.Fatalf("%s with pauses before %v", names, pauses)
	}
	h.Connected()
	if names, pauses := next(4); names != "bcab" || !slices.Equal(pauses, []int{3}) {
		t.Fatalf("after a connection %s with pauses before %v", names, pauses)
	}
}

// server greets like ZooKeeper, with the given session timeout, and answers every request with success.
func server(t *testing.T, timeout time.Duration) (addr string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
	}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { greet(c, timeout) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cut()
		wg.Wait()
	})
	return l.Addr().String(), cut
}

func greet(c net.Conn, timeout time.Duration) {
	defer c.Close()
	packet := func() ([]byte, error) {
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint32(size[:]))
		_, err := io.ReadFull(c, body)
		return body, err
	}
	if _, err := packet(); err != nil {
		return
	}
	// Length, protocol, timeout, session, a password of 16 bytes.
	hello := binary.BigEndian.AppendUint32(nil, 36)
	hello = binary.BigEndian.AppendUint32(hello, 0)
	hello = binary.BigEndian.AppendUint32(hello, uint32(timeout/time.Millisecond))
	hello = binary.BigEndian.AppendUint64(hello, 99)
	hello = append(binary.BigEndian.AppendUint32(hello, 16), make([]byte, 16)...)
	// In pieces, as networks may deliver it.
	for _, part := range [][]byte{hello[:3], hello[3:10], hello[10:]} {
		if _, err := c.Write(part); err != nil {
			return
		}
	}
	for {
		request, err := packet()
		if err != nil || len(request) < 8 {
			return
		}
		// Length, the request's number, a transaction, no error, a path.
		answer := binary.BigEndian.AppendUint32(nil, 21)
		answer = append(answer, request[:4]...)
		answer = binary.BigEndian.AppendUint64(answer, 1)
		answer = binary.BigEndian.AppendUint32(answer, 0)
		answer = append(binary.BigEndian.AppendUint32(answer, 1), '/')
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func TestTheGrantedTimeoutIsKnown(t *testing.T) {
	addr, cut := server(t, 4321*time.Millisecond)
	s, err := Dial(Config{Servers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Timeout() != 0 && s.Timeout() != 4321*time.Millisecond {
		t.Fatalf("at first %v", s.Timeout())
	}
	if err := s.Ready(t.Context()); err != nil || s.Timeout() != 4321*time.Millisecond {
		t.Fatalf("%v, %v", s.Timeout(), err)
	}
	cut()
	select {
	case <-s.Lost():
	case <-time.After(time.Minute):
		t.Fatal("the loss is not noticed")
	}
}

func TestAClientHasANewSessionAfterALoss(t *testing.T) {
	addr, cut := server(t, time.Minute)
	c, err := NewClient(Config{Servers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, err := c.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cut()
	<-first.Lost()
	for {
		second, err := c.Session(t.Context())
		if err == nil && second != first {
			break
		}
		if err != nil && !errors.Is(err, zk.ErrConnectionClosed) || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitingForAServerEndsWithTheContext(t *testing.T) {
	c, err := NewClient(Config{Servers: []string{"127.0.0.1:1"}, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if _, err := Do(ctx, c, func(*Session) (int, error) { return 1, nil }); !errors.Is(err, enough) {
		t.Fatal(err)
	}
}
