package main

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"time"
)

// lineWriter writes whole lines to a writer that others write to as well, each with a prefix, so
// that the output of tasks does not mix within a line. Close writes what is left without newline.
type lineWriter struct {
	mu     *sync.Mutex // shared by all that write to w
	w      io.Writer
	prefix string
	rest   []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	end := bytes.LastIndexByte(l.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	err := l.put(l.rest[:end])
	l.rest = append(l.rest[:0], l.rest[end:]...)
	return len(p), err
}

func (l *lineWriter) put(lines []byte) error {
	var out []byte
	for line := range bytes.Lines(lines) {
		out = append(append(out, l.prefix...), line...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.w.Write(out)
	return err
}

func (l *lineWriter) Close() error {
	if len(l.rest) == 0 {
		return nil
	}
	return l.put(append(l.rest, '\n'))
}

// plainWriter passes everything on as it comes: the output of a single task, byte for byte.
type plainWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (p *plainWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.Write(b)
}

func (p *plainWriter) Close() error { return nil }

// record is one line of run -o json.
type record struct {
	Time   time.Time `json:"time"`
	Task   string    `json:"task"`
	Type   string    `json:"type"` // state, stdout or stderr
	State  string    `json:"state,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Text   string    `json:"text,omitempty"` // message of a state, or output
	Agent  string    `json:"agent,omitempty"`
}

// jsonWriter turns output into records.
type jsonWriter struct {
	emit func(record)
	kind string
	task string
}

func (j *jsonWriter) Write(p []byte) (int, error) {
	j.emit(record{Task: j.task, Type: j.kind, Text: string(p)})
	return len(p), nil
}

func (j *jsonWriter) Close() error { return nil }

// recorder returns a function that writes records as lines of JSON, from any goroutine.
func recorder(mu *sync.Mutex, w io.Writer) func(record) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(r record) {
		mu.Lock()
		defer mu.Unlock()
		r.Time = time.Now().UTC()
		enc.Encode(r)
	}
}
