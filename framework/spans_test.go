package framework

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// told is a tracer that writes down all that it is told.
type told struct {
	embedded.TracerProvider
	text *strings.Builder
}

func (p told) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{p: p} }

type tracer struct {
	embedded.Tracer
	p told
}

func (t tracer) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	fmt.Fprintln(t.p.text, name)
	return ctx, span{text: t.p.text}
}

type span struct {
	noop.Span
	text *strings.Builder
}

func (s span) IsRecording() bool                             { return true }
func (s span) SetStatus(_ codes.Code, text string)           { fmt.Fprintln(s.text, text) }
func (s span) SetAttributes(attrs ...attribute.KeyValue)     { fmt.Fprintln(s.text, attrs) }
func (s span) RecordError(err error, _ ...trace.EventOption) { fmt.Fprintln(s.text, err) }

func TestTracesHaveNoPasswords(t *testing.T) {
	p := told{text: new(strings.Builder)}
	_, end := newSpans(p).start(t.Context(), "commit")
	end(errors.New("cannot reach zk://user:hush@10.0.0.1:2181/x"), attr("records", 3))
	if got := p.text.String(); strings.Contains(got, "hush") || strings.Count(got, "user:[redacted]@10.0.0.1") != 2 {
		t.Errorf("got %s", got)
	}
}
