// Package agent is the embedded Mesos agent. It registers with a master, runs tasks as real
// processes in sandboxes on disk, and serves the executor API, the operator API and the legacy
// endpoints that a mesos-agent serves.
//
//	a, err := agent.New(agent.Config{Listener: l, Master: m, WorkDir: dir, Resources: "cpus:4;mem:2048"})
//	...
//	id, err := a.ID(ctx) // waits until the master has taken the agent in
//	defer a.Close()
//
// An agent is an actor: all of its state belongs to one loop. Processes, downloads and HTTP
// requests run beside the loop and hand it what they find out.
//
// The package follows docs/behaviour.md: #task-states for states and reasons, #executors for executors,
// sandboxes and the fetcher, #operator-api and #defaults. Files are named by what they implement: msg_*.go for what a master sends, call_*.go for what executors call.
//
// Unlike a mesos-agent it isolates nothing: tasks run in the namespaces of this program, without cgroups, and
// as its user unless that is root.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesokit/mesokit/cluster/agent/internal/fetcher"
	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/files"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/cluster/internal/statefile"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Errors of an agent.
var (
	// ErrClosed is returned by methods of an agent that has ended.
	ErrClosed = errors.New("agent: closed")
)

// RefusedError is returned by ID when the master does not let the agent join.
type RefusedError struct{ Message string }

func (e *RefusedError) Error() string { return "agent: the master refused the agent: " + e.Message }

// Config of an agent. All fields but WorkDir have a meaningful zero value.
type Config struct {
	// Listener is where the HTTP endpoints are served; the agent closes it. Without one there are
	// no endpoints, so that no custom executor can run.
	Listener net.Listener
	// Master is whom to register with. Nil waits for SetMaster.
	Master link.Acceptor
	// Checkpoint is a file in which the agent writes down what it must remember if its process ends: its id, its resources with
	// reservations and volumes, and the tasks of frameworks that checkpoint. An agent that finds it goes on where that one was, but
	// executors have ended. Empty means that nothing is remembered.
	Checkpoint string
	// Before is an agent that ran in WorkDir before and has ended; nil if there was none. This one is another to the master, but has the
	// same address, and begins with the dynamic reservations and persistent volumes of that one.
	Before *Agent
	// Wire is the network between the agent and its masters, which can be cut; nil is one that cannot.
	Wire *link.Wire
	// Middleware, if set, wraps the HTTP endpoints.
	Middleware func(http.Handler) http.Handler
	// WorkDir holds sandboxes, volumes and the fetcher's cache. It is made when it is needed. Sandboxes are removed after GCDelay or with
	// their container (REMOVE_CONTAINER), volumes by DESTROY.
	WorkDir string
	// Hostname that is advertised; empty means localhost.
	Hostname string
	// Hosts are further names by which clients at loopback may call the agent; see package httpguard.
	Hosts []string
	// Resources in the syntax of the flag --resources. What is not named is detected.
	Resources string
	// Role to which resources of Resources that name none, and those that are detected, are reserved
	// (--default_role); empty means that they are not.
	Role string
	// ResourceList holds resources besides Resources, if text will not do.
	ResourceList []*mesospb.Resource
	// Attributes in the syntax of the flag --attributes.
	Attributes string
	// Domain is the fault domain, if any.
	Domain *mesospb.DomainInfo
	// Environment is given to every executor, as by --executor_environment_variables.
	Environment map[string]string
	// HTTPS says that Listener speaks TLS.
	HTTPS bool
	// Realms holds who lets whom ask by HTTP; realms without an authenticator are open.
	Realms auth.Realms
	// Tokens signs what custom executors find in MESOS_EXECUTOR_AUTHENTICATION_TOKEN; nil gives them none.
	Tokens *auth.Signer
	// Authorizer judges who may do what; nil allows everybody everything.
	Authorizer *auth.Authorizer
	// Runner may take tasks away from real execution; nil takes none.
	Runner Runner
	// Simulated makes an agent without processes: a task that the Runner does not take runs until it is killed.
	Simulated bool
	// Host serves the HTTP endpoints together with those of other agents. Listener must be nil then.
	Host *Host
	// Engine runs the agent together with others; nil means a goroutine of its own.
	Engine *loop.Engine
	// Seed makes the ids that the agent makes up repeatable; 0 means random.
	Seed uint64
	// Logger gets what the agent has to say; nil means nothing is logged.
	Logger *slog.Logger
	// LogFile is where Logger writes to, for /files to serve it as /slave/log; empty means nowhere.
	LogFile string

	// RegistrationBackoff is how long to wait for an answer of the master before asking again,
	// doubling up to a minute; 0 means 1 s.
	RegistrationBackoff time.Duration
	// ExecutorRegistrationTimeout is how long an executor may take to subscribe, fetching of its
	// URIs included; 0 means 1 min.
	ExecutorRegistrationTimeout time.Duration
	// ExecutorShutdownGrace is how long an executor may take to end after SHUTDOWN; 0 means 5 s.
	ExecutorShutdownGrace time.Duration
	// GCDelay is how long the sandbox of an executor that has ended stays; 0 means a week. Sandboxes from before a restart of this program
	// stay for good.
	GCDelay time.Duration
	// NoSwitchUser lets all commands run as the user of this program, whatever user they or their framework name (--no-switch_user).
	NoSwitchUser bool
	// UpdateRetryMin and UpdateRetryMax bound the wait before an unacknowledged status
	// update is sent again; it doubles each time. 0 means 10 s and 10 min.
	UpdateRetryMin, UpdateRetryMax time.Duration
}

