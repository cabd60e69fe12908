// Package zookeeper is a store in a ZooKeeper ensemble (3.4 and later), for schedulers that fail over between machines
// and have ZooKeeper anyway, for the masters of Mesos.
//
//	s, err := zookeeper.Open(ctx, zookeeper.Config{Servers: []string{"10.0.0.1:2181"}, Path: "/mesokit/production"})
//
// A record stands in a node of its own, as it was put: tasks/web.1 in PATH/records/tasks/web.1. What follows the first slash of a
// key becomes one name, with slashes and unusual characters as %2F; keys without a slash stand below PATH/records/@. PATH/head,
// PATH/log (the keys that the latest 1,024 commits changed, for watchers) and PATH/intents are the bookkeeping.
//
// ZooKeeper takes at most 1 MiB at once (jute.maxbuffer; a smaller limit does not do). Values of up to store.MaxValue bytes fit; a
// larger batch is written ahead in parts and then applied, by whoever comes first if its writer dies; no reader sees half
// of it. ZooKeeper holds everything in memory: state of some 100 MB is the end of what is reasonable.
package zookeeper
