package master

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/files"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Master is a running master. Its exported methods are safe for concurrent use.
type Master struct {
	cfg    Config
	log    *slog.Logger
	addr   string
	loop   *loop.Loop
	server *http.Server
	served chan struct{} // closed when the server has stopped accepting

	cancel   context.CancelFunc // ends all streams
	mu       sync.Mutex
	closing  bool
	handlers sync.WaitGroup

	// leader is who leads; nil if nobody does. This master leads if it is its own info, self, which is another
	// one after each term.
	leader atomic.Pointer[mesospb.MasterInfo]
	self   atomic.Pointer[mesospb.MasterInfo]

	files   *files.Files
	fileMux *http.ServeMux
	// endpoints are the paths that the master serves; routes cannot be looked at from within one.
	endpoints []string

	limits *limiters // nil without rate limits
	caller caller    // of the loop
	state            // of the loop
}

// state is what the loop owns.
type state struct {
	rng        *rand.Rand
	started    time.Time
	elected    time.Time // zero unless it leads
	alloc      *allocator.Allocator
	nextID     struct{ framework, agent, offer int }
	frameworks map[string]*framework
	completed  []*framework // oldest first

	agents      map[string]*agent
	pids        map[string]*agent       // the same by PID
	links       map[*agentLink]struct{} // open connections, registered or not
	unreachable map[string]*lostAgent
	gone        map[string]time.Time
	recovered   map[string]*lostAgent // admitted by a predecessor, not back yet
	recovery    *loop.Timer
	pruning     *loop.Timer
	term        *term // what writes to the registry; nil unless the master leads

	offers        map[string]*offer
	inverseOffers map[string]*inverseOffer
	machines      map[machineKey]*machine
	schedule      *maintenanceSchedule

	quotas        map[string]*quotaConfig
	subscribers   map[*subscriber]struct{}
	metrics       metrics
	logLevel      uint32
	logLevelTimer *loop.Timer
	// due is set while a round of offers is queued on the loop.
	due allocationDue
}

// New starts a master. It leads at once, unless it is to stand by.
func New(cfg Config) (*Master, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	limits, err := newLimiters(cfg.RateLimits)
	if err != nil {
		return nil, err
	}
	m := &Master{cfg: cfg, limits: limits, log: cfg.Logger, addr: cfg.Listener.Addr().String(), loop: loop.On(cfg.Engine), served: make(chan struct{})}
	m.rng = rand.New(rand.NewPCG(cfg.Seed, 0x6d6173746572))
	id := cfg.ID
	if id == "" {
		id = m.newUUID().String()
	}
	m.self.Store(m.masterInfo(id))
	m.files, m.fileMux = files.New(), http.NewServeMux()
	m.files.Register(m.fileMux)
	for _, rt := range routes {
		m.endpoints = append(m.endpoints, rt.path)
	}
	if cfg.LogFile != "" {
		m.files.Attach(cfg.LogFile, "/master/log")
	}
	m.reset()
	if !cfg.Standby {
		m.leader.Store(m.Info())
		m.lead()
	}

	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	var handler http.Handler = http.HandlerFunc(m.serveHTTP)
	if cfg.Middleware != nil {
		handler = cfg.Middleware(handler)
	}
	m.server = httpapi.Server(m.counted(handler), httpapi.Known(cfg.Hostname, cfg.Hosts))
	m.server.BaseContext = func(net.Listener) context.Context { return ctx }
	go func() {
		defer close(m.served)
		if err := m.server.Serve(cfg.Listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("the master no longer accepts connections", "error", err)
		}
	}()
	m.loop.Post(m.tick)
	return m, nil
}

// reset puts the loop's state to that of a master that knows nothing yet.
func (m *Master) reset() {
	rng := m.rng
	m.state = state{
		rng:     rng,
		started: time.Now(),
		alloc: allocator.New(allocator.Config{
			MinAllocatable: m.cfg.MinAllocatable,
			Weights:        m.cfg.Weights,
			OfferGPUsToAll: m.cfg.OfferGPUsToAll,
			Region:         m.cfg.Domain.GetFaultDomain().GetRegion().GetName(),
			Seed:           m.cfg.Seed,
		}),
		frameworks:    map[string]*framework{},
		agents:        map[string]*agent{},
		pids:          map[string]*agent{},
		links:         map[*agentLink]struct{}{},
		unreachable:   map[string]*lostAgent{},
		gone:          map[string]time.Time{},
		recovered:     map[string]*lostAgent{},
		offers:        map[string]*offer{},
		inverseOffers: map[string]*inverseOffer{},
		machines:      map[machineKey]*machine{},
		quotas:        map[string]*quotaConfig{},
		subscribers:   map[*subscriber]struct{}{},
		metrics:       newMetrics(),
	}
}

// counted keeps Close waiting for requests under way and refuses those after it.
func (m *Master) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		closing := m.closing
		if !closing {
			m.handlers.Add(1)
		}
		m.mu.Unlock()
		if closing {
			httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
			return
		}
		defer m.handlers.Done()
		if m.loop.Ordered() {
			r = httpapi.WithKey(r)
		}
		next.ServeHTTP(w, r)
	})
}

// Close ends all event streams, connections to agents, the server and all goroutines, and waits for
// them. Closing again does nothing. It returns nil.
func (m *Master) Close() error {
	m.mu.Lock()
	was := m.closing
	m.closing = true
	m.mu.Unlock()
	if was {
		<-m.served
		return nil
	}
	m.cancel()
	m.server.Close()
	<-m.served
	m.handlers.Wait()
	var ends []*link.End
	m.loop.Post(func() {
		for l := range m.links {
			ends = append(ends, l.end)
		}
	})
	m.loop.Close()
	for _, e := range ends {
		e.Close()
	}
	return nil
}

