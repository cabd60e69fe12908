package framework

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/core/replay"
	"github.com/mesokit/mesokit/framework/store"
)

// recording writes down what the engine is told during one term. Nil records nothing.
type recording struct {
	file io.WriteCloser
	to   *replay.Recorder // nil after an error
	log  *slog.Logger
}

func (f *Framework) startRecording(now time.Time, cfg core.Config, records []store.Record) (*recording, error) {
	if f.cfg.Record == nil {
		return nil, nil
	}
	file, err := f.cfg.Record()
	if err != nil {
		return nil, fmt.Errorf("framework.Config.Record: %w", err)
	}
	to, err := replay.NewRecorder(file, now, cfg, records)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("recording: %w", err)
	}
	return &recording{file, to, f.cfg.Log}, nil
}

// round records one Apply. A recording with a hole is of no use, so the first error ends it.
func (r *recording) round(now time.Time, inputs []core.Input, out *core.Effects) {
	if r == nil || r.to == nil {
		return
	}
	if err := r.to.Apply(now, inputs, out); err != nil {
		r.log.Error("recording ends here; the engine goes on", "error", err)
		r.to = nil
	}
}

func (r *recording) close() {
	if r == nil {
		return
	}
	if err := r.file.Close(); err != nil {
		r.log.Error("closing the recording failed", "error", err)
	}
}
