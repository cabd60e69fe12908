package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

const apiPath = "/api/v1"

// MasterConfig of a Master. Masters or Detector is required.
type MasterConfig struct {
	// Masters says where masters are, as detector.Parse takes it: host:port, a list of these, zk://... or file://...
	Masters string
	// Detector takes the place of Masters.
	Detector detector.Detector
	// Scheme of addresses without one: "http" or "https"; "" means http.
	Scheme string
	// Transport carries the exchanges; nil means a new one with the defaults of package transport, closed by
	// Master.Close.
	Transport *transport.Client
}

// String describes the configuration without its secrets.
func (c MasterConfig) String() string {
	from := detector.Redacted(c.Masters)
	if c.Detector != nil {
		from = c.Detector.String()
	}
	return fmt.Sprintf("operator.MasterConfig{%s, %v}", from, c.Transport)
}

// Format prints String whatever the verb, so that %+v and %#v leak nothing.
func (c MasterConfig) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// Master calls the leading master. It asks the detector when it needs to, follows redirects, and stays with a
// leader until that one fails or redirects it.
type Master struct {
	detector  detector.Detector
	transport *transport.Client
	owned     bool

	mu      sync.Mutex
	leader  string // base URL; "" if unknown
	trouble string // what the detector said last; "" if it is one of the caller's
}

// NewMaster returns a Master, without looking for one.
func NewMaster(cfg MasterConfig) (*Master, error) {
	m := &Master{detector: cfg.Detector, transport: cfg.Transport}
	if m.detector == nil {
		d, err := detector.Parse(cfg.Masters, detector.Config{Scheme: cfg.Scheme, Warn: m.troubled})
		if err != nil {
			return nil, err
		}
		m.detector = d
	}
	var err error
	m.transport, m.owned, err = orNewTransport(cfg.Transport)
	return m, err
}

func (m *Master) troubled(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = line
}

// noLeader is the error of a search that has failed, with what is known to be in its way.
func (m *Master) noLeader(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trouble == "" {
		return fmt.Errorf("%w: %w", ErrNoLeader, err)
	}
	return fmt.Errorf("%w: %w: %s", ErrNoLeader, err, m.trouble)
}

func orNewTransport(t *transport.Client) (_ *transport.Client, owned bool, _ error) {
	if t != nil {
		return t, false, nil
	}
	t, err := transport.New(transport.Config{})
	return t, true, err
}

// Close closes idle connections of a transport that was not given to NewMaster.
func (m *Master) Close() {
	if m.owned {
		m.transport.Close()
	}
}

// Leader returns the base URL of the master that answered last; "" before the first call and after a failed one.
func (m *Master) Leader() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leader
}

func (m *Master) setLeader(base string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leader = base
}

// forget drops a leader, unless another one was found meanwhile.
func (m *Master) forget(base string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leader == base {
		m.leader = ""
	}
}

// atLeader runs do with the base URL of the leader. It goes on to another master only where do cannot have had
// an effect: after a redirect, a 503, with which masters answer that do not lead or are not ready, and a
// connection that was not made.
func (m *Master) atLeader(ctx context.Context, do func(base string) error) error {
	failures := make(map[string]error) // by base URL: no master is tried twice
	queue := []string{m.Leader()}
	detected := queue[0] == ""
	if detected {
		queue = nil
	}
	last := error(ErrNoLeader)
	for first := true; ; first = false {
		if len(queue) == 0 && (first || !detected) {
			detected = true
			masters, err := detector.Leader(ctx, m.detector)
			if err != nil {
				return m.noLeader(err)
			}
			queue = slices.Clone(masters.Candidates)
		}
		if len(queue) == 0 {
			return last
		}
		base := queue[0]
		queue = queue[1:]
		if failures[base] != nil {
			continue
		}

		err := do(base)
		if err == nil {
			m.setLeader(base)
			return nil
		}
		failures[base], last = err, err
		var status *transport.StatusError
		switch {
		case ctx.Err() != nil:
			return err // this says nothing about the leader
		case errors.Is(err, transport.ErrNotLeader) && errors.As(err, &status):
			m.forget(base)
			leader, redirectErr := status.LeaderURL()
			if redirectErr != nil {
				return fmt.Errorf("%w: %w", err, redirectErr)
			}
			queue = slices.Insert(queue, 0, leader)
			if failures[leader] != nil {
				last = failures[leader] // a better reason than to be sent there
			}
		case errors.Is(err, transport.ErrUnavailable), notConnected(err):
			m.forget(base)
		default:
			if !errors.As(err, &status) {
				m.forget(base)
			}
			return err
		}
	}
}

