package executor

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/client/transport"
)

// Defaults of Config, those of an agent where it has any.
const (
	DefaultRecoveryTimeout        = 15 * time.Minute
	DefaultSubscriptionBackoffMax = 2 * time.Second
	DefaultShutdownGracePeriod    = 5 * time.Second
	DefaultSubscribeTimeout       = time.Minute
	DefaultFinishTimeout          = time.Minute
	DefaultHeartbeatInterval      = 30 * time.Minute
	DefaultHeartbeatTimeout       = 75 * time.Minute
)

// Config says who the executor is, where its agent is and how to behave. FromEnv reads it from the variables
// that an agent sets. For every duration 0 means the default and a negative value means none at all: no
// waiting, no heartbeats, no watching for them.
type Config struct {
	// FrameworkID and ExecutorID name the executor (MESOS_FRAMEWORK_ID, MESOS_EXECUTOR_ID). Required.
	FrameworkID, ExecutorID string
	// AgentID names the agent (MESOS_SLAVE_ID). For information.
	AgentID string
	// AgentEndpoint is the host:port of the agent (MESOS_AGENT_ENDPOINT, else from MESOS_SLAVE_PID). Required.
	AgentEndpoint string
	// AgentProcess is the first element of the agent's paths, such as "slave(1)" (from MESOS_SLAVE_PID). It
	// tells several agents in one process apart; without it requests go to /api/v1/executor.
	AgentProcess string
	// HTTPS selects TLS (LIBPROCESS_SSL_ENABLED). It has no effect on a domain socket.
	HTTPS bool
	// DomainSocket is the path of the agent's socket (MESOS_DOMAIN_SOCKET); "" means TCP.
	DomainSocket string

	// Directory is the sandbox as the agent sees it, Sandbox as the executor sees it; they differ if the
	// container has an image of its own (MESOS_DIRECTORY, MESOS_SANDBOX).
	Directory, Sandbox string

	// Checkpoint says that the framework checkpoints, so that the executor outlives its agent (MESOS_CHECKPOINT).
	Checkpoint bool
	// RecoveryTimeout bounds how long a checkpointing session tries to subscribe again (MESOS_RECOVERY_TIMEOUT).
	RecoveryTimeout time.Duration
	// SubscriptionBackoffMax bounds the random time before each attempt (MESOS_SUBSCRIPTION_BACKOFF_MAX).
	SubscriptionBackoffMax time.Duration
	// ShutdownGracePeriod is the time from SHUTDOWN until the agent destroys the container
	// (MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD). A session ends a little earlier, as there are things to do after it.
	ShutdownGracePeriod time.Duration

	// SubscribeTimeout bounds how long a session tries to subscribe for the first time. Agents destroy
	// executors that have not done so after a minute.
	SubscribeTimeout time.Duration
	// FinishTimeout bounds how long a session that was stopped waits for acknowledgements.
	FinishTimeout time.Duration
	// HeartbeatInterval is the time between HEARTBEAT calls, which keep middleboxes from forgetting the connection.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long nothing may come from the agent. It counts once an agent has sent its first
	// HEARTBEAT event: those before Mesos 1.10 send none, later ones every 30 minutes.
	HeartbeatTimeout time.Duration

	// Transport holds media type, credentials, TLS and timeouts of HTTP. FromEnv sets Credentials and TLS. A
	// DialContext of one's own takes the place of DomainSocket.
	Transport transport.Config
	// Logger tells what a session does; nil means silence. No secret is logged.
	Logger *slog.Logger
}

// AgentURL returns the base URL of the agent, such as http://127.0.0.1:5051/slave(1). The operator API is at
// /api/v1 below it.
func (c Config) AgentURL() string {
	scheme := "http://"
	if c.HTTPS && c.DomainSocket == "" {
		scheme = "https://"
	}
	url := scheme + c.AgentEndpoint
	if c.AgentProcess != "" {
		url += "/" + c.AgentProcess
	}
	return url
}

// GracePeriod returns the time from SHUTDOWN to the end of a session: ShutdownGracePeriod less a quarter, at
// most two seconds less, as Mesos' command executor has it.
func (c Config) GracePeriod() time.Duration {
	d := orDefault(c.ShutdownGracePeriod, DefaultShutdownGracePeriod)
	return d - min(d/4, 2*time.Second)
}

// validate names everything that is wrong with c.
func (c Config) validate() error {
	var errs []error
	if c.FrameworkID == "" {
		errs = append(errs, errors.New("executor: Config.FrameworkID is empty; an agent gives it in MESOS_FRAMEWORK_ID"))
	}
	if c.ExecutorID == "" {
		errs = append(errs, errors.New("executor: Config.ExecutorID is empty; an agent gives it in MESOS_EXECUTOR_ID"))
	}
	if err := checkEndpoint(c.AgentEndpoint); err != nil {
		errs = append(errs, fmt.Errorf("executor: Config.AgentEndpoint %q: %w; an agent gives it in MESOS_AGENT_ENDPOINT", c.AgentEndpoint, err))
	}
	if err := checkProcess(c.AgentProcess); err != nil {
		errs = append(errs, fmt.Errorf("executor: Config.AgentProcess %q: %w", c.AgentProcess, err))
	}
	return errors.Join(errs...)
}

// checkEndpoint reports what keeps s from being host:port.
func checkEndpoint(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("want host:port, such as 127.0.0.1:5051")
	}
	// It becomes a part of a URL: the parser of URLs has the last word on what a host is.
	if u, err := url.Parse("http://" + s); err != nil || host == "" || u.Host != s || strings.ContainsAny(host, "/?#@%") {
		return errors.New("want a host name or an IP address before the port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("want a port from 1 to 65535")
	}
	return nil
}

// checkProcess reports what keeps s from being the id of a libprocess process. It becomes a part of a URL, so
// that only what needs no escaping there is let through.
func checkProcess(s string) error {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("()-_.", r):
		default:
			return fmt.Errorf("want a process id such as slave(1), without %q", r)
		}
	}
	return nil
}

// orDefault returns d, the default if d is 0, or 0 if d is negative.
func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return max(d, 0)
}
