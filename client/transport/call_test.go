package transport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const api = "http://" + host + "/api/v1/scheduler"

func revive() *schedulerpb.Call { return &schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()} }

func TestCallSendsTheMessageInTheCodecsMediaTypeByteForByte(t *testing.T) {
	for _, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
		t.Run(cd.MediaType(), func(t *testing.T) {
			got := make(chan *http.Request, 1)
			call := new(schedulerpb.Call)
			client, _ := serve(t, transport.Config{Codec: cd, Header: http.Header{"X-Own": {"1"}}}, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if err := cd.Unmarshal(body, call); err != nil {
					t.Error(err)
				}
				got <- r
				w.WriteHeader(http.StatusAccepted)
			})
			if err := client.Call(t.Context(), api, revive(), transport.WithHeader("Mesos-Stream-Id", "id")); err != nil {
				t.Fatal(err)
			}
			r := <-got
			want := http.Header{
				"Content-Type": {cd.MediaType()}, "Accept": {cd.MediaType()}, "User-Agent": {"mesokit"},
				"X-Own": {"1"}, "Mesos-Stream-Id": {"id"}, "Accept-Encoding": {"gzip"}, "Content-Length": r.Header["Content-Length"],
			}
			if diff := cmp.Diff(want, r.Header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(revive(), call, protocmp.Transform()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if r.Method != http.MethodPost || r.URL.Path != "/api/v1/scheduler" || r.Host != host {
				t.Errorf("asked %s %s of %s", r.Method, r.URL.Path, r.Host)
			}
		})
	}
}

func TestCallResponseDecodesInTheMediaTypeOfTheAnswer(t *testing.T) {
	want := &masterpb.Response{Type: masterpb.Response_GET_HEALTH.Enum(), GetHealth: &masterpb.Response_GetHealth{Healthy: proto.Bool(true)}}
	for _, contentType := range []string{"application/json", "application/x-protobuf", "application/json; charset=utf-8"} {
		media, _, _ := strings.Cut(contentType, ";")
		cd, _ := codec.ByMediaType(media)
		client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			body, _ := cd.Append(nil, want)
			_, _ = w.Write(body)
		})
		got := &masterpb.Response{GetMaster: &masterpb.Response_GetMaster{}} // to be reset
		if err := client.CallResponse(t.Context(), api, revive(), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", contentType, diff)
		}
	}
}

func TestStatusCodesBecomeTypedErrors(t *testing.T) {
	tests := []struct {
		code      int
		header    map[string]string
		body      string
		kind      error
		temporary bool
		text      string
		check     func(*transport.StatusError) bool
	}{
		{code: 400, body: "Framework cannot be found", kind: transport.ErrBadRequest, text: "400 Bad Request: Framework cannot be found"},
		{code: 401, header: map[string]string{"Www-Authenticate": `Basic realm="mesos-master-scheduler"`}, kind: transport.ErrUnauthorized,
			text: `realm="mesos-master-scheduler"`},
		{code: 403, body: "Framework is not subscribed", kind: transport.ErrForbidden, text: "not subscribed"},
		{code: 404, kind: transport.ErrNotFound, temporary: true},
		{code: 405, kind: transport.ErrMethodNotAllowed},
		{code: 406, kind: transport.ErrNotAcceptable},
		{code: 409, kind: transport.ErrConflict},
		{code: 415, kind: transport.ErrUnsupportedMediaType},
		{code: 429, header: map[string]string{"Retry-After": "7"}, kind: transport.ErrTooManyRequests, temporary: true,
			check: func(e *transport.StatusError) bool { return e.RetryAfter == 7*time.Second }},
		{code: 500, kind: transport.ErrInternal, temporary: true},
		{code: 501, kind: transport.ErrNotImplemented},
		{code: 502, kind: transport.ErrGateway, temporary: true},
		{code: 503, body: "No leader elected", kind: transport.ErrUnavailable, temporary: true, text: "No leader elected"},
		{code: 307, header: map[string]string{"Location": "//localhost:5150/master/api/v1/scheduler"}, kind: transport.ErrNotLeader, temporary: true,
			text: "the leader is localhost:5150", check: func(e *transport.StatusError) bool {
				base, err := e.LeaderURL()
				return e.Leader == "localhost:5150" && base == "http://localhost:5150" && err == nil
			}},
		{code: 418},
	}
	sentinels := []error{transport.ErrBadRequest, transport.ErrUnauthorized, transport.ErrForbidden, transport.ErrNotFound,
		transport.ErrMethodNotAllowed, transport.ErrNotAcceptable, transport.ErrConflict, transport.ErrUnsupportedMediaType,
		transport.ErrTooManyRequests, transport.ErrInternal, transport.ErrNotImplemented, transport.ErrGateway, transport.ErrUnavailable, transport.ErrNotLeader}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range test.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(test.code)
				_, _ = io.WriteString(w, test.body)
			})
			err := client.Call(t.Context(), api, revive())
			var status *transport.StatusError
			if !errors.As(err, &status) {
				t.Fatalf("error %v (%T) is no *StatusError", err, err)
			}
			if status.Code != test.code || status.Message != test.body || status.Temporary() != test.temporary {
				t.Errorf("got %+v, temporary %v", status, status.Temporary())
			}
			for _, sentinel := range sentinels {
				if errors.Is(err, sentinel) != (sentinel == test.kind) {
					t.Errorf("errors.Is(%q, %q) = %v", err, sentinel, errors.Is(err, sentinel))
				}
			}
			if !strings.Contains(err.Error(), test.text) || !strings.HasPrefix(err.Error(), api+": ") {
				t.Errorf("text %q lacks the URL or %q", err, test.text)
			}
			if test.check != nil && !test.check(status) {
				t.Errorf("fields: %+v", status)
			}
			if _, err := client.Stream(t.Context(), api, revive()); !errors.Is(err, test.kind) && test.kind != nil {
				t.Errorf("stream: %v", err)
			}
		})
	}
}

