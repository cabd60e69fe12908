package core

import (
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Input is something that happened outside: an event of the master, a command of a user, the fate of a call.
type Input interface{ input() }

// MesosEvent is an event of the master. SUBSCRIBED starts a session; the core keeps parts of the message, which must not be
// changed any more.
type MesosEvent struct{ Event *schedulerpb.Event }

// Disconnected says that the subscription is broken: all offers are void, and calls go nowhere until the next SUBSCRIBED.
type Disconnected struct{}

// CallFailed says that a call was not made, or perhaps not.
type CallFailed struct {
	Call *schedulerpb.Call
	// Refused says that the master certainly did not act on it: it answered with an error, or the call never left. Otherwise nobody
	// knows.
	Refused bool
	Error   string
}

// TornDown says that the master has removed the framework, upon TEARDOWN or because it had been removed before ("Framework
// has been removed").
type TornDown struct{}

// AgentDraining says that an operator drains or deactivates an agent, or has ended that. Frameworks are not told by Mesos
// itself; whoever watches the operator API may pass it on.
type AgentDraining struct {
	AgentID  string
	Draining bool
}

// FrameworkKnown says that the master knows a framework that bears this one's name and principal. It is asked for before the
// first subscription without a stored framework id: if the framework's tasks are not in the store either, the engine guards them.
type FrameworkKnown struct {
	FrameworkID string
	Tasks       int // that the master knows, -1 if that is not known
}

// WallClock says by how much the wall clock is ahead of the times that Apply is given. Those only measure what passes; the wall clock
// may be stepped. It is what notes and snapshots show to people, and what windows of maintenance are compared with.
type WallClock struct{ Ahead time.Duration }

// Command is an Input that is answered with a Reply.
type Command interface {
	Input
	command()
}

// Submit adds an application, or updates it to a new definition. The definition must be complete (app.Parse, App.Complete) and is not changed
// any more by anybody.
//
// Of an existing application, a change of Instances scales it, a change of policies applies at once, and anything else starts a
// deployment.
type Submit struct {
	App *app.App
	// KeepInstances ignores the number of instances in the definition if the application exists.
	KeepInstances bool
	// Force replaces a deployment that is under way instead of refusing with ErrDeploying.
	Force bool
	// Standing says that the definition is configured somewhere and submitted at every start. If the last standing definition of the
	// application was the same, nothing is done, so that what was commanded since (scaled, updated, rolled back) stays.
	Standing bool
}

// SubmitAll is several Submits of which all or none are done: if one is refused, nothing has changed. No two may be of one name.
type SubmitAll struct{ All []Submit }

// Scale sets the number of instances. Those with the highest numbers go first.
type Scale struct {
	App       string
	Instances int
}

// Restart replaces all instances, under the rules for updates.
type Restart struct {
	App   string
	Force bool
}

// RestartInstance kills one instance, which starts again at once. Its volumes stay.
type RestartInstance struct {
	App   string
	Index int
}

// Replace gives up on an instance where it is: it starts again on any agent, without its volumes, which are destroyed when their agent
// is offered again. If it is unreachable, the old task is killed when it comes back.
type Replace struct {
	App   string
	Index int
}

// Remove kills all instances, destroys their volumes, gives their reservations back and forgets the application. What can't be reached waits for that:
// tasks keep the application, volumes and reservations are Leftovers of the snapshot.
type Remove struct {
	App string
	// Force gives up what is on agents that are cut off or not offered: see Leftover. It also takes applications that are being removed, or are removed
	// and have left something.
	Force bool
}

// Pause stops a deployment from going on to further instances.
type Pause struct{ App string }

// Resume lets a paused or stalled deployment go on.
type Resume struct{ App string }

// Promote lets a deployment go on after its canaries.
type Promote struct {
	App string
	// Force goes on even though the canaries have failed.
	Force bool
}

// Rollback returns to the version before the current deployment or, if there is none under way, before the last one. A restart is no version.
type Rollback struct {
	App string
	// To is the version to return to, as snapshots show it; 0: the one before.
	To uint32
}

// Adopt makes an orphan an instance of an application. The task must be one that the current version could have launched: nobody
// checks what it really is.
type Adopt struct {
	TaskID string
	App    string
	Index  int // -1: the first instance that does not run
	// Grow scales the application up by one if no instance waits for a task, so that nothing is launched between scaling and adopting. It
	// goes with Index -1.
	Grow bool
}

// KillOrphan kills an orphan; with TaskID "" all of them.
type KillOrphan struct{ TaskID string }

// Resolve ends the guard: what is to become of the tasks of a framework that the store does not know.
type Resolve struct {
	// FrameworkID is the framework meant, as the Guard names it; a precaution.
	FrameworkID string
	Choice      Choice
}

// Choice of Resolve.
type Choice string

// The choices.
const (
	// ResolveAdopt subscribes as that framework; its tasks become orphans, to be adopted or killed one by one.
	ResolveAdopt Choice = "adopt"
	// ResolveKill subscribes as that framework and kills every task that the store does not know.
	ResolveKill Choice = "kill"
	// ResolveNew leaves that framework alone and starts as a new one. Tasks that the store knows are taken for lost.
	ResolveNew Choice = "new"
)

// Uninstall removes all applications with their volumes and reservations and then the framework. It can't be undone.
type Uninstall struct {
	// Force gives up what is on agents that are cut off or not offered.
	Force bool
}

func (MesosEvent) input()      {}
func (Disconnected) input()    {}
func (CallFailed) input()      {}
func (TornDown) input()        {}
func (WallClock) input()       {}
func (AgentDraining) input()   {}
func (FrameworkKnown) input()  {}
func (Submit) input()          {}
func (SubmitAll) input()       {}
func (Scale) input()           {}
func (Restart) input()         {}
func (RestartInstance) input() {}
func (Replace) input()         {}
func (Remove) input()          {}
func (Pause) input()           {}
func (Resume) input()          {}
func (Promote) input()         {}
func (Rollback) input()        {}
func (Adopt) input()           {}
func (KillOrphan) input()      {}
func (Resolve) input()         {}
func (Uninstall) input()       {}

func (Submit) command()          {}
func (SubmitAll) command()       {}
func (Scale) command()           {}
func (Restart) command()         {}
func (RestartInstance) command() {}
func (Replace) command()         {}
func (Remove) command()          {}
func (Pause) command()           {}
func (Resume) command()          {}
func (Promote) command()         {}
func (Rollback) command()        {}
func (Adopt) command()           {}
func (KillOrphan) command()      {}
func (Resolve) command()         {}
func (Uninstall) command()       {}
