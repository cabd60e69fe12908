// Package store is where a framework keeps what it must not forget: a small transactional key-value store with one
// interface, Store, and four backends, each in a package of its own so that only what is imported is linked:
//
//	framework/store/memory     forgets everything at the end; for tests and trials
//	framework/store/bolt       one local file, the default
//	framework/store/etcd       an etcd cluster
//	framework/store/zookeeper  a ZooKeeper ensemble
//
// All of them pass the conformance suite framework/store/storetest; so should yours.
//
//	s, err := bolt.Open("state.db", bolt.Config{})
//	_, err = s.Commit(ctx, store.Batch{Ops: []store.Op{
//		store.Put("tasks/web.1", task),
//		store.Delete("tasks/web.0"),
//	}})
//	records, revision, err := s.List(ctx, "tasks/")
//	for events, err := range s.Watch(ctx, "tasks/", revision) { … }
//
// A Commit is atomic and durable when it returns. Values are limited to MaxValue bytes everywhere; batches are not limited: the remote
// backends write large ones ahead, in parts, and finish them after a crash.
//
// # Fencing
//
// Where several schedulers compete for leadership (framework/election), a leader that was paused may wake up and not know
// yet that another one has taken over. Every term of leadership has a Token, greater than all before; WithFence makes the
// store refuse whoever comes with a smaller one.
//
// # Records
//
// A Schema seals values in an envelope with a checksum and a version, and migrates what older releases wrote. Backup
// and Restore move the whole state between files and stores of any kind.
package store