func TestLeaderURLKeepsToTheSchemeAndNeverLeavesTLS(t *testing.T) {
	for _, test := range []struct{ asked, location, want string }{
		{"http://a:1/x", "//b:2/y", "http://b:2"},
		{"https://a:1/x", "//b:2/y", "https://b:2"},
		{"https://a:1/x", "https://b:2", "https://b:2"},
		{"https://a:1/x", "http://b:2/y", ""},
		{"http://a:1/x", "https://b:2/y", "https://b:2"},
		{"http://a:1/x", "//[::1]:5050/y", "http://[::1]:5050"},
		{"http://a:1/x", "/path", "http://a:1"},
		{"http://a:1/x", "", ""},
		{"http://a:1/x", "ftp://b/y", ""},
		{"http://a:1/x", "//b:port/", ""},
		{"http://a:1/x", "http://", ""},
	} {
		got, err := (&transport.StatusError{Code: 307, URL: test.asked, Location: test.location}).LeaderURL()
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s -> %q: got %q, %v; want %q", test.asked, test.location, got, err, test.want)
		}
	}
}

func FuzzLeaderURL(f *testing.F) {
	for _, s := range []string{"//localhost:5150/master/api/v1", "http://x", "//", "///", "//u:p@h:1/", "%zz", "//[::1]:5050"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, location string) {
		e := &transport.StatusError{Code: 307, URL: "https://m:5050/api/v1", Location: location}
		_ = e.Error()
		base, err := e.LeaderURL()
		if err == nil && !strings.HasPrefix(base, "https://") {
			t.Errorf("%q leads to %q", location, base)
		}
	})
}

func TestConnectionIsReusedAfterEveryAnswer(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	codes := []int{202, 200, 400, 503, 307, 404}
	i := 0
	client, network := serve(t, transport.Config{Codec: codec.JSON}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(codes[i%len(codes)])
		i++
		_, _ = io.WriteString(w, long)
	})
	for range 2 * len(codes) {
		_ = client.Call(t.Context(), api, revive())
	}
	if network.Dials() != 1 {
		t.Errorf("%d connections for %d calls, want 1", network.Dials(), i)
	}
}

func TestMessageOfAnErrorIsBounded(t *testing.T) {
	client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, strings.Repeat("line\n\x00\xff", 1<<20))
	})
	err := client.Call(t.Context(), api, revive())
	var status *transport.StatusError
	if !errors.As(err, &status) || len(status.Message) > 64<<10 || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\x00") {
		t.Errorf("message of %d bytes, text of %d: %.200q", len(status.Message), len(err.Error()), err)
	}
}

func TestHeaderTimeoutIsTheOneConfigured(t *testing.T) {
	for _, test := range []struct{ set, want time.Duration }{{0, transport.DefaultHeaderTimeout}, {time.Second, time.Second}, {time.Hour, time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			client, _ := serve(t, transport.Config{HeaderTimeout: test.set}, hang)
			start := time.Now()
			err := client.Call(t.Context(), api, revive())
			if !errors.Is(err, transport.ErrHeaderTimeout) || errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if got := time.Since(start); got != test.want {
				t.Errorf("gave up after %v, want %v", got, test.want)
			}
		})
	}
}

// slowConn writes a kilobyte per second.
type slowConn struct{ net.Conn }

func (c slowConn) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var k int
		time.Sleep(time.Second)
		k, err = c.Conn.Write(p[:min(len(p), 1000)])
		n, p = n+k, p[k:]
	}
	return n, err
}

