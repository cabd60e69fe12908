package app

import (
	"errors"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

var errTODO = errors.New("not there yet")

// Parse reads an application from JSON, fills in the defaults and checks it. The error is an *Errors with everything that is wrong.
func Parse(data []byte) (*App, error) { return nil, errTODO }

// New returns an application of one instance that runs a shell command, with 0.1 cpus and 32 MB of memory.
func New(name, cmd string) *App { return nil }

// Complete fills in the defaults and checks the application. The error is an *Errors with everything that is wrong.
func (a *App) Complete() error { return errTODO }

// Marshal returns the application in its canonical form: fields in the order of the struct, maps sorted, no spaces. Equal applications have equal
// forms, and Parse gives the application again.
func (a *App) Marshal() []byte { return nil }

// Clone returns a deep copy.
func (a *App) Clone() *App { return nil }

// Hash identifies a version: 16 hexadecimal digits over everything but Instances.
func (a *App) Hash() string { return "" }

// TaskHash is a Hash of only what running tasks are made of: if it is equal, nothing has to be started anew to get from one version to another.
func (a *App) TaskHash() string { return "" }

// AllPorts returns the ports of all tasks of an instance in order: what Launch.Ports has numbers for.
func (a *App) AllPorts() []Port { return nil }

// Tasks returns how many tasks an instance has: 1, or the size of the group.
func (a *App) Tasks() int { return max(1, len(a.Group)) }

// TaskNames returns their names: the application's, or those in the group.
func (a *App) TaskNames() []string { return nil }

// VolumeIDs returns the persistence ids of an instance's volumes in order.
func (a *App) VolumeIDs(instance int) []string { return nil }

// Operations returns the offer operations that start one placed instance, in order: RESERVE and CREATE if something has to be reserved or created,
// then LAUNCH or, for a group, LAUNCH_GROUP.
func (a *App) Operations(l Launch) ([]*mesospb.Offer_Operation, error) { return nil, errTODO }
