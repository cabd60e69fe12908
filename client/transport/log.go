package transport

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// LogTracer returns a FrameTracer that writes the conversation to log at the debug level: every exchange and
// every message as JSON, with secrets masked by MaskHeader and Redact. It costs next to nothing while the debug level
// is off.
func LogTracer(log *slog.Logger) FrameTracer { return logTracer{log} }

type logTracer struct{ log *slog.Logger }

func (t logTracer) TraceStart(ctx context.Context, d TraceStart) context.Context {
	if t.log.Enabled(ctx, slog.LevelDebug) {
		t.log.LogAttrs(ctx, slog.LevelDebug, "mesos request", slog.String("method", d.Method), slog.String("url", d.URL),
			slog.Any("header", d.Header), slog.Int("size", d.Size), slog.String("message", text(d.Message)))
	}
	return ctx
}

func (t logTracer) TraceEnd(ctx context.Context, d TraceEnd) {
	if t.log.Enabled(ctx, slog.LevelDebug) {
		t.log.LogAttrs(ctx, slog.LevelDebug, "mesos answer", slog.Int("status", d.Status), slog.Duration("duration", d.Duration),
			slog.Any("header", d.Header), slog.Int("size", d.Size), slog.String("message", text(d.Message)), slog.Any("error", d.Err))
	}
}

func (t logTracer) TraceFrame(ctx context.Context, d TraceFrame) {
	if !t.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	if errors.Is(d.Err, io.EOF) {
		t.log.LogAttrs(ctx, slog.LevelDebug, "mesos stream ended", slog.String("url", d.URL))
		return
	}
	t.log.LogAttrs(ctx, slog.LevelDebug, "mesos frame", slog.String("url", d.URL), slog.Bool("sent", d.Sent),
		slog.Int("size", d.Size), slog.String("message", text(d.Message)), slog.Any("error", d.Err))
}

// text prints a message as one line of JSON.
func text(m proto.Message) string {
	if m == nil {
		return ""
	}
	data, err := protojson.MarshalOptions{UseProtoNames: true, AllowPartial: true}.Marshal(Redact(m))
	if err != nil {
		return err.Error()
	}
	return string(data)
}
