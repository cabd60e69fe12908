package apiclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/framework/apiclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server that behaves as a scheduler in what a test is about.
func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T, cfg apiclient.Config) *apiclient.Client {
	t.Helper()
	c, err := apiclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func refuse(w http.ResponseWriter, kind string, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":%q,"title":"no","status":%d,"detail":"because of %[1]s"}`, kind, status)
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func TestARedirectIsFollowedWithBodyAndCredentials(t *testing.T) {
	var got []string
	leader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]int
		_ = json.NewDecoder(r.Body).Decode(&body)
		got = append(got, fmt.Sprint(r.Method, " ", r.URL.EscapedPath(), " ", body["instances"], " ", r.Header.Get("Authorization")))
		answer(w, map[string]string{"text": "done"})
	})
	followed := 0
	follower := serve(t, func(w http.ResponseWriter, r *http.Request) {
		followed++
		w.Header().Set("Location", leader+r.URL.String())
		refuse(w, "not-leading", http.StatusTemporaryRedirect)
	})
	c := client(t, apiclient.Config{Addresses: []string{follower}, Token: "secret"})
	for n := range 2 {
		if text, err := c.Scale(t.Context(), "my app", n); text != "done" || err != nil {
			t.Fatalf("%q, %v", text, err)
		}
	}
	want := []string{"POST /v1/apps/my%20app/scale 0 Bearer secret", "POST /v1/apps/my%20app/scale 1 Bearer secret"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the leader got (-want +got)\n%s", diff)
	}
	if followed != 1 || c.Address() != leader {
		t.Errorf("the follower was asked %d times, and %s is remembered; want once, and the leader %s", followed, c.Address(), leader)
	}
}

func TestTheNextAddressIsTriedWhereNobodyListens(t *testing.T) {
	there := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"text": "ok", "items": []any{}})
	})
	c := client(t, apiclient.Config{Addresses: []string{"127.0.0.1:1", there}})
	if _, err := c.Remove(t.Context(), "web", false); err != nil {
		t.Error(err)
	}
	c = client(t, apiclient.Config{Addresses: []string{"127.0.0.1:1"}})
	_, err := c.Apps(t.Context())
	if gone, ok := errors.AsType[*apiclient.UnreachableError](err); !ok || gone.Addresses[0] != "http://127.0.0.1:1" {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestACommandThatMayHaveArrivedIsNotRepeated(t *testing.T) {
	var asked atomic.Int32
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler) // the connection breaks
	})
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { t.Error("the command was given again") })
	c := client(t, apiclient.Config{Addresses: []string{cut, other}})
	if _, err := c.Restart(t.Context(), "web", true); err == nil || asked.Load() != 1 {
		t.Errorf("asked %d times, error %v", asked.Load(), err)
	}
}

func TestItWaitsForSomebodyToLead(t *testing.T) {
	asked := 0
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			refuse(w, "not-leading", http.StatusServiceUnavailable)
			return
		}
		answer(w, map[string]any{"name": "web", "up": 2})
	})
	a, err := client(t, apiclient.Config{Addresses: []string{s}}).App(t.Context(), "web")
	if err != nil || a.Up != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	asked = -1000
	_, err = client(t, apiclient.Config{Addresses: []string{s}, Patience: -1}).App(t.Context(), "web")
	if p, ok := errors.AsType[*apiclient.Problem](err); !ok || p.Type != "not-leading" || asked != -999 {
		t.Errorf("without patience: %v after %d requests", err, asked+1000)
	}
}

func TestItWaitsForTheSuccessorOfALeaderThatIsGone(t *testing.T) {
	asked := 0
	follower := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 {
			w.Header().Set("Location", "http://127.0.0.1:1"+r.URL.String())
			refuse(w, "not-leading", http.StatusTemporaryRedirect)
			return
		}
		answer(w, map[string]string{"text": "done"})
	})
	if text, err := client(t, apiclient.Config{Addresses: []string{follower}}).Scale(t.Context(), "web", 1); text != "done" || err != nil || asked != 3 {
		t.Errorf("%q, %v after %d requests", text, err, asked)
	}
	asked = -1000
	_, err := client(t, apiclient.Config{Addresses: []string{follower}, Patience: -1}).Scale(t.Context(), "web", 1)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1, which does not answer") {
		t.Errorf("without patience: %v", err)
	}
}

