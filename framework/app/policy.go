package app

// Goal is what an instance is meant to reach.
type Goal string

// The goals.
const (
	GoalRunning Goal = "running" // runs for ever: started again however it ends
	GoalFinish  Goal = "finish"  // runs until it finishes successfully: started again when it fails
	GoalOnce    Goal = "once"    // runs once, whatever comes of it; started again only if it never ran
)

// Strategy places the instances of an application relative to each other. The names are the old SDK's.
type Strategy string

// The strategies.
const (
	StrategyColocate Strategy = "mux"     // all instances on one agent
	StrategyNone     Strategy = "non-mux" // as the scheduler does by default, which is to spread
	StrategySpread   Strategy = "spread"  // over agents as evenly as there is room, then over zones
	StrategyPack     Strategy = "pack"    // on agents that are full already, so that others stay free
	StrategyUnique   Strategy = "unique"  // each instance on an agent of its own
)

// Constraint restricts the agents that instances may run on. In JSON also as an array of strings: ["rack", "GROUP_BY", "3"].
type Constraint struct {
	// Field is hostname, @agent, @zone, @region or the name of an attribute.
	Field string `json:"field" alias:"attribute"`
	// Operator is one of UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, MAX_PER, IS, IS_NOT.
	Operator Operator `json:"operator"`
	// Value depends on the operator: a value (IS, IS_NOT, CLUSTER), a regular expression (LIKE, UNLIKE), a number (MAX_PER; GROUP_BY: how many
	// groups there are).
	Value string `json:"value,omitempty"`
	// Soft constraints are preferences.
	Soft bool `json:"soft,omitempty"`
	// Weight is how much a soft constraint counts among others. Default: 1.
	Weight float64 `json:"weight,omitempty"`
}

// Operator compares a field of an agent, or counts the application's instances by it.
type Operator string

// The operators.
const (
	OpUnique  Operator = "UNIQUE"   // at most one instance per value
	OpCluster Operator = "CLUSTER"  // all instances on one value, the given one if there is one
	OpGroupBy Operator = "GROUP_BY" // spread evenly over the values
	OpLike    Operator = "LIKE"     // the value matches the regular expression
	OpUnlike  Operator = "UNLIKE"   // it does not
	OpMaxPer  Operator = "MAX_PER"  // at most this many instances per value
	OpIs      Operator = "IS"       // the value is
	OpIsNot   Operator = "IS_NOT"   // the value is not
)

// Filter is the old SDK's way to select agents by attribute values.
type Filter struct {
	// Type is TEXT or SCALAR.
	Type  string  `json:"type"`
	Value Strings `json:"value" alias:"values"`
}

// Affinity places instances relative to those of another application.
type Affinity struct {
	// App is the name of the other application.
	App string `json:"app"`
	// Field is what is to be the same: hostname, @agent, @zone, @region or an attribute. Default: hostname.
	Field string `json:"field,omitempty"`
	// Anti keeps away from the other application instead.
	Anti bool `json:"anti,omitempty"`
	// Soft affinities are preferences.
	Soft bool `json:"soft,omitempty"`
	// Weight is how much a soft affinity counts. Default: 1.
	Weight float64 `json:"weight,omitempty"`
}

// FaultDomain says which regions and zones an application wants.
type FaultDomain struct {
	// Regions and Zones are those wanted. Empty: any.
	Regions Strings `json:"regions,omitempty" alias:"region"`
	Zones   Strings `json:"zones,omitempty" alias:"zone"`
	// Required makes them a condition instead of a preference.
	Required bool `json:"required,omitempty"`
	// Spread is zone or region: instances are spread evenly over them. Empty: they need not be.
	Spread string `json:"spread,omitempty"`
}

// Readiness says when an instance counts as up.
type Readiness struct {
	// By is running (TASK_RUNNING is enough), healthy (the health check says so) or check (exit code 0, HTTP status 200 to 299, or a TCP
	// connection). Default: healthy if there is a health check, else running.
	By ReadyBy `json:"by,omitempty"`
	// For is how long it has to hold.
	For Duration `json:"for,omitempty"`
	// Timeout is how long an instance may take to become ready before an update counts it as failed. Default: 10m.
	Timeout Duration `json:"timeout,omitempty" positive:""`
}

// ReadyBy names what makes an instance ready.
type ReadyBy string

// What makes an instance ready.
const (
	ReadyRunning ReadyBy = "running"
	ReadyHealthy ReadyBy = "healthy"
	ReadyCheck   ReadyBy = "check"
)

// Retry says how instances that ended are started again.
type Retry struct {
	// Time is how long to wait before the first retry. Default: 1s.
	Time Duration `json:"time,omitempty" positive:""`
	// Backoff doubles the time with each retry, up to MaxTime. Default: true.
	Backoff *bool `json:"exp_backoff,omitempty"`
	// TotalRetries is how many retries in a row may fail before the instance is given up. nil: any number.
	TotalRetries *int `json:"total_retries,omitempty" alias:"max_retries"`
	// MaxTime bounds Time under Backoff. Default: 5m.
	MaxTime Duration `json:"max_time,omitempty" positive:""`
	// ResetAfter is how long an instance has to be ready until its retries are forgotten. Default: 10s.
	ResetAfter Duration `json:"reset_after,omitempty" positive:""`
}

// Update says how a new version replaces the old one.
type Update struct {
	// MinHealthy is the share of instances that stay ready meanwhile, 0 to 1. Default: 0.5. Below 1 old instances stop before new ones start as far
	// as the share allows; 1 starts new ones first.
	MinHealthy *float64 `json:"min_healthy,omitempty"`
	// BatchSize is how many instances are replaced at a time. Default: 1.
	BatchSize int `json:"batch_size,omitempty" positive:""`
	// Canary is how many instances get the new version first; then the update waits until somebody promotes it. Default: 0, none.
	Canary int `json:"canary,omitempty"`
	// MaxFailures is how many new instances may fail before the update stops. Default: 1.
	MaxFailures *int `json:"max_failures,omitempty"`
	// Rollback goes back to the old version when the update stops because of failures.
	Rollback bool `json:"rollback,omitempty"`
}

// Unreachable says what happens to instances on agents that the master lost contact with.
type Unreachable struct {
	// ReplaceAfter is how long to wait for the agent before a replacement starts; the old instance is killed if it returns. Default: 5m.
	ReplaceAfter Duration `json:"replace_after,omitempty" positive:""`
	// Wait never replaces: for instances that must not run twice, or whose data is there.
	Wait bool `json:"wait,omitempty"`
}
