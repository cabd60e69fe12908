package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mesokit/mesokit/client/transport"
)

// Legacy fetches one of the older JSON endpoints, such as /state-summary, /tasks?limit=10 or /slaves, and
// decodes the answer into v, as encoding/json does.
func (m *Master) Legacy(ctx context.Context, path string, query url.Values, v any) error {
	err := m.atLeader(ctx, func(base string) error { return legacy(ctx, m.transport, base, path, query, v) })
	return callError(path, err)
}

// Legacy fetches one of the older JSON endpoints of an agent, such as /state, /containers or /monitor/statistics.
func (a *Agent) Legacy(ctx context.Context, path string, query url.Values, v any) error {
	return callError(path, legacy(ctx, a.transport, a.base, path, query, v))
}

// MetricsSnapshot returns the metrics by name, by /metrics/snapshot: what GetMetrics returns, for those whom
// only the older endpoint is open. timeout is as there.
func (m *Master) MetricsSnapshot(ctx context.Context, timeout time.Duration) (map[string]float64, error) {
	metrics := make(map[string]float64)
	return metrics, m.Legacy(ctx, "/metrics/snapshot", timeoutQuery(timeout), &metrics)
}

// MetricsSnapshot returns the metrics by name; see Master.MetricsSnapshot.
func (a *Agent) MetricsSnapshot(ctx context.Context, timeout time.Duration) (map[string]float64, error) {
	metrics := make(map[string]float64)
	return metrics, a.Legacy(ctx, "/metrics/snapshot", timeoutQuery(timeout), &metrics)
}

// UnreachableAgents returns the ids of agents that the master has declared unreachable, by /registrar(1)/registry: no other call names those
// without tasks. They are registered no more, and may come back.
func (m *Master) UnreachableAgents(ctx context.Context) ([]string, error) {
	var registry struct {
		Unreachable struct {
			Agents []struct {
				ID struct {
					Value string `json:"value"`
				} `json:"id"`
			} `json:"slaves"`
		} `json:"unreachable"`
	}
	if err := m.Legacy(ctx, "/registrar(1)/registry", nil, &registry); err != nil {
		return nil, err
	}
	ids := make([]string, len(registry.Unreachable.Agents))
	for i, a := range registry.Unreachable.Agents {
		ids[i] = a.ID.Value
	}
	return ids, nil
}

func timeoutQuery(d time.Duration) url.Values {
	if d <= 0 {
		return nil
	}
	return url.Values{"timeout": {strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "secs"}}
}

func legacy(ctx context.Context, t *transport.Client, base, path string, query url.Values, v any) error {
	target := base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	resp, err := t.Get(ctx, target, transport.WithHeader("Accept", "application/json"))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.EOF) {
			return &transport.ContentTypeError{URL: target, ContentType: contentType(resp)}
		}
		return fmt.Errorf("%s: %w", target, err)
	}
	return nil
}

func contentType(resp *http.Response) string {
	if t := resp.Header.Get("Content-Type"); t != "" {
		return t
	}
	return "none"
}

// AgentState is what Agent.Sandbox needs of the older endpoint /state of an agent.
type AgentState struct {
	ID                  string           `json:"id"`
	Hostname            string           `json:"hostname"`
	Version             string           `json:"version"`
	Frameworks          []AgentFramework `json:"frameworks"`
	CompletedFrameworks []AgentFramework `json:"completed_frameworks"`
}

// AgentFramework is a framework in an AgentState.
type AgentFramework struct {
	ID                 string          `json:"id"`
	Name               string          `json:"name"`
	Executors          []AgentExecutor `json:"executors"`
	CompletedExecutors []AgentExecutor `json:"completed_executors"`
}

// AgentExecutor is an executor in an AgentState; Directory is its sandbox on the agent's disk, Container its
// container's id.
type AgentExecutor struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Container string `json:"container"`
	Directory string `json:"directory"`
}

// Directory returns the sandbox of the latest run of an executor; "" if it is unknown.
func (s *AgentState) Directory(frameworkID, executorID string) string {
	dir := ""
	find := func(executors []AgentExecutor) {
		for _, e := range executors {
			if e.ID == executorID && dir == "" {
				dir = e.Directory
			}
		}
	}
	for _, frameworks := range [][]AgentFramework{s.Frameworks, s.CompletedFrameworks} {
		for _, f := range frameworks {
			if f.ID == frameworkID {
				find(f.Executors)
				// Completed runs are listed from old to new.
				for i := len(f.CompletedExecutors) - 1; i >= 0; i-- {
					find(f.CompletedExecutors[i : i+1])
				}
			}
		}
	}
	return dir
}