// notConnected tells that no connection was made, so that nothing was sent.
func notConnected(err error) bool {
	var op *net.OpError
	return errors.Is(err, transport.ErrConnectTimeout) || errors.As(err, &op) && op.Op == "dial"
}

// Call makes any call of the operator API that has an answer; the typed methods are better where they fit.
// Streams are Subscribe's. Calls that would end the process of the master are not sent: *UnsafeCallError.
func (m *Master) Call(ctx context.Context, call *masterpb.Call) (*masterpb.Response, error) {
	resp := new(masterpb.Response)
	err := m.exchange(ctx, call, resp)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// exchange makes a call; resp is nil if it has no answer.
func (m *Master) exchange(ctx context.Context, call *masterpb.Call, resp *masterpb.Response) error {
	err := m.refuseUnsafe(ctx, call)
	if err == nil {
		err = m.atLeader(ctx, func(base string) error {
			if resp == nil {
				return m.transport.Call(ctx, base+apiPath, call)
			}
			return m.transport.CallResponse(ctx, base+apiPath, call, resp, answerOptions(call)...)
		})
	}
	return callError(call.GetType().String(), err)
}

// answerOptions asks for JSON where masters leave something out of their answers in protobuf: the tasks of frameworks that are gone.
func answerOptions(call *masterpb.Call) []transport.Option {
	switch call.GetType() {
	case masterpb.Call_GET_TASKS, masterpb.Call_GET_STATE:
		return []transport.Option{transport.WithHeader("Accept", codec.MediaTypeJSON)}
	}
	return nil
}

// ask makes a call that has a typed answer.
func (m *Master) ask(ctx context.Context, call *masterpb.Call) (*masterpb.Response, error) {
	resp := new(masterpb.Response)
	if err := m.exchange(ctx, call, resp); err != nil {
		return nil, err
	}
	return resp, checkType(call.GetType().String(), resp.Type != nil, resp.GetType().String())
}

func (m *Master) do(ctx context.Context, call *masterpb.Call) error {
	return m.exchange(ctx, call, nil)
}

// masterCall returns a call of a type.
func masterCall(t masterpb.Call_Type) *masterpb.Call { return &masterpb.Call{Type: t.Enum()} }

// checkType compares the types of call and answer, which have the same names.
func checkType(call string, set bool, got string) error {
	switch {
	case !set:
		return callError(call, &ResponseError{Type: "none"})
	case got != call:
		return callError(call, &ResponseError{Type: got})
	}
	return nil
}

// agentURL makes the base URL of an agent of what people and Mesos call it: host, host:port, process@host:port,
// http(s)://host:port/process.
func agentURL(spec, scheme string) (string, error) {
	if scheme == "" {
		scheme = "http"
	}
	process := ""
	if !strings.Contains(spec, "://") {
		if id, address, ok := strings.Cut(spec, "@"); ok {
			process, spec = "/"+id, address
		}
		if _, _, err := net.SplitHostPort(spec); err != nil && spec != "" && !strings.ContainsAny(spec, "/?#@") {
			spec = net.JoinHostPort(strings.Trim(spec, "[]"), "5051")
		}
		if spec != "" {
			spec = scheme + "://" + spec + process
		}
	}
	return detector.BaseURL(spec, scheme)
}
