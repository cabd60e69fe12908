package framework

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Config of a Framework. Name and one of Master and Detector are required.
type Config struct {
	// Name of the framework, as the master shows it. With Principal it is what a lost state is recognized by.
	Name string
	// Master says where the leader is found: host:port, a comma list, http(s)://, zk://, file://. See detector.Parse.
	Master string
	// Scheme of masters whose address has none, as those that ZooKeeper names: "http" or "https"; "" means http. TLS itself is
	// configured in Transport.
	Scheme string
	// Detector finds the leader; it replaces Master and Scheme.
	Detector detector.Detector
	// Transport carries credentials, TLS, timeouts and headers of all conversations with Mesos.
	Transport transport.Config
	// Roles of the framework. None means the role "*".
	Roles []string
	// Principal that the framework authenticates with; reservations and volumes bear it.
	Principal string
	// User that tasks run as unless their definition names another; "" means that of FrameworkInfo, or else of this process. The master
	// keeps the user of the first registration until the framework is removed.
	User string
	// FailoverTimeout is how long the master keeps the tasks while no scheduler is subscribed. Default one week.
	FailoverTimeout time.Duration
	// FrameworkInfo, if not nil, is what is registered, completed with the fields above where these are set and with the
	// capabilities that the engine lives on. It is copied.
	FrameworkInfo *mesospb.FrameworkInfo

	// Apps are submitted at every start: new ones are added, and those updated whose definition here is not what it was at the
	// last start; what was commanded meanwhile stays. Applications that are not among them stay as they are.
	Apps []*app.App

	// Store keeps the state; the caller closes it after Run. Nil means memory: a restart begins with nothing, and is
	// told so when the master still knows the framework (see core.Guard).
	Store store.Store
	// Elector decides whether this process leads; nil means that it always does.
	Elector election.Elector
	// Info is what the others are told while this process leads. The ID defaults to host and process.
	Info election.Info

	// GPUs asks for agents with GPUs from the beginning. Without it they are asked for as soon as an application needs them; agents that have some are
	// then also offered, and used, for applications that do not.
	GPUs bool
	// Core configures the engine. Roles, Principal and ReservationRefinement are set from the fields above.
	Core core.Config
	// Controller sees events before the engine does; nil means none.
	Controller Controller
	// WatchAgents asks the master so often which agents are drained or deactivated, so that tasks move
	// away in time. 0 means 15 s, negative never. It needs the right to see agents.
	WatchAgents time.Duration
	// AssumeNew skips the question whether the master knows a framework of this name although the store is empty.
	AssumeNew bool

	// Record opens the file that everything that goes into the engine during one term is recorded to, for framework/core/replay and
	// mesokit replay. Nil means that nothing is recorded. An error in writing is told in the log and ends the recording,
	// not the term.
	Record func() (io.WriteCloser, error)
	// Log gets what happens; nil means slog.Default().
	Log *slog.Logger
	// Metrics is where Prometheus metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
	// Traces provides spans for rounds of the engine, placement, commits and calls; nil means none.
	Traces trace.TracerProvider
	// NoteHistory is how many notes are kept for subscribers that come later. Default 10,000.
	NoteHistory int
}

// complete checks the configuration and fills in defaults.
func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = c.FrameworkInfo.GetName()
	}
	if c.Name == "" {
		return errors.New("framework.Config.Name is empty: the master shows frameworks by their names")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Detector == nil {
		d, err := detector.Parse(c.Master, detector.Config{
			Scheme: c.Scheme,
			Log:    func(line string) { c.Log.Debug(line, "part", "detector") },
			Warn:   func(line string) { c.Log.Warn(line, "part", "detector") },
		})
		if err != nil {
			return fmt.Errorf("framework.Config.Master: %w", err)
		}
		c.Detector = d
	}
	if c.FailoverTimeout < 0 {
		return fmt.Errorf("framework.Config.FailoverTimeout is %v, want 0 or more", c.FailoverTimeout)
	}
	names := map[string]bool{}
	for i, a := range c.Apps {
		if err := a.Complete(); err != nil {
			return fmt.Errorf("framework.Config.Apps[%d]: %w", i, err)
		}
		if names[a.Name] {
			return fmt.Errorf("framework.Config.Apps[%d]: there are two applications %q", i, a.Name)
		}
		names[a.Name] = true
	}
	if c.Info.ID == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		c.Info.ID = host + "/" + strconv.Itoa(os.Getpid())
	}
	if c.WatchAgents == 0 {
		c.WatchAgents = 15 * time.Second
	}
	if c.NoteHistory <= 0 {
		c.NoteHistory = 10_000
	}
	c.FrameworkInfo = c.info()
	if err := defaultUser(c.FrameworkInfo); err != nil {
		return err
	}
	c.Core.Roles = c.FrameworkInfo.GetRoles()
	c.Core.Principal = c.FrameworkInfo.GetPrincipal()
	c.Core.ReservationRefinement = true
	return nil
}

// needed are the capabilities that the engine's rules assume.
var needed = []mesospb.FrameworkInfo_Capability_Type{
	mesospb.FrameworkInfo_Capability_MULTI_ROLE,
	mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT,
	mesospb.FrameworkInfo_Capability_PARTITION_AWARE,
	mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE,
	mesospb.FrameworkInfo_Capability_REGION_AWARE,
	mesospb.FrameworkInfo_Capability_SHARED_RESOURCES,
}

func (c *Config) info() *mesospb.FrameworkInfo {
	info := &mesospb.FrameworkInfo{}
	if c.FrameworkInfo != nil {
		info = proto.CloneOf(c.FrameworkInfo)
	}
	info.Name = &c.Name
	if c.User != "" {
		info.User = &c.User
	}
	if c.Principal != "" {
		info.Principal = &c.Principal
	}
	if len(c.Roles) > 0 {
		info.Roles = slices.Clone(c.Roles)
	}
	old := info.Role //lint:ignore SA1019 who has set the old field means the new one
	if old != nil && len(info.Roles) == 0 {
		info.Roles = []string{*old}
	}
	info.Role = nil //lint:ignore SA1019 the same
	if len(info.Roles) == 0 {
		info.Roles = []string{"*"}
	}
	switch {
	case c.FailoverTimeout > 0:
		info.FailoverTimeout = proto.Float64(c.FailoverTimeout.Seconds())
	case info.FailoverTimeout == nil:
		info.FailoverTimeout = proto.Float64((7 * 24 * time.Hour).Seconds())
	}
	if info.Checkpoint == nil {
		info.Checkpoint = proto.Bool(true)
	}
	wanted := needed
	if c.GPUs {
		wanted = append(slices.Clone(needed), mesospb.FrameworkInfo_Capability_GPU_RESOURCES)
	}
	for _, kind := range wanted {
		if !slices.ContainsFunc(info.Capabilities, func(k *mesospb.FrameworkInfo_Capability) bool { return k.GetType() == kind }) {
			info.Capabilities = append(info.Capabilities, &mesospb.FrameworkInfo_Capability{Type: kind.Enum()})
		}
	}
	return info
}
