// Package etcd is a store in an etcd cluster (3.4 and later), for schedulers that fail over between machines.
//
//	s, err := etcd.Open(ctx, etcd.Config{Endpoints: []string{"10.0.0.1:2379"}, Prefix: "/mesokit/production"})
//
// Records stand below PREFIX/records/ under their keys, as they were put: etcdctl get --prefix shows them. PREFIX/head and
// PREFIX/intents/ are the bookkeeping. A batch larger than what etcd takes in one transaction (by default 128 operations and
// 1.5 MiB) is written ahead in parts and then applied, by whoever comes first if its writer dies; no reader sees half of it.
//
// etcd keeps the history of all keys until it is compacted: run the servers with --auto-compaction-retention. A Watch from a
// revision that is compacted returns store.ErrCompacted. When the space quota of etcd is used up commits are refused with store.ErrFull.
package etcd
