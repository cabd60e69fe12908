// Package zookeeper elects leaders in a ZooKeeper ensemble.
//
//	e, err := zookeeper.New(zookeeper.Config{Servers: []string{"10.0.0.1:2181"}, Path: "/mesokit/production/election"})
//
// Every candidate has an ephemeral sequential node below PATH, with its election.Info in JSON; the one that came first leads. The fencing
// token is the transaction that made the node. The lease of a leader is its session, which outlasts broken connections
// as long as one of the servers is reached in time.
package zookeeper
