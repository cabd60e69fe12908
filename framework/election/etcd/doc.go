// Package etcd elects leaders in an etcd cluster.
//
//	e, err := etcd.New(etcd.Config{Endpoints: []string{"10.0.0.1:2379"}, Prefix: "/mesokit/production"})
//	defer e.Close()
//
// The leader has a key, PREFIX/leader, with its election.Info in JSON and bound to a lease; its fencing token is the revision that
// created the key. The others watch the key, and whoever writes it first when it is gone leads next.
package etcd
