package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/sim"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

const subscribeJSON = `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"abuser","roles":["*"],"capabilities":[{"type":"MULTI_ROLE"}],"failover_timeout":1}}}`

// abuses are what a client does that means harm or knows no better, on a connection of its own, again and again.
var abuses = []struct {
	name string
	do   func(ctx context.Context, c net.Conn)
}{
	{"subscribes as a framework and never reads", func(ctx context.Context, c net.Conn) {
		post(c, "/api/v1/scheduler", "application/json", subscribeJSON)
		<-ctx.Done()
	}},
	{"subscribes as an operator and reads a byte now and then", func(ctx context.Context, c net.Conn) {
		post(c, "/api/v1", "application/json", `{"type":"SUBSCRIBE"}`)
		b := make([]byte, 1)
		for ctx.Err() == nil {
			if _, err := c.Read(b); err != nil {
				return
			}
			pause(ctx, time.Millisecond)
		}
	}},
	{"subscribes and hangs up", func(_ context.Context, c net.Conn) {
		post(c, "/api/v1/scheduler", "application/json", subscribeJSON)
		bufio.NewReader(c).ReadString('\n')
	}},
	{"announces a body and stops in the middle", func(ctx context.Context, c net.Conn) {
		fmt.Fprintf(c, "POST /api/v1/scheduler HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(subscribeJSON), subscribeJSON[:40])
		<-ctx.Done()
	}},
	{"sends its header a byte at a time", func(ctx context.Context, c net.Conn) {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := c.Write([]byte{"GET /state HTTP/1.1\r\n"[i%20]}); err != nil {
				return
			}
			pause(ctx, time.Millisecond)
		}
	}},
	{"sends garbage", func(_ context.Context, c net.Conn) {
		c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP\r\n\r\n\x00\x00"))
		io.Copy(io.Discard, c)
	}},
	{"sends broken calls in both codecs", func(_ context.Context, c net.Conn) {
		r := bufio.NewReader(c)
		for _, body := range []string{`{"type":"ACCEPT"`, `{"type":"SUBSCRIBE","subscribe":{}}`, strings.Repeat(`{"a":`, 10000), `[]`, `{"type":7e999}`, "\xff\xfe"} {
			for _, media := range []string{"application/json", "application/x-protobuf"} {
				post(c, "/api/v1/scheduler", media, body)
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					return
				}
				io.Copy(io.Discard, resp.Body)
			}
		}
	}},
	{"sends a body without end", func(ctx context.Context, c net.Conn) {
		fmt.Fprintf(c, "POST /api/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := "10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n"
		for ctx.Err() == nil {
			if _, err := io.WriteString(c, chunk); err != nil {
				return
			}
			pause(ctx, time.Millisecond)
		}
	}},
}

