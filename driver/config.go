package driver

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Defaults of DriverConfig and ExecutorDriverConfig.
const (
	DefaultCallTimeout = 30 * time.Second
	DefaultStopTimeout = 5 * time.Second
)

// DriverConfig says what a MesosSchedulerDriver is made of. Scheduler, Framework and Master are required.
type DriverConfig struct {
	// Scheduler gets the callbacks.
	Scheduler Scheduler
	// Framework describes the framework; it is cloned. An empty user becomes the user of this process, an empty hostname this host, an
	// empty principal that of Credential. With an id an existing framework is taken over, whatever its failover timeout.
	Framework *mesospb.FrameworkInfo
	// Master says where the master is: host:port, several with commas between them, http:// or https:// URLs,
	// zk://[user:password@]host:port,…/path, or file:///path to a file that holds one of these.
	Master string
	// Scheme of masters whose address has none, as those that ZooKeeper names: "http" or "https"; "" means http. Transport has the rest of TLS.
	Scheme string
	// Store keeps the framework id over restarts of the process, so that Framework need not name it; nil means that the Scheduler does
	// so in Registered, or nobody. Registered is called when the id is stored.
	Store scheduler.FrameworkIDStore
	// Credential authenticates by HTTP basic authentication; nil means none. For tokens set Transport.Credentials instead.
	Credential *mesospb.Credential
	// FailoverTimeout is how long tasks go on without a scheduler; 0 leaves the one in Framework.
	FailoverTimeout time.Duration
	// ExplicitAcknowledgements leaves it to the Scheduler to call AcknowledgeStatusUpdate. By default an update is acknowledged when its
	// callback returns.
	ExplicitAcknowledgements bool

	// OwnLoop leaves it to the caller to run the callbacks that Callbacks delivers, on a goroutine of his choice.
	OwnLoop bool
	// CallTimeout bounds each call; 0 means DefaultCallTimeout.
	CallTimeout time.Duration
	// StopTimeout bounds what Stop leaves to be done; 0 means DefaultStopTimeout.
	StopTimeout time.Duration

	// Logger gets the log; nil means text to standard error.
	Logger *slog.Logger
	// LogLevel is the least level to log to standard error; nil means MESOKIT_LOG, and warnings if that is not set. A
	// Logger decides for itself.
	LogLevel slog.Leveler
	// Trace logs every message in both directions at the debug level, with secrets masked. MESOKIT_TRACE=1 does the same. It has no
	// effect if Transport.Tracer is set.
	Trace bool

	// Transport holds media type, TLS, token credentials and timeouts of HTTP. Its zero value is fine.
	Transport transport.Config
	// Session, if set, changes the configuration of the session under the driver before it is made: heartbeats, resubscriptions, offer
	// constraints and so on. Handler and ExplicitAcknowledgements stay the driver's.
	Session func(*scheduler.SessionConfig)
}

// String describes the configuration without its secrets.
func (cfg DriverConfig) String() string {
	return fmt.Sprintf("driver.DriverConfig{framework: %q, master: %s, principal: %q, %v}",
		cfg.Framework.GetName(), detector.Redacted(cfg.Master), cfg.Credential.GetPrincipal(), cfg.Transport)
}

// Format prints String whatever the verb, so that %+v and %#v leak nothing.
func (cfg DriverConfig) Format(f fmt.State, _ rune) { fmt.Fprint(f, cfg.String()) }

// prepare checks cfg and fills in what is left out. The result shares nothing with the caller that could change.
func (cfg DriverConfig) prepare() (DriverConfig, error) {
	var errs []error
	fail := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{Field: "DriverConfig." + field, Err: fmt.Errorf(format, args...)})
	}
	if cfg.Scheduler == nil {
		fail("Scheduler", "is nil; it gets the callbacks")
	}
	if cfg.Master == "" {
		fail("Master", "is empty; want something like 127.0.0.1:5050 or zk://127.0.0.1:2181/mesos")
	}
	for field, d := range map[string]time.Duration{"FailoverTimeout": cfg.FailoverTimeout, "CallTimeout": cfg.CallTimeout, "StopTimeout": cfg.StopTimeout} {
		if d < 0 {
			fail(field, "%v is negative", d)
		}
	}
	cfg.CallTimeout = cmp.Or(cfg.CallTimeout, DefaultCallTimeout)
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, DefaultStopTimeout)
	if cfg.Credential != nil {
		switch {
		case cfg.Transport.Credentials != nil:
			fail("Credential", "is set beside Transport.Credentials; want one of them")
		case cfg.Credential.GetPrincipal() == "":
			fail("Credential", "has no principal")
		default:
			cfg.Transport.Credentials = transport.Basic(cfg.Credential.GetPrincipal(), cfg.Credential.GetSecret())
		}
	}
	if cfg.Framework == nil {
		fail("Framework", "is nil; want at least a name")
		return cfg, errors.Join(errs...)
	}
	info, err := cfg.frameworkInfo()
	if err != nil {
		errs = append(errs, err)
	}
	cfg.Framework = info
	return cfg, errors.Join(errs...)
}

func (cfg DriverConfig) frameworkInfo() (*mesospb.FrameworkInfo, error) {
	info := proto.CloneOf(cfg.Framework)
	if info.GetName() == "" {
		return nil, &ConfigError{Field: "DriverConfig.Framework", Err: errors.New("has no name; people will look for one")}
	}
	if info.GetUser() == "" {
		name, err := currentUser()
		if err != nil {
			return nil, &ConfigError{Field: "DriverConfig.Framework", Err: fmt.Errorf("has no user, and this process's is unknown: %w; name the user that tasks run as", err)}
		}
		info.User = proto.String(name)
	}
	if info.GetHostname() == "" {
		if host, err := os.Hostname(); err == nil {
			info.Hostname = proto.String(host)
		}
	}
	if info.Principal == nil && cfg.Credential.GetPrincipal() != "" {
		info.Principal = proto.String(cfg.Credential.GetPrincipal())
	}
	if cfg.FailoverTimeout > 0 {
		info.FailoverTimeout = proto.Float64(cfg.FailoverTimeout.Seconds())
	}
	return info, nil
}

func currentUser() (string, error) {
	u, err := user.Current()
	if err == nil {
		return u.Username, nil
	}
	if name := os.Getenv("USER"); name != "" {
		return name, nil
	}
	return "", err
}