func TestLongMessageMayTakeItsTimeOnASlowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, network := serve(t, transport.Config{}, func(w http.ResponseWriter, r *http.Request) {
			if n, _ := io.Copy(io.Discard, r.Body); n < 200_000 {
				t.Errorf("%d bytes arrived", n)
			}
			w.WriteHeader(http.StatusAccepted)
		})
		client, err := transport.New(transport.Config{DialContext: func(ctx context.Context, n, a string) (net.Conn, error) {
			c, err := network.DialContext(ctx, n, a)
			return slowConn{c}, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		long := &schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum(), Revive: &schedulerpb.Call_Revive{Roles: []string{strings.Repeat("x", 200_000)}}}
		start := time.Now()
		if err := client.Call(t.Context(), api, long); err != nil || time.Since(start) < 200*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestContextOfACallIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := serve(t, transport.Config{HeaderTimeout: -1}, hang)
		cause := errors.New("the user pressed a key")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		start := time.Now()
		err := client.Call(ctx, api, revive())
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || time.Since(start) != time.Minute {
			t.Errorf("cancel: got %v after %v", err, time.Since(start))
		}

		deadline, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := client.Call(deadline, api, revive()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: got %v", err)
		}
		if err := client.Call(deadline, api, revive()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended before the call: got %v", err)
		}
	})
}

func TestConnectTimeoutNamesTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked, err := transport.New(transport.Config{ConnectTimeout: 3 * time.Second, DialContext: blackHole})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err = blocked.Call(t.Context(), api, revive())
		if !errors.Is(err, transport.ErrConnectTimeout) || !strings.Contains(err.Error(), host) || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestRefusedConnectionIsAnExchangeError(t *testing.T) {
	client, _ := serve(t, transport.Config{}, nil)
	err := client.Call(t.Context(), "http://elsewhere:1/api/v1", revive())
	var exchange *transport.ExchangeError
	if !errors.As(err, &exchange) || !strings.Contains(err.Error(), "elsewhere:1 refused") {
		t.Errorf("got %v", err)
	}
}

func TestWrongURLsAreRefusedWithoutShowingSecrets(t *testing.T) {
	client, _ := serve(t, transport.Config{}, nil)
	for _, url := range []string{"", "master:5050", "ftp://user:s3cr3t@h/", "http://user:s3cr3t@h:bad/", "://s3cr3t"} {
		err := client.Call(t.Context(), url, revive())
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestAnswerThatIsNoMesosSaysSo(t *testing.T) {
	client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>")
	})
	var wrong *transport.ContentTypeError
	if err := client.CallResponse(t.Context(), api, revive(), new(masterpb.Response)); !errors.As(err, &wrong) {
		t.Errorf("call: %v", err)
	}
	if _, err := client.Stream(t.Context(), api, revive()); !errors.As(err, &wrong) {
		t.Errorf("stream: %v", err)
	}
}

func TestAnswerBeyondTheLimitIsRefused(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		client, _ := serve(t, transport.Config{Codec: codec.JSON, MaxFrame: 10}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if !chunked {
				w.Header().Set("Content-Length", "11")
			}
			_, _ = io.WriteString(w, `{        }`)
			if chunked {
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = io.WriteString(w, ` `)
		})
		if err := client.CallResponse(t.Context(), api, revive(), new(masterpb.Response)); !errors.Is(err, transport.ErrTooLarge) {
			t.Errorf("chunked %v: %v", chunked, err)
		}
	}
}

func TestAnAnswerThatUnpacksToMoreThanTheLimitIsRefused(t *testing.T) {
	client, _ := serve(t, transport.Config{Codec: codec.JSON, MaxFrame: 1 << 20}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding: %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte(" "), 16<<20))
		_ = z.Close()
	})
	if err := client.CallResponse(t.Context(), api, revive(), new(masterpb.Response)); !errors.Is(err, transport.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestUndecodableAnswerIsADecodeError(t *testing.T) {
	client, _ := serve(t, transport.Config{Codec: codec.JSON}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{")
	})
	var decode *transport.DecodeError
	if err := client.CallResponse(t.Context(), api, revive(), new(masterpb.Response)); !errors.As(err, &decode) || decode.Size != 1 {
		t.Errorf("got %v", err)
	}
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	for name, cfg := range map[string]transport.Config{
		"dialer beside a client":  {HTTPClient: new(http.Client), DialContext: blackHole},
		"timeout of the client":   {HTTPClient: &http.Client{Timeout: time.Second}},
		"connect timeout beside":  {HTTPClient: new(http.Client), ConnectTimeout: time.Second},
		"negative size of frames": {MaxFrame: -1},
	} {
		if _, err := transport.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOwnHTTPClientKeepsTheDefaultHeaderTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, network := serve(t, transport.Config{}, hang)
		own := &http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
		client, err := transport.New(transport.Config{HTTPClient: own})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		start := time.Now()
		if err := client.Call(t.Context(), api, revive()); !errors.Is(err, transport.ErrHeaderTimeout) || time.Since(start) != transport.DefaultHeaderTimeout {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if own.CheckRedirect != nil {
			t.Error("the caller's client was changed")
		}
	})
}

func TestExchangeTellsTheStatus(t *testing.T) {
	client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	status, err := client.Exchange(t.Context(), api, revive(), new(masterpb.Response))
	if status != http.StatusAccepted || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestCallsRunConcurrently(t *testing.T) {
	client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				if err := client.Call(t.Context(), api, revive()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