func TestRefusalsAreProblems(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/apps":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(422)
			fmt.Fprint(w, `{"type":"invalid-app","title":"Unprocessable","status":422,"errors":[{"pointer":"/name","line":3,"column":4,"detail":"is empty"}]}`)
		case "/v1/apps/html":
			http.Error(w, "<html>", http.StatusBadGateway)
		default:
			fmt.Fprint(w, "<html>")
		}
	})
	c := client(t, apiclient.Config{Addresses: []string{s}})
	_, err := c.Submit(t.Context(), []byte(`{}`), apiclient.SubmitOptions{})
	want := &apiclient.Problem{Type: "invalid-app", Title: "Unprocessable", Status: 422, Errors: []apiclient.ProblemAt{{Pointer: "/name", Line: 3, Column: 4, Detail: "is empty"}}}
	if p, _ := errors.AsType[*apiclient.Problem](err); !cmp.Equal(p, want) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(want, p))
	}
	for _, name := range []string{"html", "text"} {
		_, err := c.App(t.Context(), name)
		if _, ok := errors.AsType[*apiclient.ProtocolError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACircleOfRedirectsEnds(t *testing.T) {
	var other atomic.Pointer[string]
	to := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", *other.Load()+r.URL.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	a := serve(t, to)
	other.Store(&a)
	_, err := client(t, apiclient.Config{Addresses: []string{a}, Patience: -1}).Apps(t.Context())
	if err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("%v", err)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		pages := map[string]string{"": `{"items":[{"name":"a"},{"name":"b"}],"next":"b"}`, "b": `{"items":[{"name":"c"}]}`}
		fmt.Fprint(w, pages[r.URL.Query().Get("after")])
	})
	apps, err := client(t, apiclient.Config{Addresses: []string{s}}).Apps(t.Context())
	if err != nil || len(apps) != 3 || apps[2].Name != "c" {
		t.Errorf("%+v, %v", apps, err)
	}
}

func TestEventsContinueAfterTheLastOneWhenTheStreamBreaks(t *testing.T) {
	var asked []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Last-Event-Id"))
		switch len(asked) {
		case 1:
			fmt.Fprint(w, ":\n\nid: 5\nevent: task\ndata: {\"seq\":5,\"kind\":\"task\",\"index\":0}\n\nid: 6\nevent: ta") // torn
		case 2:
			fmt.Fprint(w, "event: gap\ndata: {\"after\":5,\"next\":9}\n\nid: 9\ndata: {\"seq\":9,\ndata: \"index\":0}\n\n")
		default:
			refuse(w, "bad-request", http.StatusBadRequest)
		}
	})
	c := client(t, apiclient.Config{Addresses: []string{s}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	after := uint64(4)
	var got []string
	for n, err := range c.Events(ctx, apiclient.EventOptions{After: &after}) {
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, fmt.Sprint(n.Seq))
		}
	}
	if diff := cmp.Diff([]string{"5", "events between 5 and 9 are not remembered any more", "9", "because of bad-request"}, got); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"4", "5", "9"}, asked); diff != "" {
		t.Errorf("where streams began (-want +got)\n%s", diff)
	}
}

func TestASilentStreamIsGivenUp(t *testing.T) {
	streams := make(chan struct{}, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		streams <- struct{}{}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	c := client(t, apiclient.Config{Addresses: []string{s}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-streams
		<-streams // it was opened again
		cancel()
	}()
	after := uint64(0)
	for range c.Events(ctx, apiclient.EventOptions{After: &after, Silence: 20 * time.Millisecond}) {
		t.Error("an event out of nothing")
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{"127.0.0.1:8080": "http://127.0.0.1:8080", "https://x/": "https://x", "http://[::1]:1/base/": "http://[::1]:1/base",
		"": "", "ftp://x": "", "http://": "", "http://x?y": "", "http://u:secret@x": "", "a b": ""} {
		c, err := apiclient.New(apiclient.Config{Addresses: []string{text}})
		if (err == nil) != (want != "") {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && c.Address() != want {
			t.Errorf("%q is %s, want %s", text, c.Address(), want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", text, err)
		}
	}
}

func TestNamesThatAreStepsWithinAPathAreRefusedAtOnce(t *testing.T) {
	asked := 0
	there := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		answer(w, map[string]string{})
	})
	c := client(t, apiclient.Config{Addresses: []string{there}})
	for _, name := range []string{"", ".", ".."} {
		_, err := c.App(t.Context(), name)
		if p, ok := errors.AsType[*apiclient.Problem](err); !ok || p.Type != "no-such-app" {
			t.Errorf("%q: %v", name, err)
		}
	}
	if asked > 0 {
		t.Errorf("%d requests were made", asked)
	}
}

func TestARedirectToAnotherPathIsNoLeader(t *testing.T) {
	there := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/login")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	_, err := client(t, apiclient.Config{Addresses: []string{there}}).Apps(t.Context())
	if _, ok := errors.AsType[*apiclient.ProtocolError](err); !ok || !strings.Contains(err.Error(), "/login") {
		t.Errorf("%v", err)
	}
}
