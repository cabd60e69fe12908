// Package core is the heart of the engine: one state machine that knows what should run, what does run, and what to do about the difference. It has no
// goroutines, clocks, locks or I/O, so that everything it does follows from what it is told:
//
//	c, err := core.Restore(now, core.Config{Roles: []string{"web"}}, records)
//	out := c.Apply(now, core.MesosEvent{event}, core.Submit{App: def})
//	// commit out.Writes in one transaction, then make out.Calls in order, then publish out.Notes and out.Replies;
//	// call Apply again at out.Wake at the latest
//	view := c.Snapshot() // for readers, immutable
//
// Package framework is the shell that does so with a real master, store and clock; package framework/sim does it with simulated ones, and
// framework/core/replay with recorded ones.
//
// # The model
//
// An application (framework/app) has versions and instances, numbered from 0. An instance has at most one task that may run; its task ids are made of
// the application, the number and a part that is never used again. A daemon's instances belong to one agent each; instances with persistent volumes are
// pinned to the agent that has these. A pod is one task here, with several Mesos tasks behind it.
//
// What happens to a task goes through one table (table.go): state × event → state and what follows. Everything else hangs on what follows: Free lets
// the instance decide what comes next (goal reached, retry after a while, given up, launch at once), Kill and Ask make calls, Wait and Detach are
// the policy for agents that are cut off.
//
// At the end of each Apply, applications that something has happened to are steered: resize (steer.go) makes instances or dismisses them, roll (rollout.go)
// goes on with deployments and with leaving agents that drain, within the minimum healthy share. Then what waits is placed on the offers in hand
// (launch.go), what is to be asked is asked (reconcile.go), and what is not needed is declined (offers.go, placement.Book).
//
// # What it holds to
//
//   - Intent before action: calls of an Apply are made after its writes. A launch is recorded before its ACCEPT, a status before its acknowledgement, the
//     framework id before the first offer is used.
//   - Nothing runs twice: an instance gets a new task only if its last one is over for certain, or after the patience that its application prescribes
//     for agents that are cut off; then the old one is remembered and killed when it comes back. The calls of earlier sessions are refused by the master
//     (stream id), so that what it answers after SUBSCRIBED is final.
//   - Nothing is killed on lost state: tasks that the store does not know are reported, and adopted or killed only by command. If the store is
//     empty but the master knows the framework's name, the engine stands guard and refuses to act (Guard).
//   - Every offer is used, given back or rescinded within a bound.
//   - Everything that waits says why (Snapshot.Why).
//
// # Records
//
// Restart needs nothing but the records: framework, app/NAME, version/NAME/N, instance/NAME/N, agent/ID, garbage/ID, sealed by store.Schema with a
// checksum and a version. Waiting instances that have no history have no record. Timers are derived: waits are stored as times, so that they go on
// over restarts.
package core