// ExecutorHeartbeatInterval is the time between HEARTBEAT events to executors.
const ExecutorHeartbeatInterval = 30 * time.Minute

// Version is the version of Mesos whose behaviour this follows.
const Version = "1.12.0"

func (c Config) withDefaults() Config {
	if c.Hostname == "" {
		c.Hostname = "localhost"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{
		{&c.RegistrationBackoff, time.Second},
		{&c.ExecutorRegistrationTimeout, time.Minute},
		{&c.ExecutorShutdownGrace, 5 * time.Second},
		{&c.GCDelay, 7 * 24 * time.Hour},
		{&c.UpdateRetryMin, 10 * time.Second},
		{&c.UpdateRetryMax, 10 * time.Minute},
	} {
		if *d.to <= 0 {
			*d.to = d.value
		}
	}
	return c
}

// Agent is a running agent. Its methods are safe for concurrent use.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	loop    *loop.Loop
	spawner *process.Spawner
	files   *files.Files
	address address
	started time.Time

	networks []*mesospb.NetworkInfo // of all containers

	hosted       hosted
	server       *http.Server // guarded by requests, as stopRequests
	stopRequests context.CancelFunc
	recovering   atomic.Bool // back from Suspend, executors are expected
	fetch        fetching
	accounts     accounts
	asOneself    sync.Map        // names of users whose commands run as the user of this program, and it was said
	ctx          context.Context // ends when the agent closes
	cancel       context.CancelFunc
	work         sync.WaitGroup // goroutines beside the loop

	requests struct { // HTTP requests being served
		sync.Mutex
		sync.WaitGroup
		closed bool
	}

	joined    chan struct{} // closed when id is known or joining has failed
	joinOnce  sync.Once
	id        string        // set before joined is closed
	refused   error         // set before joined is closed
	done      chan struct{} // closed when everything has ended
	closeOnce sync.Once
	closeErr  error

	state // what the loop owns
}

// state is touched by functions on the loop only.
type state struct {
	info       *mesospb.AgentInfo
	total      []*mesospb.Resource
	attributes []*mesospb.Attribute

	master      link.Acceptor
	conn        *masterConn // nil while there is none
	masterInfo  *mesospb.MasterInfo
	registered  bool
	registerAt  time.Time
	attempts    int // registrations sent without an answer
	elections   int // of masters, that the agent was told of
	retry       *loop.Timer
	pingTimer   *loop.Timer
	pingWait    time.Duration
	logLevel    uint32
	logTimer    *loop.Timer
	drain       *link.Drain
	drainedFrom time.Time

	frameworks map[string]*framework
	completed  []*framework // oldest first, at most maxCompletedFrameworks
	streams    map[streamKey]*stream
	operations []*mesospb.Operation // that frameworks have not acknowledged, oldest first
	containers map[string]*container
	past       map[string]*endedContainer     // nested and standalone ones
	measuring  bool                           // the memory of containers is measured now and then
	seq        uint64                         // orders what is made
	rng        rand.PCG                       // of ids
	overheads  map[string][]*mesospb.Resource // of command executors, by role
	counts     counters

	keeper *statefile.Keeper // of the checkpoint; nil if there is none
	saving bool              // a change waits to be written down
	leaves bool              // for good: the checkpoint goes

	caller    caller // on whose behalf the loop acts
	suspended bool
	closing   bool
	idle      chan struct{} // made by Close, closed when no container is left
}

