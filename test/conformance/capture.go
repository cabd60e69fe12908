package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Capture is a recorded conversation.
type Capture struct {
	// Name of the file without its extension, such as "f01_command_task".
	Name string
	// Exchanges in the order of the file; At tells the order in which they were sent.
	Exchanges []*Exchange
}

// An Exchange is a request and what came back. Without a request it is a remark: something happened
// to the cluster at that moment, and Note says what.
type Exchange struct {
	At       float64 // seconds since the start of the recording
	Note     string
	Request  *Request
	Response Response
	// Companion marks an exchange that is replayed because others depend on it, but is not part
	// of the recording and therefore not compared.
	Companion bool
	// Index in the capture's file; negative for companions.
	Index int
}

// A Request as it was sent.
type Request struct {
	Method  string
	Path    string
	Headers map[string]string
	Body    any    // a JSON value, or nil
	Raw     []byte // the exact body, if Body is nil; nil for no body
	// Records are the body of a request that was sent record by record; Body is nil then.
	Records []Record
}

// A Record is one record of a request's body.
type Record struct {
	At    float64
	Value any // a JSON value
}

// A Response as it was received: a Body or, if Stream is set, Frames.
type Response struct {
	Status  int
	Headers map[string]string
	Body    any // a JSON value; a string if the body was not JSON
	Stream  bool
	Frames  []Frame
	// ServerClosed says that the server ended the stream (and not the recorder).
	ServerClosed bool
}

// A Frame is one record of a stream.
type Frame struct {
	At    float64
	Event any // a JSON value; of records in protobuf the equivalent
}

// Load reads a capture file.
func Load(file string) (*Capture, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("conformance: %s: %w", file, err)
	}
	c.Name = strings.TrimSuffix(filepath.Base(file), ".json")
	return c, nil
}

// fileExchange is an exchange in a capture file.
type fileExchange struct {
	At      float64 `json:"at"`
	Note    string  `json:"note"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
		Frames  []struct {
			At    float64         `json:"at"`
			Event json.RawMessage `json:"event"`
		} `json:"frames"`
		Closed string `json:"closed"`
	} `json:"response"`
}

// Parse reads a capture: an array of exchanges, or an object with such an array under "exchanges".
func Parse(data []byte) (*Capture, error) {
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		var object struct {
			Exchanges json.RawMessage `json:"exchanges"`
		}
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, err
		}
		if object.Exchanges == nil {
			return nil, errors.New(`neither an array of exchanges nor an object that has "exchanges"`)
		}
		data = object.Exchanges
	}
	var raw []fileExchange
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	c := new(Capture)
	for i, r := range raw {
		e, err := r.exchange(i)
		if err != nil {
			return nil, fmt.Errorf("exchange %d: %w", i, err)
		}
		c.Exchanges = append(c.Exchanges, e)
	}
	return c, nil
}

func (r *fileExchange) exchange(i int) (*Exchange, error) {
	e := &Exchange{At: r.At, Note: r.Note, Index: i}
	if r.Request.Method == "" {
		return e, nil
	}
	e.Request = &Request{Method: r.Request.Method, Path: r.Request.Path, Headers: r.Request.Headers}
	if len(r.Request.Body) > 0 && string(r.Request.Body) != "null" {
		body, err := decode(r.Request.Body)
		if err != nil {
			return nil, fmt.Errorf("request body: %w", err)
		}
		if raw, ok := get(body, "_raw_base64").(string); ok {
			if e.Request.Raw, err = base64.StdEncoding.DecodeString(raw); err != nil {
				return nil, fmt.Errorf("request body: %w", err)
			}
		} else if get(body, "_records") != nil {
			if e.Request.Records, err = records(list(body, "_records")); err != nil {
				return nil, fmt.Errorf("request body: %w", err)
			}
		} else {
			e.Request.Body = body
		}
	}
	e.Response = Response{Status: r.Response.Status, Headers: r.Response.Headers}
	if r.Response.Frames == nil {
		if len(r.Response.Body) == 0 {
			e.Response.Body = ""
			return e, nil
		}
		body, err := decode(r.Response.Body)
		if err != nil {
			return nil, fmt.Errorf("response body: %w", err)
		}
		e.Response.Body = body
		return e, nil
	}
	e.Response.Stream = true
	e.Response.ServerClosed = strings.HasPrefix(r.Response.Closed, "EOFError")
	for j, f := range r.Response.Frames {
		event, err := decode(f.Event)
		if err == nil {
			if binary, ok := get(event, "_binary").(string); ok {
				var record []byte
				if record, err = base64.StdEncoding.DecodeString(binary); err == nil {
					event, err = decodeProtobuf(e.Request.Path, record)
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("frame %d: %w", j, err)
		}
		e.Response.Frames = append(e.Response.Frames, Frame{At: f.At, Event: event})
	}
	return e, nil
}

// records reads what was sent record by record.
func records(values []any) ([]Record, error) {
	if len(values) == 0 {
		return nil, errors.New(`"_records" holds no record`)
	}
	sent := make([]Record, len(values))
	for i, v := range values {
		number, _ := get(v, "at").(json.Number)
		at, err := number.Float64()
		if err != nil {
			return nil, fmt.Errorf("record %d: at: %w", i, err)
		}
		sent[i] = Record{At: at, Value: get(v, "record")}
	}
	return sent, nil
}

// With returns the capture with the exchanges of a companion capture added, all in order of time.
func (c *Capture) With(companion *Capture) *Capture {
	merged := &Capture{Name: c.Name, Exchanges: slices.Clone(c.Exchanges)}
	for i, e := range companion.Exchanges {
		copied := *e
		copied.Companion, copied.Index = true, -1-i
		merged.Exchanges = append(merged.Exchanges, &copied)
	}
	return merged
}

// timeline returns the exchanges in the order in which they were sent.
func (c *Capture) timeline() []*Exchange {
	sorted := slices.Clone(c.Exchanges)
	slices.SortStableFunc(sorted, func(a, b *Exchange) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
	return sorted
}

// toAgent says whether the request went to an agent rather than to the master.
func (e *Exchange) toAgent() bool { return strings.HasPrefix(e.Note, "agent:") }

// content is the body of the request, or its first record.
func (e *Exchange) content() any {
	if len(e.Request.Records) > 0 {
		return e.Request.Records[0].Value
	}
	return e.Request.Body
}

// callType is the type of the call that the exchange makes, or its path.
func (e *Exchange) callType() string {
	if e.Request == nil {
		return "remark"
	}
	if t, ok := get(e.content(), "type").(string); ok {
		return t
	}
	return e.Request.Method + " " + e.Request.Path
}

// Label names the exchange for people: its number, call and note.
func (e *Exchange) Label() string {
	label := fmt.Sprintf("#%d %s", e.Index, e.callType())
	if e.Companion {
		label = fmt.Sprintf("companion %d %s", -1-e.Index, e.callType())
	}
	if e.Note != "" && e.Note != e.callType() {
		label += " (" + e.Note + ")"
	}
	return label
}
