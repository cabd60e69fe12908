package agent

// Health checks and checks of a task: docs/behaviour.md#executors and capture f12.
//
//   - Both begin delay_seconds after the task runs; the next begins interval_seconds after one has ended. One that
//     takes longer than timeout_seconds has failed (its check status is empty); 0 is no limit.
//   - COMMAND runs in the task's sandbox with its environment; HTTP asks 127.0.0.1, where 2xx and 3xx are
//     healthy; TCP connects to 127.0.0.1.
//   - A health check says healthy=true at the first success and at the first after a failure; healthy=false at
//     each failure; consecutive_failures of them kill the task. Failures within grace_period_seconds
//     do not count until the first success.
//   - A check says its result when that changes. Statuses of a task with a check always have a check_status,
//     empty if they do not report a result.

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// checks of a task.
type checks struct {
	run    *taskRun
	ctx    context.Context // ends with the checks
	cancel context.CancelFunc
	timers []*loop.Timer

	began        time.Time
	initializing bool // no result of the health check has counted
	failures     uint32
	last         *mesospb.CheckStatusInfo // result of the check that was reported last
}

// probe is one kind of check, ready to be done again and again.
type probe struct {
	interval, timeout time.Duration
	do                func(context.Context) outcome
	report            func(outcome)
}

// outcome is the result of a probe: for commands the exit status, for HTTP the status code, for TCP 1 or 0. It
// is not known if err is set.
type outcome struct {
	value int
	err   error
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (c *checks) init(r *taskRun) {
	c.run = r
	c.initializing = true
}

// start begins with the checks that the task has.
func (c *checks) start() {
	c.ctx, c.cancel = context.WithCancel(c.run.agent.ctx)
	c.began = time.Now()
	if h := c.run.task.GetHealthCheck(); h != nil {
		c.schedule(&probe{
			interval: seconds(h.GetIntervalSeconds()), timeout: seconds(h.GetTimeoutSeconds()),
			do: c.healthProbe(h), report: func(o outcome) { c.reportHealth(h, o) },
		}, seconds(h.GetDelaySeconds()))
	}
	if k := c.run.task.GetCheck(); k != nil {
		c.schedule(&probe{
			interval: seconds(k.GetIntervalSeconds()), timeout: seconds(k.GetTimeoutSeconds()),
			do: c.checkProbe(k), report: c.reportCheck,
		}, seconds(k.GetDelaySeconds()))
	}
}

// stop ends all checks. Nothing is reported after.
func (c *checks) stop() {
	if c.cancel != nil {
		c.cancel()
	}
	for _, t := range c.timers {
		t.Stop()
	}
	c.timers = nil
}

// schedule does a probe after a wait, and again as long as the task runs.
func (c *checks) schedule(p *probe, wait time.Duration) {
	a := c.run.agent
	var timer *loop.Timer
	timer = a.loop.After(wait, func() {
		c.timers = without(c.timers, timer)
		a.async(func() func() {
			ctx, cancel := c.ctx, context.CancelFunc(func() {})
			if p.timeout > 0 {
				ctx, cancel = context.WithTimeout(c.ctx, p.timeout)
			}
			defer cancel()
			o := p.do(ctx)
			return func() {
				if c.ctx.Err() != nil {
					return
				}
				p.report(o)
				if c.ctx.Err() == nil {
					c.schedule(p, p.interval)
				}
			}
		})
	})
	c.timers = append(c.timers, timer)
}

func without(list []*loop.Timer, t *loop.Timer) []*loop.Timer {
	out := list[:0:0]
	for _, have := range list {
		if have != t {
			out = append(out, have)
		}
	}
	return out
}

func (c *checks) reportHealth(h *mesospb.HealthCheck, o outcome) {
	healthy := o.err == nil
	switch {
	case healthy && h.GetType() == mesospb.HealthCheck_HTTP:
		healthy = o.value >= 200 && o.value < 400
	case healthy && h.GetType() == mesospb.HealthCheck_TCP:
		healthy = o.value == 1
	case healthy:
		healthy = o.value == 0
	}
	if healthy {
		if c.initializing || c.failures > 0 {
			c.initializing, c.failures = false, 0
			c.sendHealth(true)
		}
		return
	}
	if c.initializing && time.Since(c.began) <= seconds(h.GetGracePeriodSeconds()) && h.GetGracePeriodSeconds() > 0 {
		return
	}
	c.initializing = false
	c.failures++
	c.sendHealth(false)
	if c.failures >= h.GetConsecutiveFailures() {
		c.run.unhealthy = true
		c.run.kill(nil)
	}
}

func (c *checks) sendHealth(healthy bool) {
	c.run.update(&mesospb.TaskStatus{
		State: mesospb.TaskState_TASK_RUNNING.Enum(), Healthy: &healthy, CheckStatus: c.last,
		Reason: mesospb.TaskStatus_REASON_TASK_HEALTH_CHECK_STATUS_UPDATED.Enum(),
	})
}

func (c *checks) reportCheck(o outcome) {
	result := emptyCheckStatus(c.run.task.GetCheck())
	if o.err == nil {
		switch result.GetType() {
		case mesospb.CheckInfo_HTTP:
			result.Http.StatusCode = proto.Uint32(uint32(o.value))
		case mesospb.CheckInfo_TCP:
			result.Tcp.Succeeded = proto.Bool(o.value == 1)
		default:
			result.Command.ExitCode = proto.Int32(int32(o.value))
		}
	}
	if c.last == nil && o.err != nil || proto.Equal(result, c.last) {
		return
	}
	c.last = result
	c.run.update(&mesospb.TaskStatus{
		State: mesospb.TaskState_TASK_RUNNING.Enum(), CheckStatus: result,
		Reason: mesospb.TaskStatus_REASON_TASK_CHECK_STATUS_UPDATED.Enum(),
	})
}

// fill adds an empty check status to a status that has none.
func (c *checks) fill(s *mesospb.TaskStatus) {
	if k := c.run.task.GetCheck(); k != nil && s.CheckStatus == nil {
		s.CheckStatus = emptyCheckStatus(k)
	}
}

func emptyCheckStatus(k *mesospb.CheckInfo) *mesospb.CheckStatusInfo {
	s := &mesospb.CheckStatusInfo{Type: k.GetType().Enum()}
	switch k.GetType() {
	case mesospb.CheckInfo_HTTP:
		s.Http = &mesospb.CheckStatusInfo_Http{}
	case mesospb.CheckInfo_TCP:
		s.Tcp = &mesospb.CheckStatusInfo_Tcp{}
	default:
		s.Command = &mesospb.CheckStatusInfo_Command{}
	}
	return s
}

func (c *checks) healthProbe(h *mesospb.HealthCheck) func(context.Context) outcome {
	switch h.GetType() {
	case mesospb.HealthCheck_HTTP:
		scheme := h.GetHttp().GetScheme()
		if scheme == "" {
			scheme = "http"
		}
		return httpProbe(scheme, h.GetHttp().GetPort(), h.GetHttp().GetPath(), h.GetHttp().GetProtocol())
	case mesospb.HealthCheck_TCP:
		return tcpProbe(h.GetTcp().GetPort(), h.GetTcp().GetProtocol())
	}
	return c.commandProbe(h.GetCommand())
}

func (c *checks) checkProbe(k *mesospb.CheckInfo) func(context.Context) outcome {
	switch k.GetType() {
	case mesospb.CheckInfo_HTTP:
		return httpProbe("http", k.GetHttp().GetPort(), k.GetHttp().GetPath(), mesospb.NetworkInfo_IPv4)
	case mesospb.CheckInfo_TCP:
		return tcpProbe(k.GetTcp().GetPort(), mesospb.NetworkInfo_IPv4)
	}
	return c.commandProbe(k.GetCommand().GetCommand())
}

func loopback(p mesospb.NetworkInfo_Protocol, port uint32) string {
	host := "127.0.0.1"
	if p == mesospb.NetworkInfo_IPv6 {
		host = "::1"
	}
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

// httpProbe asks a web server. As with curl -k -L, certificates are not verified and redirects followed.
func httpProbe(scheme string, port uint32, path string, p mesospb.NetworkInfo_Protocol) func(context.Context) outcome {
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	url := scheme + "://" + loopback(p, port) + path
	return func(ctx context.Context) outcome {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return outcome{err: err}
		}
		client := &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		}}
		resp, err := client.Do(req)
		if err != nil {
			return outcome{err: err}
		}
		resp.Body.Close()
		return outcome{value: resp.StatusCode}
	}
}