func post(c net.Conn, path, media, body string) {
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nAccept: application/json\r\nContent-Length: %d\r\n\r\n%s", path, media, len(body), body)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TestBadClientsHarmNobodyElse lets 24 bad clients loose on a cluster, three of each kind, while a framework runs its tasks.
func TestBadClientsHarmNobodyElse(t *testing.T) {
	agents := append(simulated(4), cluster.AgentConfig{Resources: "cpus:1;mem:128;disk:128"})
	for i := range 4 {
		agents[i].Role = "good" // or the others hoard all offers, as they may
	}
	c := start(t, cluster.Config{Agents: agents})
	agent := c.Agents()[4].Address
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	rounds := map[string]int{}
	for i := range 24 {
		wg.Go(func() {
			a := abuses[i%len(abuses)]
			for ctx.Err() == nil {
				address := c.Master()
				if i >= 16 {
					address = agent
				}
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
				if err != nil {
					continue
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				a.do(ctx, conn)
				stop()
				conn.Close()
				mu.Lock()
				rounds[a.name]++
				mu.Unlock()
				pause(ctx, 20*time.Millisecond) // they are to do harm, not just to take the processor
			}
		})
	}
	info := modern("good")
	info.Roles = []string{"good"}
	f := subscribe(t, c, info, codec.Protobuf)
	const tasks = 100
	launched, ended := 0, 0
	began := time.Now()
	for ended < tasks {
		select {
		case e, ok := <-f.events:
			if !ok {
				t.Fatal("the stream of the good framework ended")
			}
			for _, o := range e.GetOffers().GetOffers() {
				var list []*mesospb.TaskInfo
				left := o.GetResources()
				for range min(10, tasks-launched) {
					got, ok := resources.Find(left, small(), "good")
					if !ok {
						break
					}
					left = resources.Subtract(left, got)
					task := shell(fmt.Sprint("t", launched), o, "true")
					task.Resources = got
					list = append(list, task)
					launched++
				}
				f.launch(o, list...)
			}
			if s := e.GetUpdate().GetStatus(); s != nil {
				f.must(f.Acknowledge(f.ctx, s))
				if s.GetState() == finished {
					ended++
				} else if terminal(s.GetState()) {
					t.Fatalf("a task did not finish: %v", s)
				}
			}
		case <-f.ctx.Done():
			t.Fatalf("%d of %d tasks ended in %v", ended, tasks, time.Since(began))
		}
	}
	t.Logf("%d tasks in %v", tasks, time.Since(began))
	cancel()
	wg.Wait()
	for _, a := range abuses {
		if rounds[a.name] == 0 {
			t.Errorf("nobody %s", a.name)
		}
	}
	// The abusers' frameworks are given up, and nothing is left of their connections: goleak looks in the end.
	f.must(f.Teardown(f.ctx))
}

// TestAFrameworkThatDoesNotReadIsDisconnected has tasks send their framework more than may wait for it.
func TestAFrameworkThatDoesNotReadIsDisconnected(t *testing.T) {
	flood := func(ctx context.Context, task sim.Task) error {
		data := make([]byte, 1<<20)
		for range 300 {
			task.Message(data)
		}
		return nil
	}
	agents := simulated(1)
	agents[0].Runner = sim.Funcs(map[string]sim.Func{"flood": flood})
	log := new(safeBuffer)
	c := start(t, cluster.Config{Agents: agents, Logger: slog.New(slog.NewTextHandler(log, nil))})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.Master())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	post(conn, "/api/v1/scheduler", "application/json", subscribeJSON)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	stream := resp.Header.Get("Mesos-Stream-Id")
	text := ""
	for !strings.Contains(text, `"OFFERS"`) {
		b := make([]byte, 4096)
		n, err := resp.Body.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b[:n])
	}
	between := func(after, begin, end string) string {
		_, rest, _ := strings.Cut(text, after)
		_, rest, _ = strings.Cut(rest, begin)
		v, _, _ := strings.Cut(rest, end)
		return v
	}
	framework := between(`"framework_id"`, `"value":"`, `"`)
	offer := between(`"OFFERS"`, `"id":{"value":"`, `"`)
	agent := between(`"OFFERS"`, `"agent_id":{"value":"`, `"`)
	call, err := http.NewRequestWithContext(ctx, "POST", (&url.URL{Scheme: "http", Host: c.Master(), Path: "/api/v1/scheduler"}).String(), strings.NewReader(fmt.Sprintf(
		`{"framework_id":{"value":%q},"type":"ACCEPT","accept":{"offer_ids":[{"value":%q}],"operations":[{"type":"LAUNCH","launch":{"task_infos":[{"name":"t","task_id":{"value":"t"},`+
			`"agent_id":{"value":%q},"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}],"command":{"value":"flood"}}]}}]}}`, framework, offer, agent)))
	if err != nil {
		t.Fatal(err)
	}
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set("Mesos-Stream-Id", stream)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answer, err := client.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatal(answer.Status)
	}
	for { // until the master has had enough: it breaks the connection, whatever was read of it
		status, err := c.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(status.Frameworks) == 0 || !status.Frameworks[0].Connected {
			break
		}
		pause(ctx, 10*time.Millisecond)
	}
	if !strings.Contains(log.text(), "framework reads its events too slowly") {
		t.Errorf("it was disconnected for another reason:\n%s", log.text())
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 200<<20 {
		t.Errorf("%d MB are in use after the slow client is gone", m.HeapAlloc>>20)
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is open still")
	}
}

// safeBuffer is a buffer for several writers.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
