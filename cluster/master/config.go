package master

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Version is the Mesos release whose behaviour the master shows.
const Version = "1.12.0"

// Config of a Master. All but Listener may be left out; zero durations mean the default of Mesos.
type Config struct {
	// Listener is where the master serves HTTP: TCP, or in memory in tests. The master closes it.
	Listener net.Listener
	// Hostname that the master advertises; empty means localhost.
	Hostname string
	// Hosts are further names by which clients at loopback may call the master; see package httpguard.
	Hosts []string
	// ID of the master, the prefix of all ids it gives; empty means a new UUID. It is that of the first term only.
	ID string
	// Standby makes a master that does not lead before SetLeader says so.
	Standby bool
	// Registry is what the masters of a cluster share; nil means one in memory that this master has for itself.
	Registry *Registry
	// Seed makes ids and the order of offers repeatable; 0 means random.
	Seed uint64
	// Engine runs the master together with agents; nil means a goroutine of its own.
	Engine *loop.Engine
	// Logger gets what happens; nil means nothing is logged.
	Logger *slog.Logger
	// LogFile is where Logger writes to, for /files to serve it as /master/log; empty means nowhere.
	LogFile string

	// AllocationInterval is the time between rounds of offers, beside those that changes bring about at once; 0 means 1 s.
	AllocationInterval time.Duration
	// OfferTimeout is after how long unused offers are rescinded; 0 means never.
	OfferTimeout time.Duration
	// AgentPingInterval is the time between pings of an agent, and AgentPingMisses how many in a row may go unanswered
	// before it is unreachable; 0 means 15 s and 5.
	AgentPingInterval time.Duration
	AgentPingMisses   int
	// AgentReregisterTimeout is how long an agent whose connection broke may take to come back; 0 means 10 min.
	AgentReregisterTimeout time.Duration
	// HeartbeatInterval is the time between HEARTBEAT events; 0 means 15 s.
	HeartbeatInterval time.Duration

	// MinAllocatable lists what is worth an offer; nil means cpus:0.01 or mem:32.
	MinAllocatable []allocator.Quantities
	// Roles that frameworks may use; nil means any.
	Roles []string
	// Weights of roles; others have 1.
	Weights map[string]float64
	// RateLimits bounds how many calls a second frameworks of a principal may make (--rate_limits); nil bounds none.
	RateLimits *mesospb.RateLimits
	// RefuseRoot refuses frameworks whose user is root (--no-root_submissions).
	RefuseRoot bool
	// OfferGPUsToAll offers agents with GPUs to frameworks without GPU_RESOURCES too (--no-filter_gpu_resources).
	OfferGPUsToAll bool
	// Domain is the fault domain of the master; agents in its region are not remote.
	Domain *mesospb.DomainInfo

	// MaxCompletedFrameworks, MaxCompletedTasks and MaxUnreachableTasks bound what is remembered, the latter
	// two per framework; 0 means 50, 1000 and 1000.
	MaxCompletedFrameworks, MaxCompletedTasks, MaxUnreachableTasks int

	// HTTPS says that Listener speaks TLS.
	HTTPS bool
	// Realms holds who lets whom ask by HTTP; realms without an authenticator are open.
	Realms auth.Realms
	// Authorizer judges who may do what; nil allows everybody everything.
	Authorizer *auth.Authorizer

	// Middleware, if set, wraps the HTTP endpoints: to answer calls with any status, delay or count them.
	Middleware func(http.Handler) http.Handler
}

func (c *Config) fill() error {
	if c.Listener == nil {
		return errors.New("master: Config.Listener is nil; pass a net.Listener, e.g. of net.Listen(\"tcp\", \"127.0.0.1:0\")")
	}
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"AllocationInterval", &c.AllocationInterval, time.Second},
		{"OfferTimeout", &c.OfferTimeout, 0},
		{"AgentPingInterval", &c.AgentPingInterval, 15 * time.Second},
		{"AgentReregisterTimeout", &c.AgentReregisterTimeout, 10 * time.Minute},
		{"HeartbeatInterval", &c.HeartbeatInterval, 15 * time.Second},
	} {
		if *d.v < 0 {
			return fmt.Errorf("master: Config.%s is %v; it must not be negative", d.name, *d.v)
		}
		*d.v = cmp.Or(*d.v, d.def)
	}
	for role, w := range c.Weights {
		if !(w > 0) {
			return fmt.Errorf("master: Config.Weights[%q] is %v; weights must be positive", role, w)
		}
	}
	c.Hostname = cmp.Or(c.Hostname, "localhost")
	if c.Registry == nil {
		c.Registry = NewRegistry()
	}
	c.AgentPingMisses = max(0, c.AgentPingMisses)
	c.AgentPingMisses = cmp.Or(c.AgentPingMisses, 5)
	c.MaxCompletedFrameworks = cmp.Or(c.MaxCompletedFrameworks, 50)
	c.MaxCompletedTasks = cmp.Or(c.MaxCompletedTasks, 1000)
	c.MaxUnreachableTasks = cmp.Or(c.MaxUnreachableTasks, 1000)
	c.Seed = cmp.Or(c.Seed, rand.Uint64())
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
