// Package master is the embedded Mesos master: agents register with it over cluster/internal/link, frameworks
// subscribe to it and operators ask it over HTTP, as they would with Apache Mesos.
//
//	l, _ := net.Listen("tcp", "127.0.0.1:0")
//	m, err := master.New(master.Config{Listener: l})
//	defer m.Close()
//	agent.New(agent.Config{Master: m, ...})
//	// POST http://<m.Addr()>/api/v1/scheduler
//
// # Where to find what
//
// Each scheduler call has a file call_*.go, each offer operation an op_*.go, each group of operator calls an
// operator_*.go; they open with the rules that they implement. The rest: agent*.go is about agents, framework*.go
// about frameworks, validate_*.go holds checks that need no state, legacy_*.go the endpoints that
// are older than the v1 API.
//
// # Concurrency
//
// All state belongs to one goroutine, the loop. HTTP handlers decode and check requests themselves,
// then run one function on the loop; event streams are queues that their handlers write out. What a
// function running on the loop sends (events, messages to agents) is never changed afterwards, so it
// is encoded elsewhere without copying. Functions and methods run on the loop unless they say otherwise.
//
// Behaviour follows docs/behaviour.md.
package master
