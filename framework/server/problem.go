package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/internal/redact"
)

// Problem is the body of every error (RFC 9457, application/problem+json).
type Problem struct {
	Type   string `json:"type,omitempty"` // a name for programs: "no-such-app", …
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Errors are all that is wrong in a document.
	Errors []ProblemAt `json:"errors,omitempty"`
}

// ProblemAt is one thing that is wrong in a document.
type ProblemAt struct {
	Pointer string `json:"pointer"` // JSON pointer
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"`
}

// Error is the detail.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// kinds maps the errors of the engine to status codes.
var kinds = []struct {
	err    error
	status int
	name   string
}{
	{core.ErrNoApp, http.StatusNotFound, "no-such-app"},
	{core.ErrNoInstance, http.StatusNotFound, "no-such-instance"},
	{core.ErrNoTask, http.StatusNotFound, "no-such-task"},
	{core.ErrNoDeployment, http.StatusConflict, "no-such-deployment"},
	{core.ErrDeploying, http.StatusConflict, "deploying"},
	{core.ErrStalled, http.StatusConflict, "stalled"},
	{core.ErrNoVersion, http.StatusNotFound, "no-such-version"},
	{core.ErrRemoving, http.StatusConflict, "removing"},
	{core.ErrGuarded, http.StatusConflict, "guarded"},
	{core.ErrNotGuarded, http.StatusConflict, "not-guarded"},
	{core.ErrAside, http.StatusConflict, "set-aside"},
	{core.ErrCannotFollow, http.StatusConflict, "cannot-follow"},
	{core.ErrInvalid, http.StatusUnprocessableEntity, "invalid"},
	{framework.ErrNotRunning, http.StatusServiceUnavailable, "not-running"},
	{framework.ErrInterrupted, http.StatusServiceUnavailable, "interrupted"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
	{context.Canceled, http.StatusServiceUnavailable, "canceled"},
}

// problemOf makes a problem of an error.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if no, ok := errors.AsType[*framework.NotLeadingError](err); ok {
		p := &Problem{Type: "not-leading", Status: http.StatusServiceUnavailable, Detail: no.Error()}
		if no.Leader != nil && no.Leader.URL != "" {
			p.Status = http.StatusTemporaryRedirect
		}
		return p
	}
	if stalled, ok := errors.AsType[*framework.StalledError](err); ok {
		return &Problem{Type: "stalled", Status: http.StatusServiceUnavailable, Detail: stalled.Error()}
	}
	if all, ok := errors.AsType[app.Errors](err); ok {
		p := &Problem{Type: "invalid-app", Status: http.StatusUnprocessableEntity, Detail: all.Error()}
		for _, e := range all {
			p.Errors = append(p.Errors, ProblemAt{Pointer: e.Path, Line: e.Line, Column: e.Column, Detail: e.What, Fix: e.Fix})
		}
		return p
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return &Problem{Type: k.name, Status: k.status, Detail: err.Error()}
		}
	}
	return &Problem{Status: http.StatusInternalServerError, Detail: err.Error()}
}

func fail(w http.ResponseWriter, err error) {
	p := *problemOf(err)
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// reply answers. Readers get no secrets of URIs, which may be in what agents say of tasks.
func (q *request) reply(status int, answer any) {
	w := q.w
	if raw, ok := answer.(json.RawMessage); ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(raw)
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if q.Method != http.MethodHead {
		_, _ = w.Write(append(q.readable(body), '\n'))
	}
}

func (q *request) readable(body []byte) []byte {
	if q.writes {
		return body
	}
	return []byte(redact.URIs(string(body)))
}
