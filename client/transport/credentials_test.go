package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const secret = "s3cr3t"

// authorizing accepts only requests with the Authorization header that want returns.
func authorizing(want func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("Authorization") != want() {
			w.Header().Set("WWW-Authenticate", `Basic realm="mesos-master-scheduler"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

func TestBasicCredentialsAreSentAndARefusalIsNotRepeated(t *testing.T) {
	requests := 0
	want := "Basic cHJpbmNpcGFsOnMzY3IzdA=="
	client, _ := serve(t, transport.Config{Credentials: transport.Basic("principal", secret)}, authorizing(func() string { requests++; return want }))
	if err := client.Call(t.Context(), api, revive()); err != nil {
		t.Fatal(err)
	}
	want = "other"
	if err := client.Call(t.Context(), api, revive()); !errors.Is(err, transport.ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
	if requests != 2 {
		t.Errorf("%d requests, want 2", requests)
	}
}

func TestUserInformationOfTheURLBecomesCredentials(t *testing.T) {
	client, _ := serve(t, transport.Config{}, authorizing(func() string { return "Basic cHJpbmNpcGFsOnMzY3IzdA==" }))
	if err := client.Call(t.Context(), "http://principal:"+secret+"@"+host+"/api/v1/scheduler", revive()); err != nil {
		t.Error(err)
	}
}

func TestBearerTokenIsRefreshedWhenRefusedAndBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched, valid := 0, "Bearer token-1"
		source := transport.BearerFunc(func(context.Context) (transport.Token, error) {
			fetched++
			return transport.Token{Value: fmt.Sprintf("token-%d", fetched), Expiry: time.Now().Add(time.Hour)}, nil
		})
		client, _ := serve(t, transport.Config{Credentials: source}, authorizing(func() string { return valid }))
		call := func(when string, want int) {
			t.Helper()
			if err := client.Call(t.Context(), api, revive()); err != nil {
				t.Errorf("%s: %v", when, err)
			}
			if fetched != want {
				t.Errorf("%s: %d tokens fetched, want %d", when, fetched, want)
			}
		}
		call("first", 1)
		call("valid", 1)
		valid = "Bearer token-2"
		call("refused", 2)
		time.Sleep(time.Hour - time.Second)
		valid = "Bearer token-3"
		call("about to expire", 3)
		valid = "Bearer never"
		if err := client.Call(t.Context(), api, revive()); !errors.Is(err, transport.ErrUnauthorized) || fetched != 4 {
			t.Errorf("a fresh token is refused: %v after %d tokens", err, fetched)
		}
	})
}

func TestConcurrentExchangesFetchOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		source := transport.BearerFunc(func(context.Context) (transport.Token, error) {
			fetched++
			time.Sleep(time.Second)
			return transport.Token{Value: "a"}, nil
		})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got, err := source.Authorization(t.Context(), "Bearer old"); got != "Bearer a" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		synctest.Wait()
		if _, err := source.Authorization(impatient, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the token of another: %v", err)
		}
		wg.Wait()
		if fetched != 1 {
			t.Errorf("%d tokens fetched, want 1", fetched)
		}
	})
}

func TestFailedTokenFetchFailsTheCallAndTheNextTriesAgain(t *testing.T) {
	failure := errors.New("no token today")
	fail := true
	source := transport.BearerFunc(func(context.Context) (transport.Token, error) {
		if fail {
			return transport.Token{}, failure
		}
		return transport.Token{Value: "a"}, nil
	})
	client, _ := serve(t, transport.Config{Credentials: source}, authorizing(func() string { return "Bearer a" }))
	if err := client.Call(t.Context(), api, revive()); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	fail = false
	if err := client.Call(t.Context(), api, revive()); err != nil {
		t.Error(err)
	}
}

// secretCall holds secrets in the places where Mesos has them.
func secretCall() *schedulerpb.Call {
	variable := &mesospb.Environment_Variable{Name: proto.String("PASSWORD"), Type: mesospb.Environment_Variable_SECRET.Enum(),
		Secret: &mesospb.Secret{Type: mesospb.Secret_VALUE.Enum(), Value: &mesospb.Secret_Value{Data: []byte(secret)}}}
	task := &mesospb.TaskInfo{Name: proto.String("t"), TaskId: &mesospb.TaskID{Value: proto.String("t")}, AgentId: &mesospb.AgentID{Value: proto.String("a")},
		Command: &mesospb.CommandInfo{Environment: &mesospb.Environment{Variables: []*mesospb.Environment_Variable{variable}}}}
	return &schedulerpb.Call{Type: schedulerpb.Call_ACCEPT.Enum(), Accept: &schedulerpb.Call_Accept{
		Operations: []*mesospb.Offer_Operation{{Type: mesospb.Offer_Operation_LAUNCH.Enum(), Launch: &mesospb.Offer_Operation_Launch{TaskInfos: []*mesospb.TaskInfo{task}}}}}}
}

// Whatever is printed, traced or returned as an error shows no secret.
func TestSecretsAppearNowhere(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secretEvent := &masterpb.Response{Type: masterpb.Response_GET_FLAGS.Enum()}
	for name, cfg := range map[string]transport.Config{
		"basic":     {Credentials: transport.Basic("me", secret)},
		"bearer":    {Credentials: transport.Bearer(secret)},
		"refreshed": {Credentials: transport.BearerFunc(func(context.Context) (transport.Token, error) { return transport.Token{Value: secret}, nil })},
		"header":    {Header: http.Header{"Authorization": {"token=" + secret}, "X-Auth-Token": {secret}}},
	} {
		cfg.Tracer = transport.LogTracer(logger)
		cfg.Codec = codec.JSON
		client, _ := serve(t, cfg, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Set-Cookie", secret)
			switch r.URL.Path {
			case "/refused":
				w.WriteHeader(http.StatusUnauthorized)
			case "/stream":
				w.Header().Set("Content-Type", codec.MediaTypeJSON)
				_, _ = w.Write(frame(codec.JSON, errorEvent("x")))
			default:
				w.Header().Set("Content-Type", codec.MediaTypeJSON)
				body, _ := codec.JSON.Append(nil, secretEvent)
				_, _ = w.Write(body)
			}
		})
		base := "http://user:" + secret + "@"
		var printed []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			printed = append(printed, fmt.Sprintf(verb, cfg), fmt.Sprintf(verb, &cfg), fmt.Sprintf(verb, client), fmt.Sprintf(verb, *client),
				fmt.Sprintf(verb, cfg.Credentials), fmt.Sprintf(verb, transport.Token{Value: secret}), fmt.Sprintf(verb, struct{ C transport.Credentials }{cfg.Credentials}))
		}
		for _, url := range []string{base + host + "/refused", "http://" + host + "/refused", base + "nowhere/", base + host + "/ok", "http://" + host + "/ok"} {
			err := client.CallResponse(t.Context(), url, secretCall(), new(masterpb.Response))
			printed = append(printed, fmt.Sprintf("%v %+v %#v", err, err, err))
		}
		stream, err := client.Stream(t.Context(), "http://"+host+"/stream", secretCall())
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			err = stream.Next(new(schedulerpb.Event))
		}
		for _, text := range append(printed, log.String()) {
			if strings.Contains(text, secret) || strings.Contains(text, "OnMzY3IzdA") || strings.Contains(text, "czNjcjN0") {
				t.Fatalf("%s: the secret is in %q", name, text)
			}
		}
	}
	for _, want := range []string{"mesos request", "mesos answer", "mesos frame", "mesos stream ended", "status=401", `PASSWORD`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q", want)
		}
	}
}

func TestRedactCopiesOnlyWhatHoldsSecrets(t *testing.T) {
	plain, secretive := revive(), secretCall()
	if transport.Redact(plain) != proto.Message(plain) {
		t.Error("a message without secrets was copied")
	}
	redacted := transport.Redact(secretive)
	if strings.Contains(fmt.Sprint(redacted), secret) || !strings.Contains(fmt.Sprint(redacted), "***") {
		t.Errorf("got %v", redacted)
	}
	if !proto.Equal(secretive, secretCall()) {
		t.Error("the original was changed")
	}
	if transport.Redact(nil) != nil || transport.Redact((*schedulerpb.Call)(nil)) == nil {
		t.Error("nil messages are to pass through")
	}
	credential := transport.Redact(&mesospb.Credential{Principal: proto.String("p"), Secret: proto.String(secret)}).(*mesospb.Credential)
	if credential.GetSecret() != "***" || credential.GetPrincipal() != "p" {
		t.Errorf("got %v", credential)
	}
}

// recorder is a tracer that keeps what it is told.
type recorder struct {
	starts []transport.TraceStart
	ends   []transport.TraceEnd
	frames []transport.TraceFrame
}

type traceKey struct{}

func (r *recorder) TraceStart(ctx context.Context, d transport.TraceStart) context.Context {
	r.starts = append(r.starts, d)
	return context.WithValue(ctx, traceKey{}, len(r.starts))
}
func (r *recorder) TraceEnd(ctx context.Context, d transport.TraceEnd) {
	if ctx.Value(traceKey{}) != len(r.starts) {
		panic("TraceEnd without the context of TraceStart")
	}
	r.ends = append(r.ends, d)
}
func (r *recorder) TraceFrame(_ context.Context, d transport.TraceFrame) {
	r.frames = append(r.frames, d)
}

func TestTracerSeesEveryExchangeOnce(t *testing.T) {
	tracer := new(recorder)
	client, _ := serve(t, transport.Config{Codec: codec.JSON, Tracer: tracer}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/stream" {
			w.Header().Set("Content-Type", codec.MediaTypeJSON)
			_, _ = w.Write(frame(codec.JSON, errorEvent("x")))
			return
		}
		w.WriteHeader(http.StatusConflict)
	})
	_ = client.Call(t.Context(), api, revive())
	stream, err := client.Stream(t.Context(), "http://"+host+"/stream", revive())
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = stream.Next(new(schedulerpb.Event))
	}
	if len(tracer.starts) != 2 || len(tracer.ends) != 2 || len(tracer.frames) != 2 {
		t.Fatalf("%d starts, %d ends, %d frames", len(tracer.starts), len(tracer.ends), len(tracer.frames))
	}
	if tracer.ends[0].Status != http.StatusConflict || !errors.Is(tracer.ends[0].Err, transport.ErrConflict) || tracer.ends[1].Status != 200 {
		t.Errorf("ends: %+v", tracer.ends)
	}
	if tracer.starts[0].Message == nil || tracer.frames[0].Message == nil || tracer.frames[1].Err != io.EOF {
		t.Errorf("starts %+v, frames %+v", tracer.starts, tracer.frames)
	}
}
