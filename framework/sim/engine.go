package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Epoch is when simulations begin.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// Engine is a core with a store in memory and a clock of its own: what package framework does, without the world. Commit and calls are separate steps,
// so that a simulation can cut between any two.
type Engine struct {
	Config  core.Config
	Core    *core.Core
	Now     time.Time
	Records map[string][]byte // what is committed
	Wake    time.Time
}

// NewEngine returns an engine with an empty store.
func NewEngine(cfg core.Config) *Engine {
	return &Engine{Config: cfg, Core: core.New(cfg), Now: epoch, Records: map[string][]byte{}}
}

// Apply has the core take inputs. Nothing is committed.
func (e *Engine) Apply(inputs ...core.Input) *core.Effects {
	out := e.Core.Apply(e.Now, inputs...)
	e.Wake = out.Wake
	return out
}

// Commit does the writes.
func (e *Engine) Commit(writes []store.Op) {
	for _, op := range writes {
		switch op.Kind {
		case store.OpPut:
			e.Records[op.Key] = op.Value
		case store.OpDelete:
			delete(e.Records, op.Key)
		}
	}
}

// List returns the committed records in the order of keys.
func (e *Engine) List() []store.Record {
	var out []store.Record
	for _, key := range slices.Sorted(maps.Keys(e.Records)) {
		out = append(out, store.Record{Key: key, Value: e.Records[key], Revision: 1})
	}
	return out
}

// Restart throws the core away and makes a new one of what is committed: the process was killed and started again.
func (e *Engine) Restart() error {
	c, err := core.Restore(e.Now, e.Config, e.List())
	if err != nil {
		return err
	}
	e.Core, e.Wake = c, e.Now
	return nil
}

// callTypes lists the types of calls, for messages.
func callTypes(calls []*schedulerpb.Call) []string {
	var names []string
	for _, c := range calls {
		names = append(names, c.GetType().String())
	}
	return names
}
