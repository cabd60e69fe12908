package core

import (
	"time"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Config of a Core. The zero value of every field means its default.
type Config struct {
	// Placer decides what runs where. Nil means that of package placement, configured with Placement; the attribute filters of applications are
	// added to that. A Placer of your own adds them itself (app.AttributeFilter), or does without.
	Placer    placement.Placer
	Placement placement.Config
	// Book bounds how long offers are kept and refused, and how often revived.
	Book placement.BookConfig
	// Seed varies task ids of new state directories and the choice between equal agents. Everything else is determined by the inputs.
	Seed uint64

	// Roles of the framework, which has to have the capability MULTI_ROLE. With several of them, applications have to name theirs. Default "*".
	Roles []string
	// Pack has instances of applications without a strategy of their own placed where it is full already, so that agents stay free. By default they
	// are spread over agents and zones.
	Pack bool
	// Principal of the framework, which reservations and volumes bear.
	Principal string
	// ReservationRefinement says that the framework has that capability.
	ReservationRefinement bool
	// HomeRegion of the master; "" takes what SUBSCRIBED says of the master's domain.
	HomeRegion string

	// LaunchTimeout is after how long without any report a launched task is asked for. Default 1 min.
	LaunchTimeout time.Duration
	// KillRetry is how long after the grace period a kill without answer is repeated; it doubles with each repetition up to
	// 5 min. The third and later kills allow no grace, and shut down the executor of custom executors and pods. Default 10 s.
	KillRetry time.Duration
	// ReconcileRetry is the time after which questions without answer are asked again; it doubles up to 1 min. Default 5 s.
	ReconcileRetry time.Duration
	// ReconcileEvery is the period of reconciliation without cause. Default 10 min, negative: never.
	ReconcileEvery time.Duration
	// ReconcileBatch is how many tasks one RECONCILE call names. Default 1000.
	ReconcileBatch int
	// InverseOfferWait is within what time an agent has to be left for maintenance, else inverse offers that were accepted are declined when they come
	// again. Default 5 min.
	InverseOfferWait time.Duration
	// PlaceAtOnce bounds how many tasks the placer gets in one cycle; more cycles follow while they bring something. Default 10000.
	PlaceAtOnce int
	// MaxOrphans bounds how many unknown tasks are remembered. Default 10000.
	MaxOrphans int
}

func (c *Config) complete() {
	if len(c.Roles) == 0 {
		c.Roles = []string{resources.Unreserved}
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		} else if *d > 0 {
			*d = max(*d, time.Millisecond) // the resolution of timers
		}
	}
	for _, d := range []*time.Duration{&c.LaunchTimeout, &c.KillRetry, &c.ReconcileRetry, &c.InverseOfferWait} {
		*d = max(*d, 0)
	}
	def(&c.LaunchTimeout, time.Minute)
	def(&c.KillRetry, 10*time.Second)
	def(&c.ReconcileRetry, 5*time.Second)
	def(&c.ReconcileEvery, 10*time.Minute)
	def(&c.InverseOfferWait, 5*time.Minute)
	num := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	num(&c.ReconcileBatch, 1000)
	num(&c.PlaceAtOnce, 10000)
	num(&c.MaxOrphans, 10000)
}
