// Package operator is a client of the operator APIs of Mesos masters and agents: POST /api/v1.
//
// It is for tools that look at a cluster or run it: command lines, dashboards, autoscalers, tests. Every call
// of the v1 operator API is a method of Master or Agent, named as in the Mesos documentation (GET_STATE is
// GetState), with plain results.
//
//	master, err := operator.NewMaster(operator.MasterConfig{Masters: "zk://zk1:2181,zk2:2181/mesos"})
//	...
//	defer master.Close()
//	tasks, err := master.GetTasks(ctx)
//	...
//	for event, err := range master.Watch(ctx, operator.WatchConfig{}) { ... }
//
// Beyond single calls there are
//   - Master.Subscribe, one stream of cluster events, and Master.Watch, which reconnects,
//   - Follow, which reads a file of a sandbox while it grows, and Master.FindTask and Agent.Sandbox, which find it,
//   - Agent.AttachContainerOutput and AttachContainerInput, and Agent.Exec for a session in a nested container.
//
// All methods are safe for concurrent use and honour their contexts. Errors are a *CallError around what
// package transport reports: a *transport.StatusError for what Mesos refuses, a *transport.ExchangeError where
// no answer came. No call is repeated unless it is certain that nobody has acted on it.
//
// Behaviour follows docs/behaviour.md#transport, #operator-api (Mesos: src/master/http.cpp, src/slave/http.cpp,
// src/files/files.cpp).
package operator