// New starts an agent. It returns before the agent is registered: see ID. Errors are those of the
// configuration.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	a := &Agent{
		cfg:     cfg,
		log:     cfg.Logger,
		files:   files.New(),
		started: time.Now(),
		joined:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	if cfg.LogFile != "" {
		a.files.Attach(cfg.LogFile, "/slave/log")
	}
	a.frameworks = map[string]*framework{}
	a.streams = map[streamKey]*stream{}
	a.containers = map[string]*container{}
	a.past = map[string]*endedContainer{}
	if cfg.WorkDir != "" {
		dir, err := filepath.Abs(cfg.WorkDir)
		if err != nil {
			return nil, fmt.Errorf("agent: work directory %q: %w", cfg.WorkDir, err)
		}
		a.cfg.WorkDir = dir
	}
	var err error
	if a.total, err = a.findResources(); err != nil {
		return nil, err
	}
	if a.attributes, err = resources.ParseAttributes(cfg.Attributes); err != nil {
		return nil, fmt.Errorf("agent: attributes %q: %w", cfg.Attributes, err)
	}
	if cfg.Host != nil {
		a.address = cfg.Host.add(a, cfg.Before)
	} else if a.address, err = addressOf(cfg.Listener); err != nil {
		return nil, err
	}
	a.rng.Seed(cmp.Or(cfg.Seed, rand.Uint64()), 0x6167656e74)
	a.networks = []*mesospb.NetworkInfo{{IpAddresses: []*mesospb.NetworkInfo_IPAddress{{IpAddress: &a.address.ip}}}}
	a.info = a.describe()
	a.loop = loop.On(cfg.Engine)
	if err := a.restore(); err != nil {
		a.loop.Close()
		if cfg.Host != nil {
			cfg.Host.remove(a)
		}
		return nil, err
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.spawner = process.NewSpawner(a.cfg.WorkDir)
	switch {
	case cfg.Host != nil:
		a.beHosted()
	case cfg.Listener != nil:
		a.serve(cfg.Listener)
	}
	a.loop.Enter(a.address.pid(), func() {
		a.reviveRecovered()
		a.setMaster(cfg.Master)
	})
	return a, nil
}

// fetching is made when the first URI is fetched.
type fetching struct {
	sync.Once
	client  *http.Client
	fetcher *fetcher.Fetcher
}

func (a *Agent) fetcher() *fetcher.Fetcher {
	f := &a.fetch
	f.Do(func() {
		f.client = newHTTPClient()
		f.fetcher = &fetcher.Fetcher{Client: f.client, Cache: fetcher.NewCache(filepath.Join(a.cfg.WorkDir, "fetch"), 0)}
	})
	return f.fetcher
}

// newHTTPClient returns the client of fetches and checks, with connections of its own to close.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: fetcher.StallTimeout,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
	}}
}

// Addr returns the host:port of the HTTP endpoints.
func (a *Agent) Addr() string { return a.address.hostPort() }

// ID waits until the agent is registered and returns its id, which it keeps for good. It returns a RefusedError if the
// master does not want the agent, and ErrClosed if the agent ends before.
func (a *Agent) ID(ctx context.Context) (string, error) {
	select {
	case <-a.joined:
		if a.refused != nil {
			return "", a.refused
		}
		return a.id, nil
	case <-a.done:
		select {
		case <-a.joined:
			return a.ID(ctx)
		default:
			return "", ErrClosed
		}
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// SetMaster makes the agent leave its master for another. Its tasks go on. Nil leaves it without.
func (a *Agent) SetMaster(master link.Acceptor) {
	a.loop.Enter(a.address.pid(), func() { a.setMaster(master) })
}

// Done is closed when the agent has ended: by Close or Kill, or because its master removed it.
func (a *Agent) Done() <-chan struct{} { return a.done }

// Close takes the agent out of the cluster: it tells the master, kills all tasks and executors
// with everything they started, and waits until nothing of them is left. Sandboxes stay.
// Closing again waits and returns the same error.
func (a *Agent) Close() error {
	a.end(true)
	<-a.done
	return a.closeErr
}

// Kill is Close without a word to the master, which sees a broken connection and then silence, as
// when a machine fails.
func (a *Agent) Kill() error {
	a.end(false)
	<-a.done
	return a.closeErr
}

// end begins the end in a goroutine of its own, which is the last to go. It may be called from the loop.
func (a *Agent) end(unregister bool) {
	a.closeOnce.Do(func() { go a.finish(unregister) })
}

func (a *Agent) finish(unregister bool) {
	defer close(a.done)
	idle := make(chan struct{})
	_ = a.loop.Do(loop.WithKey(context.Background(), a.address.pid()), func() {
		a.leaves = a.leaves || unregister
		a.save()
		a.closing = true
		if unregister && a.registered {
			a.send(link.Unregister{})
		}
		a.disconnect()
		a.stopStreams()
		a.idle = idle
		for _, c := range a.containers {
			a.destroy(c)
		}
		a.checkIdle()
	})
	a.cancel() // ends downloads and checks
	a.closeErr = a.stopServing()
	<-idle
	a.work.Wait()
	a.loop.Close()
	a.closeErr = errors.Join(a.closeErr, a.closeCheckpoint())
	a.spawner.Close()
	a.fetch.Do(func() {})
	if c := a.fetch.client; c != nil {
		c.CloseIdleConnections()
	}
	if h := a.cfg.Host; h != nil {
		h.remove(a)
	}
}

// async runs f beside the loop; what it returns then runs on the loop. It is called on the loop.
func (a *Agent) async(f func() func()) {
	key := ""
	if a.loop.Ordered() {
		key = fmt.Sprintf("%s %08d", a.address.pid(), a.nextSeq())
	}
	a.work.Go(func() {
		if then := f(); then != nil {
			a.loop.Enter(key, then)
		}
	})
}

// nextSeq returns a number greater than all before.
func (a *Agent) nextSeq() uint64 {
	a.seq++
	return a.seq
}
