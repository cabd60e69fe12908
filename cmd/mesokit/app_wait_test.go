package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/apiclient"
)

// Going back is a failure of the command that was waited for, unless it was on its way, or wanted.
func TestWaitingTellsRollbacksApart(t *testing.T) {
	a := &apiclient.AppDetails{App: apiclient.App{Name: "web", Instances: 1, Up: 1, Tasks: map[string]int{"running": 1}}}
	a.Last = &apiclient.Deployment{Number: 4, Rollback: true, To: 2, State: "done", Text: "3 new instances have failed"}
	for _, tc := range []struct {
		name string
		w    waitOptions
		want string
	}{
		{"caused by the update", waitOptions{before: 2}, "web went back to version 2: 3 new instances have failed"},
		{"under way before the command", waitOptions{before: 4}, ""},
		{"what was wanted", waitOptions{before: 3, back: true}, ""},
	} {
		done, err := tc.w.judge(a)
		if got := ""; err != nil {
			if got = err.Error(); got != tc.want {
				t.Errorf("%s: %s; want %q", tc.name, got, tc.want)
			}
		} else if tc.want != "" || !done {
			t.Errorf("%s: done %v without error; want %q", tc.name, done, tc.want)
		}
	}
}

func TestExplanationsAreShownInWords(t *testing.T) {
	text := explain(apiclient.Why{App: "web", Text: "no offer fits", Offers: &apiclient.Funnel{Offers: 1, Candidates: 1,
		Rejected: []apiclient.Reject{{Cause: "constraint", What: "rack IS r2", Count: 1, Example: "abc-S0", Host: "a1"}, {Cause: "draining", Count: 1, Example: "abc-S1"}}}}, []apiclient.Why{{Index: 3}})
	for _, want := range []string{"web/3: no offer fits", "1 offer of 1 agent\n", "constraint rack IS r2, such as a1", "draining, such as abc-S1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestCommandsTellWhatTroubleTheSchedulerHas(t *testing.T) {
	for trouble, want := range map[string]string{
		`"trouble":"the store: no space left"`: "has trouble: the store: no space left",
		`"guarded":true`:                       "see mesokit app guard",
		`"leading":true`:                       "There are no applications. Try",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == "/v1/status" {
				fmt.Fprintf(w, `{"running":true,%s}`, trouble)
				return
			}
			fmt.Fprint(w, `{"items":[]}`)
		}))
		got := mesokit(t, t.Context(), "app", "ls", "--api", srv.URL)
		srv.Close()
		if got.code != 0 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: exit code %d, %s; want %q", trouble, got.code, got.stderr, want)
		}
	}
}
