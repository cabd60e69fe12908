// Package allocator decides which framework is offered which resources: the hierarchical, weighted
// dominant-resource-fairness allocator of Apache Mesos, for the embedded master.
//
// It is a plain data structure. It starts no goroutine, reads no clock and draws no randomness but from
// its seed: the master tells it what happens, passes the time in, and calls Allocate whenever offers
// may be due. The same calls give the same offers.
//
//	a := allocator.New(allocator.Config{Seed: 1})
//	a.AddAgent("S0", allocator.Agent{Total: total}, nil)
//	a.AddFramework("F0", allocator.Framework{Roles: []string{"*"}, Active: true})
//	for _, offer := range a.Allocate(now) { ... }
//	a.Recover("F0", "S0", offer.Resources, &allocator.Filter{Expires: now.Add(5 * time.Second)})
//
// # How it stays fast
//
// An agent is looked at only when something about it changed since it was last looked at: resources
// became free, one of its filters expired, or a framework came to want offers. A round over 10,000
// agents on which nothing happened costs nothing. Roles, and frameworks within a role, are kept sorted by
// share and moved when their share changes.
//
// Rules follow docs/behaviour.md#filters and #allocator (Mesos: src/master/allocator/mesos/hierarchical.cpp).
package allocator
