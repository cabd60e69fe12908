// Package cluster is an embedded Apache Mesos: a master and agents in one process that speak the
// real wire protocol on real HTTP endpoints. It needs neither root nor Docker, ZooKeeper or a
// network, is ready within milliseconds and leaves nothing behind.
//
//	c, err := cluster.Start(ctx, cluster.Config{})
//	if err != nil { … }
//	defer c.Close()
//	// point any Mesos v1 client at c.Master()
//
// Tasks are real processes in real sandboxes, fetched and supervised as Mesos does it. They run as
// the user of this process, and without isolation: no cgroups, no container images.
//
// Several masters, of which one leads, are elected in the process or through a real ZooKeeper (Config.Masters, Config.ZooKeeper). FailOver,
// KillMaster and StartMaster play what happens to them; agents and frameworks come back to the new leader as they do in Mesos. With
// Config.StateDir a cluster that is started where another one ended remembers what that one knew.
//
// Everything can be made to fail while it runs: agents stop, die, restart, return under new ids and are cut off (Agent), and Faults plays lost and late updates, broken
// streams and wrong answers (package fault). Package control does the same from another process.
//
// Several clusters can run in one process. All methods are safe for concurrent use.
package cluster
