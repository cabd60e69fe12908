package executor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/duration"
)

// The variables that an agent sets for an executor.
const (
	envFrameworkID    = "MESOS_FRAMEWORK_ID"
	envExecutorID     = "MESOS_EXECUTOR_ID"
	envAgentID        = "MESOS_SLAVE_ID"
	envAgentPID       = "MESOS_SLAVE_PID"
	envAgentEndpoint  = "MESOS_AGENT_ENDPOINT"
	envDirectory      = "MESOS_DIRECTORY"
	envSandbox        = "MESOS_SANDBOX"
	envCheckpoint     = "MESOS_CHECKPOINT"
	envRecovery       = "MESOS_RECOVERY_TIMEOUT"
	envBackoffMax     = "MESOS_SUBSCRIPTION_BACKOFF_MAX"
	envShutdownGrace  = "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"
	envToken          = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"
	envDomainSocket   = "MESOS_DOMAIN_SOCKET"
	envTLS            = "LIBPROCESS_SSL_ENABLED"
	envTLSCA          = "LIBPROCESS_SSL_CA_FILE"
	envTLSCert        = "LIBPROCESS_SSL_CERT_FILE"
	envTLSKey         = "LIBPROCESS_SSL_KEY_FILE"
	envTLSVerify      = "LIBPROCESS_SSL_VERIFY_SERVER_CERT"
	envTLSVerifyOlder = "LIBPROCESS_SSL_VERIFY_CERT" // before Mesos 1.10
)

// EnvError is a variable of the environment that is missing or makes no sense.
type EnvError struct {
	// Name of the variable.
	Name string
	// Value found; "" if the variable is missing or empty. It never is a secret.
	Value string
	// Err says what is wrong and what to do about it.
	Err error
}

