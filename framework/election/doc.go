// Package election decides which of several schedulers acts. All run as candidates; one leads, the others follow, know who leads and
// take over when it goes.
//
//	err := election.Lead(ctx, elector, election.Info{ID: id, URL: url}, nil,
//		func(ctx context.Context, term *election.Term) error {
//			s, err := store.WithFence(ctx, s, term.Token)
//			if err != nil {
//				return err
//			}
//			return schedule(ctx, s) // until ctx ends
//		})
//
// Electors: Standalone, for a scheduler without competitors; framework/election/etcd; framework/election/zookeeper;
// and Local, among candidates of one process, for tests.
//
// Leadership is a lease. A leader renews it all the time, and measures by the monotonic clock from when the last successful renewal was
// sent: its term ends a safety margin before the lease could run out on the servers. A process that is stopped
// cannot look at its clock, and a packet may be late: therefore every term has a fencing token, which stores check.
package election
