package driver

import (
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/mesokit/mesokit/client/transport"
)

// Environment variables that drivers read when they are made.
const (
	// EnvLog sets the level of the log where the configuration does not: debug, info, warn or error.
	EnvLog = "MESOKIT_LOG"
	// EnvTrace, set to 1, writes every message to the log, as DriverConfig.Trace does.
	EnvTrace = "MESOKIT_TRACE"
)

// logging is the part of the configuration that both drivers have for their log.
type logging struct {
	logger *slog.Logger
	level  slog.Leveler
	trace  bool
	lookup func(string) (string, bool)
	stderr io.Writer
}

// open returns the log, and a tracer if messages are to be written.
func (l logging) open() (*slog.Logger, transport.Tracer, error) {
	level := l.level
	if text, set := l.lookup(EnvLog); set && text != "" && level == nil {
		var named slog.Level
		switch strings.ToLower(text) {
		case "debug", "info", "warn", "error":
			_ = named.UnmarshalText([]byte(text)) // knows all four
		default:
			return nil, nil, &ConfigError{Field: EnvLog, Err: errors.New("want debug, info, warn or error instead of " + text)}
		}
		level = named
	}
	if level == nil {
		level = slog.LevelWarn
	}
	trace := l.trace
	if text, _ := l.lookup(EnvTrace); text == "1" || strings.EqualFold(text, "true") {
		trace = true
	}
	log := l.logger
	if log == nil {
		log = slog.New(slog.NewTextHandler(l.stderr, &slog.HandlerOptions{Level: level}))
	}
	if !trace {
		return log, nil, nil
	}
	wire := l.logger
	if wire == nil {
		// Messages are written at the debug level; who asks for them wants them whatever the level of the rest.
		wire = slog.New(slog.NewTextHandler(l.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return log, transport.LogTracer(wire), nil
}