func (e *EnvError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("environment variable %s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("environment variable %s=%q: %v", e.Name, e.Value, e.Err)
}

// Unwrap returns Err.
func (e *EnvError) Unwrap() error { return e.Err }

// FromEnvironment is FromEnv for the environment of this process. It removes the authentication token from the
// environment, so that tasks started by the executor do not inherit it, as Mesos' own executors do.
func FromEnvironment() (Config, error) {
	cfg, err := FromEnv(os.LookupEnv)
	if err == nil {
		err = os.Unsetenv(envToken)
	}
	return cfg, err
}

// FromEnv makes a Config of the variables that an agent sets; lookup is os.LookupEnv or works like it. The
// error joins one *EnvError for each variable that is missing or malformed.
//
// TLS is configured by the LIBPROCESS_SSL_* variables, where the operator passes them to executors. Unlike
// Mesos it verifies the certificate of the agent unless LIBPROCESS_SSL_VERIFY_SERVER_CERT is false. Files are
// read at once.
func FromEnv(lookup func(name string) (value string, ok bool)) (Config, error) {
	e := environment{lookup: lookup}
	cfg := Config{
		FrameworkID:            e.required(envFrameworkID),
		ExecutorID:             e.required(envExecutorID),
		AgentID:                e.get(envAgentID),
		DomainSocket:           e.get(envDomainSocket),
		Directory:              e.get(envDirectory),
		Sandbox:                e.get(envSandbox),
		Checkpoint:             e.flag(envCheckpoint, false),
		RecoveryTimeout:        e.duration(envRecovery),
		SubscriptionBackoffMax: e.duration(envBackoffMax),
		ShutdownGracePeriod:    e.duration(envShutdownGrace),
	}
	cfg.AgentEndpoint, cfg.AgentProcess = e.agent()
	if token := e.get(envToken); token != "" {
		cfg.Transport.Credentials = transport.Bearer(token)
	}
	if e.flag(envTLS, false) {
		cfg.HTTPS = true
		cfg.Transport.TLS = e.tls()
	}
	if err := errors.Join(e.errs...); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// environment reads variables and gathers errors.
type environment struct {
	lookup func(string) (string, bool)
	errs   []error
}

func (e *environment) fail(name, value string, err error) {
	e.errs = append(e.errs, &EnvError{Name: name, Value: value, Err: err})
}

// get returns "" for a missing variable: to Mesos an empty one means the same.
func (e *environment) get(name string) string {
	value, _ := e.lookup(name)
	return value
}

func (e *environment) required(name string) string {
	value := e.get(name)
	if value == "" {
		e.fail(name, "", errNotSet)
	}
	return value
}

var errNotSet = errors.New("is not set; Mesos agents set it: run this program as the command of an ExecutorInfo, or set it by hand to try it")

func (e *environment) flag(name string, def bool) bool {
	switch value := e.get(name); value {
	case "":
		return def
	case "1", "true":
		return true
	case "0", "false":
		return false
	default:
		e.fail(name, value, errors.New("want 1 or 0"))
		return def
	}
}

// duration returns 0 for a missing variable and -1 for an explicit zero, as Config has it.
func (e *environment) duration(name string) time.Duration {
	value := e.get(name)
	if value == "" {
		return 0
	}
	d, err := duration.Parse(value)
	switch {
	case err != nil:
		var malformed *duration.ParseError
		if errors.As(err, &malformed) {
			err = errors.New(malformed.Reason) // the value is in EnvError already
		}
		e.fail(name, value, err)
	case d < 0:
		e.fail(name, value, errors.New("want a duration that is not negative, such as 15mins"))
	case d == 0:
		return -1
	}
	return d
}

// agent finds where the agent is. The two variables say the same, but only the older one names the process.
func (e *environment) agent() (endpoint, process string) {
	pid := e.get(envAgentPID)
	endpoint = e.get(envAgentEndpoint)
	if pid == "" && endpoint == "" {
		e.fail(envAgentEndpoint, "", errNotSet)
		return "", ""
	}
	if pid != "" {
		id, address, ok := strings.Cut(pid, "@")
		err := checkProcess(id)
		if !ok || id == "" {
			err = errors.New("want process@host:port, such as slave(1)@127.0.0.1:5051")
		}
		if err == nil {
			err = checkEndpoint(address)
		}
		if err != nil {
			e.fail(envAgentPID, pid, err)
			return endpoint, ""
		}
		process = id
		if endpoint == "" {
			return address, process
		}
	}
	if err := checkEndpoint(endpoint); err != nil {
		e.fail(envAgentEndpoint, endpoint, err)
	}
	return endpoint, process
}

func (e *environment) tls() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	verify := e.flag(envTLSVerifyOlder, true)
	if e.get(envTLSVerify) != "" {
		verify = e.flag(envTLSVerify, true)
	}
	// Only where the operator says so in as many words.
	cfg.InsecureSkipVerify = !verify
	if file := e.get(envTLSCA); file != "" {
		pem, err := os.ReadFile(file)
		pool := x509.NewCertPool()
		switch {
		case err != nil:
			e.fail(envTLSCA, file, fmt.Errorf("read the certificate authorities: %w", err))
		case !pool.AppendCertsFromPEM(pem):
			e.fail(envTLSCA, file, errors.New("no certificate in the file; want PEM"))
		default:
			cfg.RootCAs = pool
		}
	}
	certFile, keyFile := e.get(envTLSCert), e.get(envTLSKey)
	switch {
	case certFile == "" && keyFile == "":
	case keyFile == "":
		e.fail(envTLSKey, "", fmt.Errorf("is not set, but %s is; set both or neither", envTLSCert))
	case certFile == "":
		e.fail(envTLSCert, "", fmt.Errorf("is not set, but %s is; set both or neither", envTLSKey))
	default:
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			e.fail(envTLSCert, certFile, fmt.Errorf("read the certificate and the key in %s: %w", keyFile, err))
			break
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

// maxSocketPath is the longest path that fits into a socket address on Linux, where a zero byte ends it.
const maxSocketPath = 107

// dialSocket returns a dialer of the domain socket at path, whatever address is asked for. Sandbox paths are
// often longer than a socket address can be; such a socket is dialled by its path relative to the working
// directory, which is the sandbox.
func dialSocket(path string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		name := path
		if len(name) > maxSocketPath {
			wd, err := os.Getwd()
			if err == nil {
				name, err = filepath.Rel(wd, path)
			}
			if err != nil {
				return nil, fmt.Errorf("domain socket %s: path of %d bytes is too long, and there is no shorter one: %w", path, len(path), err)
			}
		}
		var d net.Dialer
		return d.DialContext(ctx, "unix", name)
	}
}
