package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/fault"
)

// Error is an answer of the control interface that is not a success.
type Error struct {
	Status int    // of HTTP
	Text   string // why
}

func (e *Error) Error() string { return e.Text }

// maxAnswer bounds answers, unpacked, in bytes: 10,000 agents are described in less than a tenth.
const maxAnswer = 64 << 20

// Client controls a cluster from anywhere. Its methods are safe for concurrent use. Their errors are *Error for what the cluster answered, or those of
// net/http.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient returns a client of the control interface at an address, host:port. token is the one that the interface asks for; empty if
// it asks for none.
func NewClient(address, token string) (*Client, error) { return newClient(address, token, nil) }

func newClient(address, token string, dial func(context.Context, string, string) (net.Conn, error)) (*Client, error) {
	address = strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/")
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("control: address %q: want host:port", address)
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return &Client{"http://" + address + "/mesokit/v1", token, &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status returns what runs.
func (c *Client) Status(ctx context.Context) (s cluster.Status, err error) {
	err = c.do(ctx, http.MethodGet, "/status", nil, &s)
	return s, err
}

// Agent is an agent, as cluster.Agent has it.
type Agent struct {
	ID       string `json:"id"`
	Hostname string `json:"hostname"`
	Address  string `json:"address"`
}

// AddAgent starts an agent and returns when it is registered.
func (c *Client) AddAgent(ctx context.Context, cfg cluster.AgentConfig) (a Agent, err error) {
	err = c.do(ctx, http.MethodPost, "/agents", cfg, &a)
	return a, err
}

// Act does something with the agent of an id, the end of an id such as S0, a host name or an address.
func (c *Client) Act(ctx context.Context, agent string, action Action) (a Agent, err error) {
	err = c.do(ctx, http.MethodPost, "/agents/"+url.PathEscape(agent)+"/"+url.PathEscape(string(action)), struct{}{}, &a)
	return a, err
}

// Faults returns the rules by which faults are played.
func (c *Client) Faults(ctx context.Context) (list []fault.State, err error) {
	err = c.do(ctx, http.MethodGet, "/faults", nil, &list)
	return list, err
}

// AddFault adds a rule in its text form; see package fault.
func (c *Client) AddFault(ctx context.Context, text string) (s fault.State, err error) {
	err = c.do(ctx, http.MethodPost, "/faults", map[string]string{"rule": text}, &s)
	return s, err
}

// AddRule adds a rule.
func (c *Client) AddRule(ctx context.Context, r fault.Rule) (s fault.State, err error) {
	err = c.do(ctx, http.MethodPost, "/faults", r, &s)
	return s, err
}

// RemoveFault removes a rule.
func (c *Client) RemoveFault(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/faults/"+url.PathEscape(id), nil, nil)
}

// ClearFaults removes all rules.
func (c *Client) ClearFaults(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/faults", nil, nil)
}

// FailOver makes another master lead and returns the masters.
func (c *Client) FailOver(ctx context.Context) (masters []cluster.MasterStatus, err error) {
	err = c.do(ctx, http.MethodPost, "/failover", struct{}{}, &masters)
	return masters, err
}

// KillMaster ends the master of an address, as SIGKILL does, and returns the masters.
func (c *Client) KillMaster(ctx context.Context, address string) (masters []cluster.MasterStatus, err error) {
	err = c.do(ctx, http.MethodPost, "/masters/"+url.PathEscape(address)+"/kill", struct{}{}, &masters)
	return masters, err
}

// StartMaster starts a master that was killed, and returns the masters.
func (c *Client) StartMaster(ctx context.Context, address string) (masters []cluster.MasterStatus, err error) {
	err = c.do(ctx, http.MethodPost, "/masters/"+url.PathEscape(address)+"/start", struct{}{}, &masters)
	return masters, err
}

func (c *Client) do(ctx context.Context, method, path string, body, to any) error {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("control: %w", err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = fmt.Errorf("%s %s was answered more than %d bytes", method, path, maxAnswer)
	}
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var e errorBody
		if json.Unmarshal(data, &e) != nil || e.Error == "" {
			e.Error = fmt.Sprintf("%s %s was answered %s: is this the control interface of mesokit dev?", method, c.base+path, resp.Status)
		}
		return &Error{resp.StatusCode, e.Error}
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("control: %s %s: %w", method, path, err)
	}
	return nil
}
