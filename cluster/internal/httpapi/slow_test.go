package httpapi

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/memnet"
	"github.com/mesokit/mesokit/internal/httpguard"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// limit takes the place of MaxBacklog.
const limit = 64 << 20

// message is an event of about so many bytes.
func message(size int) proto.Message {
	return &schedulerpb.Event{Type: schedulerpb.Event_MESSAGE.Enum(), Message: &schedulerpb.Event_Message{
		AgentId: &mesospb.AgentID{Value: proto.String("a")}, ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}, Data: make([]byte, size),
	}}
}

// stream serves a stream in a bubble to a client that has read the header of the answer and nothing more.
func stream(t *testing.T, f func(s *Stream, body io.ReadCloser)) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		l, err := network.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := NewStream(codec.Protobuf)
		s.limit = limit
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(r.Context(), w) })}
		go server.Serve(l)
		tr := &http.Transport{DialContext: network.DialContext}
		resp, err := (&http.Client{Transport: tr}).Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		f(s, resp.Body)
		resp.Body.Close()
		server.Close()
		tr.CloseIdleConnections()
		<-s.Done()
	})
}

func TestAClientThatDoesNotReadIsDisconnected(t *testing.T) {
	stream(t, func(s *Stream, _ io.ReadCloser) {
		sent := 0
		for !s.Overrun() && sent < 2*limit {
			s.Send(message(1 << 20))
			sent += 1 << 20
			synctest.Wait()
		}
		if sent > limit+4<<20 || sent < limit {
			t.Errorf("ended after %d bytes, want %d", sent, limit)
		}
		<-s.Done() // though its write was blocked
		if len(s.queue) > 0 {
			t.Error("messages are kept for nobody")
		}
	})
}

func TestOneMessageMayBeAsLargeAsItLikes(t *testing.T) {
	stream(t, func(s *Stream, body io.ReadCloser) {
		s.Send(message(limit + 1<<20))
		s.Send(message(10)) // as a heartbeat after it
		s.Close()
		n, err := io.Copy(io.Discard, body)
		if err != nil || n < limit+1<<20 || s.Overrun() {
			t.Errorf("read %d bytes (%v), overrun %v", n, err, s.Overrun())
		}
	})
}

func TestAClosedStreamDoesNotWaitForItsClientForEver(t *testing.T) {
	stream(t, func(s *Stream, _ io.ReadCloser) {
		s.Send(message(1 << 20))
		synctest.Wait()
		began := time.Now()
		s.Close()
		<-s.Done()
		if d := time.Since(began); d != Linger {
			t.Errorf("ended after %v, want %v", d, Linger)
		}
	})
}

func TestWhoProducesWaitsForASlowClientButNotForADeadOne(t *testing.T) {
	stream(t, func(s *Stream, body io.ReadCloser) {
		began := time.Now()
		go func() { // a megabyte a second, ten times
			for range 10 {
				if _, err := io.CopyN(io.Discard, body, 1<<20); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
			}
		}()
		for range 10 {
			s.Send(message(1 << 20))
			s.AwaitRoom(2<<20, 5*time.Second)
		}
		if d := time.Since(began); d < 6*time.Second || s.Overrun() {
			t.Errorf("ten megabytes were taken in %v, overrun %v", d, s.Overrun())
		}
		time.Sleep(time.Minute) // it has stopped reading
		began = time.Now()
		for range 10 {
			s.Send(message(1 << 20))
			s.AwaitRoom(2<<20, 5*time.Second)
		}
		if !s.Overrun() {
			t.Error("the dead client is still there")
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("the dead client was given %v, want 5s", d)
		}
	})
}

// served serves a handler as masters and agents are served, in a bubble, and returns how to connect to it.
func served(t *testing.T, h http.HandlerFunc, test func(connect func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		l, err := network.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := Server(h, func(string) bool { return false })
		go server.Serve(l)
		defer server.Close()
		test(func() net.Conn {
			conn, err := network.DialContext(context.Background(), "tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			return conn
		})
	})
}

const post = "POST /api/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

func TestABodyThatStallsIsGivenUp(t *testing.T) {
	served(t, func(w http.ResponseWriter, r *http.Request) { ReadCall(w, r, &schedulerpb.Call{}) }, func(connect func() net.Conn) {
		ask := func(head string, drip time.Duration) (string, time.Duration) {
			conn := connect()
			began := time.Now()
			var work sync.WaitGroup
			work.Go(func() {
				_, err := io.WriteString(conn, head)
				for drip > 0 && err == nil {
					time.Sleep(drip)
					_, err = io.WriteString(conn, " ")
				}
			})
			answer, err := io.ReadAll(conn)
			defer work.Wait()
			defer conn.Close()
			if err != nil {
				t.Error(err)
			}
			line, _, _ := strings.Cut(string(answer), "\r\n")
			return line, time.Since(began)
		}
		if line, d := ask(post+"Content-Length: 100\r\n\r\n{\"type\"", 0); line != "HTTP/1.1 400 Bad Request" || d < httpguard.Stall || d > httpguard.Stall+2*time.Second {
			t.Errorf("%q after %v", line, d)
		}
		// a byte now and then is no progress
		if line, d := ask(post+"Content-Length: 10000\r\n\r\n{\"type\"", 10*time.Second); line != "HTTP/1.1 400 Bad Request" || d > httpguard.Stall+2*time.Second {
			t.Errorf("%q after %v", line, d)
		}
		if line, d := ask(post+"Content-Length: 99999999999\r\n\r\n{", 0); line != "HTTP/1.1 413 Request Entity Too Large" || d > 2*time.Second {
			t.Errorf("%q after %v", line, d)
		}
	})
}

func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { Error(w, http.StatusUnauthorized, "who are you?") }
	served(t, refuse, func(connect func() net.Conn) {
		conn := connect()
		defer conn.Close()
		began := time.Now()
		go io.WriteString(conn, post+"Content-Length: 100\r\n\r\n{")
		answer, err := io.ReadAll(conn)
		if !strings.Contains(string(answer), "who are you?") || err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("%q (%v) after %v", answer, err, time.Since(began))
		}
	})
}

func TestAnAnswerThatNobodyReadsIsGivenUp(t *testing.T) {
	var ended chan time.Time
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for part := make([]byte, 1000); ; {
			if _, err := w.Write(part); err != nil {
				ended <- time.Now()
				return
			}
		}
	}
	served(t, endless, func(connect func() net.Conn) {
		ended = make(chan time.Time, 1)
		conn := connect()
		defer conn.Close()
		began := time.Now()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, conn, 100_000); err != nil { // and then no more
			t.Error(err)
		}
		if d := (<-ended).Sub(began); d > httpguard.Stall+time.Second {
			t.Errorf("ended after %v, want %v", d, httpguard.Stall)
		}
	})
}

func TestAQuietStreamLivesOnAndSoDoesItsConnection(t *testing.T) {
	const hours = 3
	quiet := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range hours {
			time.Sleep(time.Hour)
			if r.Context().Err() != nil {
				return
			}
			_, _ = io.WriteString(w, "tick")
			_ = http.NewResponseController(w).Flush()
		}
	}
	served(t, quiet, func(connect func() net.Conn) {
		conn := connect()
		defer conn.Close()
		in := bufio.NewReader(conn)
		for range 2 { // on the same connection
			if _, err := io.WriteString(conn, post+"Content-Length: 2\r\n\r\n{}"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(resp.Body); string(got) != strings.Repeat("tick", hours) || err != nil {
				t.Errorf("%q (%v)", got, err)
			}
			time.Sleep(time.Hour)
		}
	})
}
