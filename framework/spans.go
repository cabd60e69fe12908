package framework

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/internal/redact"
)

// spans makes OpenTelemetry spans: round > placement, commit, call TYPE.
type spans struct{ trace.Tracer }

func newSpans(p trace.TracerProvider) spans {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return spans{p.Tracer("github.com/mesokit/mesokit/framework")}
}

func attr(key string, n int) attribute.KeyValue { return attribute.Int("mesokit."+key, n) }

// start begins a span; the function that is returned ends it.
func (s spans) start(ctx context.Context, name string) (context.Context, func(error, ...attribute.KeyValue)) {
	ctx, span := s.Start(ctx, name)
	return ctx, func(err error, attrs ...attribute.KeyValue) {
		if span.IsRecording() {
			span.SetAttributes(attrs...)
			if err != nil { // of a store or a master, whose words are not ours
				text := redact.Passwords(err.Error())
				span.RecordError(errors.New(text))
				span.SetStatus(codes.Error, text)
			}
		}
		span.End()
	}
}

// watchedPlacer measures placement cycles.
type watchedPlacer struct {
	placement.Placer
	t *term
}

func (p *watchedPlacer) Place(c *placement.Cycle) *placement.Result {
	_, done := p.t.spans.start(p.t.round, "placement")
	began := time.Now()
	r := p.Placer.Place(c)
	p.t.metrics.placements.Observe(time.Since(began).Seconds())
	p.t.metrics.placed.Add(float64(len(r.Assignments)))
	done(nil, attr("offers", len(c.Offers)), attr("pending", len(c.Pending)), attr("placed", len(r.Assignments)))
	return r
}
