// Package control lets programs control an embedded cluster that runs in another process: agents that stop, die, restart
// and lose the network, faults, fail-over. It is how "mesokit dev agent …" and "mesokit dev fault …" do it.
//
//	s, err := control.Serve(c, listener, token)   // beside the cluster
//	defer s.Close()
//
//	ctl, err := control.NewClient("127.0.0.1:5055", token)
//	defer ctl.Close()
//	status, err := ctl.Status(ctx)
//	id, err := ctl.AddFault(ctx, "call answer status=503 count=2")
//
// The interface is JSON over HTTP, for loopback. Whoever controls a cluster can start processes, so requests must bring its token
// (Authorization: Bearer …). Those that a browser may have been tricked into are refused; see package httpguard.
//
//	GET    /mesokit/v1/status
//	POST   /mesokit/v1/agents                   a cluster.AgentConfig; answers the agent
//	POST   /mesokit/v1/agents/AGENT/ACTION      stop, kill, suspend, resume, restart, restart-with-new-id, partition or heal; AGENT as
//	                                            cluster.Cluster.Agent takes it; answers the agent, under its new id if it has got one. restart
//	                                            gives one to an agent that its master has shut down, as for maintenance.
//	GET    /mesokit/v1/faults
//	POST   /mesokit/v1/faults                   {"rule": "call hang"}, or the fields of a fault.Rule; answers the rule's state
//	DELETE /mesokit/v1/faults                   all
//	DELETE /mesokit/v1/faults/ID
//	POST   /mesokit/v1/failover                 another master leads; answers the masters
//	POST   /mesokit/v1/masters/ADDRESS/ACTION   kill or start; answers the masters
//
// Errors are answered {"error": "…"} with 401 without the token, 400 for what cannot be meant, 404 for what is not there, 409 for what cannot be done now
// and 503 when the cluster has been closed.
package control