// parseFilesRead parses an answer of /files/read, {"data":"...","offset":n}. Mesos writes the bytes of the file
// into the string as they are, whatever they are: a chunk may begin or end in the middle of a character.
// encoding/json would replace such bytes.
func parseFilesRead(body []byte) (offset int64, data []byte, err error) {
	p := jsonParser{rest: body}
	if err := p.expect('{'); err != nil {
		return 0, nil, err
	}
	seen := false
	for first := true; ; first = false {
		if p.next() == '}' {
			if !seen {
				return 0, nil, errors.New("the answer has no data")
			}
			return offset, data, nil
		}
		if !first {
			if err := p.expect(','); err != nil {
				return 0, nil, err
			}
		}
		key, err := p.text()
		if err != nil {
			return 0, nil, err
		}
		if err := p.expect(':'); err != nil {
			return 0, nil, err
		}
		switch string(key) {
		case "data":
			if data, err = p.text(); err != nil {
				return 0, nil, err
			}
			seen = true
		case "offset":
			if offset, err = p.number(); err != nil {
				return 0, nil, err
			}
		default:
			return 0, nil, fmt.Errorf("the answer has an unexpected member %q", key)
		}
	}
}

// jsonParser parses what /files/read answers.
type jsonParser struct{ rest []byte }

var errCutJSON = errors.New("the answer ends in the middle")

// next skips white space and returns the next byte without taking it, 0 at the end.
func (p *jsonParser) next() byte {
	for len(p.rest) > 0 {
		switch c := p.rest[0]; c {
		case ' ', '\t', '\r', '\n':
			p.rest = p.rest[1:]
		default:
			return c
		}
	}
	return 0
}

func (p *jsonParser) expect(c byte) error {
	switch got := p.next(); {
	case len(p.rest) == 0:
		return errCutJSON
	case got != c:
		return fmt.Errorf("the answer is not that of /files/read: %q where %q should be", got, c)
	}
	p.rest = p.rest[1:]
	return nil
}

func (p *jsonParser) number() (int64, error) {
	p.next()
	i := 0
	for i < len(p.rest) && (p.rest[i] >= '0' && p.rest[i] <= '9' || p.rest[i] == '-') {
		i++
	}
	n, err := strconv.ParseInt(string(p.rest[:i]), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the answer has the offset %q", p.rest[:i])
	}
	p.rest = p.rest[i:]
	return n, nil
}

// text parses a string to bytes.
func (p *jsonParser) text() ([]byte, error) {
	if err := p.expect('"'); err != nil {
		return nil, err
	}
	out := []byte{}
	for len(p.rest) > 0 {
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch c {
		case '"':
			return out, nil
		case '\\':
			var err error
			if out, err = p.escape(out); err != nil {
				return nil, err
			}
		default:
			out = append(out, c)
		}
	}
	return nil, errCutJSON
}

func (p *jsonParser) escape(out []byte) ([]byte, error) {
	if len(p.rest) == 0 {
		return nil, errCutJSON
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		r, err := p.hex()
		if err != nil {
			return nil, err
		}
		if utf16.IsSurrogate(r) && len(p.rest) >= 2 && p.rest[0] == '\\' && p.rest[1] == 'u' {
			pair := jsonParser{rest: p.rest[2:]}
			low, err := pair.hex()
			if err != nil {
				return nil, err
			}
			if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
				r, p.rest = whole, pair.rest
			}
		}
		return utf8.AppendRune(out, r), nil
	}
	return nil, fmt.Errorf("the answer has an unknown escape \\%c", c)
}

func (p *jsonParser) hex() (rune, error) {
	if len(p.rest) < 4 {
		return 0, errCutJSON
	}
	n, err := strconv.ParseUint(string(p.rest[:4]), 16, 16)
	if err != nil {
		return 0, fmt.Errorf("the answer has an escape of \\u%q", p.rest[:4])
	}
	p.rest = p.rest[4:]
	return rune(n), nil
}
