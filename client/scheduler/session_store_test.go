package scheduler

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// scriptedStore is a store whose failures a test chooses; it writes into the journal of the handler.
type scriptedStore struct {
	MemoryStore
	journal *journal
	failure error
	loading bool // failure happens when loading
}

func (s *scriptedStore) LoadFrameworkID(ctx context.Context) (string, error) {
	if s.loading {
		return "", s.failure
	}
	return s.MemoryStore.LoadFrameworkID(ctx)
}

func (s *scriptedStore) StoreFrameworkID(ctx context.Context, id string) error {
	_ = s.journal.note(ctx, nil, "stored %q", id)
	if s.failure != nil {
		return s.failure
	}
	return s.MemoryStore.StoreFrameworkID(ctx, id)
}

func TestFrameworkIDIsStoredBeforeTheHandlerSeesAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		_, m, stream, _, _ := scene(t, func(cfg *SessionConfig) { cfg.Handler, cfg.Store = j, &scriptedStore{journal: j} })
		stream.send(offerEvent("o"))
		synctest.Wait()
		stream.end()
		<-m.subscribes
		j.expect(t, `stored "master:5050-0001"`, connectedLine, "offers o", "disconnected: end of stream", "reconnected resumed master:5050-0001 master:5050")
	})
}

// An older client uses a stored id only if the failover timeout is positive.
func TestStoredIDIsUsedWhateverTheFailoverTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		store := &scriptedStore{journal: j}
		_ = store.MemoryStore.StoreFrameworkID(t.Context(), "f")
		_, _, stream, _, _ := scene(t, func(cfg *SessionConfig) { cfg.Handler, cfg.Store = j, store })
		if subscribe := stream.call.GetSubscribe(); stream.call.GetFrameworkId().GetValue() != "f" || subscribe.GetFrameworkInfo().GetId().GetValue() != "f" || subscribe.GetFrameworkInfo().GetFailoverTimeout() != 0 {
			t.Errorf("got %v", stream.call)
		}
		j.expect(t, "connected resumed f master:5050")
	})
}

func TestIDOfTheFrameworkInfoIsUsedAndStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		info := frameworkInfo()
		info.Id = frameworkID("g")
		_, _, _, _, s := scene(t, func(cfg *SessionConfig) {
			cfg.FrameworkInfo, cfg.Handler, cfg.Store = info, j, &scriptedStore{journal: j}
		})
		j.expect(t, `stored "g"`, "connected resumed g master:5050")
		if s.FrameworkID().GetValue() != "g" {
			t.Errorf("got %v", s.FrameworkID())
		}
	})
}

func TestFailingStoreEndsTheSessionBeforeAnyOffer(t *testing.T) {
	failure := errors.New("disk full")
	for _, loading := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			j := new(journal)
			var network memnet.Network
			m := startMaster(t, &network, address)
			go func() {
				if !loading {
					(<-m.subscribes).send(offerEvent("o"))
				}
			}()
			_, err := play(t, &network, j, func(cfg *SessionConfig) {
				cfg.Store = &scriptedStore{journal: j, failure: failure, loading: loading}
			}).Result()
			var store *StoreError
			if !errors.Is(err, failure) || !errors.As(err, &store) {
				t.Errorf("got %v", err)
			}
			if j.count("connected") != 0 || j.count("offers") != 0 || j.count("terminated") != 1 {
				t.Errorf("the handler saw %q", j.read())
			}
		})
	}
}

func TestStoreAndInfoThatDisagreeAreAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		startMaster(t, &network, address)
		store := new(MemoryStore)
		_ = store.StoreFrameworkID(t.Context(), "stored")
		_, err := play(t, &network, new(journal), func(cfg *SessionConfig) { cfg.Store, cfg.FrameworkInfo.Id = store, frameworkID("other") }).Result()
		if err == nil || !strings.Contains(err.Error(), `"stored"`) || !strings.Contains(err.Error(), `"other"`) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTracerAndLogTellTheStoryOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces := new(traceLog)
		_, m, stream, _, s := scene(t, func(cfg *SessionConfig) { cfg.Tracer = traces })
		stream.end()
		<-m.subscribes
		synctest.Wait()
		s.Stop(nil)
		<-s.Done()
		want := []TraceKind{TraceDetected, TraceSubscribing, TraceConnected, TraceDisconnected, TraceWaiting, TraceDetected, TraceSubscribing, TraceConnected, TraceDisconnected, TraceEnded}
		if diff := cmp.Diff(want, traces.kinds()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var out bytes.Buffer
		log := LogSessions(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		for _, d := range traces.traces {
			log.TraceSession(t.Context(), d)
		}
		for _, text := range []string{"session=test", "master=http://master:5050", "framework_id=master:5050-0001", "level=WARN msg=disconnected", "error=EOF", "delay="} {
			if !strings.Contains(out.String(), text) {
				t.Errorf("the log lacks %q:\n%s", text, out.String())
			}
		}
		if n := strings.Count(out.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings; the end that was asked for is none:\n%s", n, out.String())
		}
	})
}

// A teardown ends the stream; that is no reason for a warning.
func TestDisconnectionByTeardownIsExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces := new(traceLog)
		_, m, stream, _, s := scene(t, func(cfg *SessionConfig) { cfg.Tracer = traces })
		m.set(func(m *fakeMaster) {
			m.refuse = func(call *schedulerpb.Call) (int, map[string]string, string) {
				stream.end()
				<-stream.gone
				return http.StatusAccepted, nil, ""
			}
		})
		if err := s.Teardown(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		for _, d := range traces.traces {
			if d.Kind == TraceDisconnected && !d.Expected {
				t.Errorf("the disconnection is not expected: %+v", d)
			}
		}
	})
}

// Who waits for a leader is told that there is none, and why as far as it is known.
func TestWaitingForALeaderIsTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces := new(traceLog)
		var network memnet.Network
		play(t, &network, new(journal), func(cfg *SessionConfig) { cfg.Detector, cfg.Tracer = newSwitchboard(), traces })
		synctest.Wait()
		if diff := cmp.Diff([]TraceKind{TraceDetected}, traces.kinds()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		path := filepath.Join(t.TempDir(), "masters")
		if err := os.WriteFile(path, []byte(address), 0o600); err != nil {
			t.Fatal(err)
		}
		traces = new(traceLog)
		play(t, &network, new(journal), func(cfg *SessionConfig) { cfg.Master, cfg.Tracer = "file://"+path, traces })
		synctest.Wait()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		told := 0
		for _, d := range traces.read() {
			if d.Kind == TraceDetectFailed && strings.Contains(d.Note, path) {
				told++
			}
		}
		if told != 1 {
			t.Errorf("the detector's trouble was traced %d times, want once", told)
		}
	})
}

func TestSchemeIsForMastersWithoutOne(t *testing.T) {
	for master, want := range map[string]string{"m:5050": "https://m:5050", "http://m:5050": "http://m:5050", "https://m:5050": "https://m:5050"} {
		s, err := NewSession(SessionConfig{Master: master, Scheme: "https", FrameworkInfo: frameworkInfo(), Handler: HandlerFuncs{}})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.detector.String(); got != want {
			t.Errorf("%s: masters %s, want %s", master, got, want)
		}
	}
	if _, err := NewSession(SessionConfig{Master: "m:5050", Scheme: "ftp", FrameworkInfo: frameworkInfo(), Handler: HandlerFuncs{}}); err == nil {
		t.Error("a wrong scheme is taken")
	}
}
