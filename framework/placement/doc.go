// Package placement decides which pending tasks run on which offers, and says why the others wait. It is for the engine of
// package framework, and for frameworks with an event loop of their own: it needs nothing but offers.
//
//	placer := placement.New(placement.Config{})       // packs tightly; see Config for more
//	web := &placement.Demand{Group: "web", Resources: …, Ports: placement.AnyPorts(1), Constraints: …}
//	result := placer.Place(&placement.Cycle{
//		Now: now, Offers: book.Offers(), Placed: placed, Pending: []*placement.Task{{ID: "web.1", Demand: web}},
//	})
//	for _, a := range result.Assignments { … }        // ACCEPT a.OfferIDs with a.Resources
//	for _, u := range result.Unplaced { log.Print(u.Task.ID, ": ", u.Why) }
//	book.Unfit(book.Offers(), result.Holds)           // what is left goes back
//
// # Parts
//
//   - Placer is the decision, a pure function: the same Cycle gives the same Result. New makes the one of this package; its Scorer
//     and Filters can be replaced one by one, or all of it by any other Placer.
//   - Demand, Task, Constraint, Affinity, Volume and Port say what is asked for.
//   - Placed counts what runs where. The caller keeps it up to date with Add and Remove as tasks start and end.
//   - Explanation is the funnel that comes with every task that waits. It is always made: it costs less than the search.
//   - Book is independent of the rest: it holds offers for a bounded time, and says what to decline, suppress and revive.
//
// Nothing here reads a clock, starts goroutines or does I/O.
//
// # How it is decided
//
// The offers of one agent for one role are combined into a candidate, because an ACCEPT may join exactly these (docs/behaviour.md#scheduler-calls).
// Tasks are served in the order given. A candidate passes if the hard constraints hold with everything placed before, in
// earlier cycles or this one, and if the resources are there: those reserved for the role first, nothing revocable without
// being asked for. Of those that pass, the one with the highest total is taken: the Scorer's value (0 to 1), less the weights of
// wishes that it violates. Equal ones are taken in the order of the offers where the agents are alike. Tasks that later ones may help, by an affinity, are tried
// again at the end.
//
// A task that is too big for what is offered can ask for a hold: the nearest agent is kept free of smaller tasks, in this cycle and, when
// the caller passes Result.Holds on and keeps the offers, in the following ones.
//
// # Cost
//
// The search is per Demand, not per Task: a candidate is judged once, and again when something was placed there, in blocks of 64 of which
// most are passed over because they can't win. Constraints between instances read counts that are kept up to date. So the cost of a
// task depends neither on how many run nor on how many were placed before. See the benchmarks.
package placement