// Addr returns the host:port of the HTTP endpoints.
func (m *Master) Addr() string { return m.addr }

// URL returns the base URL of the HTTP endpoints, without a slash at the end.
func (m *Master) URL() string { return m.scheme() + "://" + m.addr }

// Info returns what the master says of itself. It must not be changed. The id is another one after the master has led, as
// another process would have come in its place.
func (m *Master) Info() *mesospb.MasterInfo { return m.self.Load() }

// Leader returns who leads, nil if nobody does.
func (m *Master) Leader() *mesospb.MasterInfo { return m.leader.Load() }

// leads reports whether this master leads. Any goroutine may ask.
func (m *Master) leads() bool {
	l := m.leader.Load()
	return l != nil && l == m.Info()
}

// Leads reports whether this master leads.
func (m *Master) Leads() bool { return m.leads() }

// errNotLeading is why nothing is done on behalf of a request that came to the leader, which then ceased to be it.
var errNotLeading = errors.New("master: not the leader any more")

// doLeading is loop.Do for what only a leader does.
func (m *Master) doLeading(ctx context.Context, f func()) error {
	err := errNotLeading
	if e := m.loop.Do(ctx, func() {
		if m.leads() {
			f()
			err = nil
		}
	}); e != nil {
		return e
	}
	return err
}

// SetLeader tells the master who leads. Requests to a master that does not lead are redirected to the leader. A master that
// stops leading forgets everything, closes its streams and connections and has a new id from then on, as if its process had ended
// and another had come. Its own Info makes it lead: it takes over what the registry holds.
func (m *Master) SetLeader(info *mesospb.MasterInfo) error {
	return m.loop.Do(loop.WithKey(context.Background(), "leader"), func() {
		self := m.Info()
		if info != nil && info.GetId() == self.GetId() {
			info = self
		}
		was := m.leads()
		m.leader.Store(info)
		switch {
		case was && info != self:
			m.abdicate()
		case !was && info == self:
			m.lead()
		}
	})
}

// abdicate ends everything, as the end of the process does in Mesos.
func (m *Master) abdicate() {
	m.recovery.Stop()
	m.pruning.Stop()
	m.logLevelTimer.Stop()
	for _, id := range sortedKeys(m.frameworks) {
		f := m.frameworks[id]
		f.stopTimers()
		for _, o := range f.operations {
			o.retry.Stop()
		}
		if f.stream != nil {
			f.stream.Close()
		}
	}
	for s := range m.subscribers {
		s.close()
	}
	for _, o := range m.offers {
		o.timer.Stop()
	}
	links := m.links
	var registered []*link.End
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		a.stopTimers()
		if a.link != nil {
			registered = append(registered, a.link.end)
			delete(links, a.link)
		}
	}
	due := m.due
	m.reset()
	m.due = due
	m.self.Store(m.masterInfo(m.newUUID().String()))
	for _, e := range registered { // in the order of ids
		e.Close()
	}
	for l := range links {
		l.end.Close()
	}
}

// newUUID returns a random UUID, repeatable with a seed.
func (m *Master) newUUID() uuid.UUID {
	var u uuid.UUID
	binary.LittleEndian.PutUint64(u[:8], m.rng.Uint64())
	binary.LittleEndian.PutUint64(u[8:], m.rng.Uint64())
	u[6] = u[6]&0x0f | 0x40 // version 4
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 4122
	return u
}

func (m *Master) masterInfo(id string) *mesospb.MasterInfo {
	ip, port := net.IPv4(127, 0, 0, 1).To4(), 5050
	if a, ok := m.cfg.Listener.Addr().(*net.TCPAddr); ok {
		port = a.Port
		if v4 := a.IP.To4(); v4 != nil && !v4.IsUnspecified() {
			ip = v4
		}
	}
	info := &mesospb.MasterInfo{
		Id: &id,
		// Network-order bytes read as a native number: 127.0.0.1 is 16777343.
		Ip:       proto.Uint32(binary.LittleEndian.Uint32(ip)),
		Port:     proto.Uint32(uint32(port)),
		Pid:      proto.String("master@" + net.JoinHostPort(ip.String(), strconv.Itoa(port))),
		Hostname: &m.cfg.Hostname,
		Version:  proto.String(Version),
		Address:  &mesospb.Address{Hostname: &m.cfg.Hostname, Ip: proto.String(ip.String()), Port: proto.Int32(int32(port))},
		Domain:   m.cfg.Domain,
	}
	for _, c := range masterCapabilities {
		info.Capabilities = append(info.Capabilities, &mesospb.MasterInfo_Capability{Type: c.Enum()})
	}
	return info
}

var masterCapabilities = []mesospb.MasterInfo_Capability_Type{
	mesospb.MasterInfo_Capability_AGENT_UPDATE,
	mesospb.MasterInfo_Capability_AGENT_DRAINING,
	mesospb.MasterInfo_Capability_QUOTA_V2,
}

// now returns the time as Mesos writes it in statuses: seconds since 1970.
func now() float64 { return seconds(time.Now()) }

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func timeInfo(t time.Time) *mesospb.TimeInfo {
	if t.IsZero() {
		return nil
	}
	return &mesospb.TimeInfo{Nanoseconds: proto.Int64(t.UnixNano())}
}

// sortedKeys returns the keys of a map in order: maps must not decide what happens first.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