func tcpProbe(port uint32, p mesospb.NetworkInfo_Protocol) func(context.Context) outcome {
	return func(ctx context.Context) outcome {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", loopback(p, port))
		if err != nil {
			if ctx.Err() != nil {
				return outcome{err: err}
			}
			return outcome{value: 0}
		}
		conn.Close()
		return outcome{value: 1}
	}
}

// commandProbe runs a command beside the task. What it writes goes to the task's stderr.
func (c *checks) commandProbe(command *mesospb.CommandInfo) func(context.Context) outcome {
	r := c.run
	env := environment{}
	for _, entry := range r.env {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	secrets := env.add(command.GetEnvironment())
	k := r.container
	return func(ctx context.Context) outcome {
		if secrets != nil {
			return outcome{err: secrets}
		}
		output, err := openOutput(k.dir, "stderr")
		if err != nil {
			return outcome{err: err}
		}
		status, err := r.agent.runCommand(ctx, k, command, env.list(), output)
		if err != nil {
			return outcome{err: err}
		}
		if code, ok := status.Exited(); ok {
			return outcome{value: code}
		}
		return outcome{err: fmt.Errorf("command %v", status)}
	}
}

// runCommand runs a command to its end, beside the loop. It closes output.
func (a *Agent) runCommand(ctx context.Context, k *container, command *mesospb.CommandInfo, env []string, output *os.File) (process.Status, error) {
	spec := process.Spec{Dir: k.dir, Env: env, Stdout: output, Stderr: output}
	spec.Path, spec.Args = argv(command, k.dir, env)
	k.account.spec(&spec)
	p, err := a.spawner.Start(spec)
	output.Close()
	if err != nil {
		return process.Unknown, err
	}
	overdue := context.AfterFunc(ctx, p.Kill)
	status := p.Wait()
	stopped := overdue()
	p.Sweep()
	if !stopped {
		return process.Unknown, context.Cause(ctx)
	}
	return status, nil
}
