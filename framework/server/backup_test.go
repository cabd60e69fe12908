package server_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/server"
)

func TestBackupsAreForThoseWhoMayWrite(t *testing.T) {
	auth := server.Auth{Read: []server.Credential{{Token: "reader"}}, Write: []server.Credential{{Token: "writer"}}}
	whole := func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "all of it"); return err }
	broken := func(context.Context, io.Writer) error { return errors.New("the store is away") }
	cut := func(_ context.Context, w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return errors.New("the store is away")
	}
	for _, tc := range []struct {
		name, token string
		leads       bool
		backup      func(context.Context, io.Writer) error
		status      int
		body        string
	}{
		{"whole", "writer", true, whole, 200, "all of it"},
		{"reader", "reader", true, whole, 403, "403"},
		{"none", "writer", true, nil, 501, "no-backup"},
		{"broken", "writer", true, broken, 500, "the store is away"},
		{"cut", "writer", true, cut, 200, "half"}, // the reader notices
		{"follower", "writer", false, whole, 307, "not-leading"},
	} {
		st := framework.Status{Running: true, Leading: tc.leads}
		if !tc.leads {
			st.Leader = &election.Info{ID: "a", URL: "http://a:8080"}
		}
		s, err := server.New(idle(t, st), server.Config{Auth: auth, Backup: tc.backup})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/v1/backup", nil)
		r.Header.Set("Authorization", "Bearer "+tc.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.body) {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
}

// Each holds the whole state in memory, for as long as its reader takes.
func TestFewBackupsAreMadeAtATime(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	slow := func(context.Context, io.Writer) error { begun <- struct{}{}; <-goOn; return nil }
	s, err := server.New(idle(t, framework.Status{Running: true, Leading: true}), server.Config{Backup: slow})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() int {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/v1/backup", nil))
		return w.Code
	}
	answers := make(chan int)
	for range 2 {
		go func() { answers <- ask() }()
		select {
		case <-begun:
		case <-time.After(time.Minute):
			t.Fatal("no backup is made")
		}
	}
	if got := ask(); got != 503 {
		t.Errorf("the third is answered %d", got)
	}
	close(goOn)
	for range 2 {
		if got := <-answers; got != 200 {
			t.Errorf("answered %d", got)
		}
	}
}
