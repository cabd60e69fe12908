// Package sim tries the engine's core without network, processes or waiting.
//
// A Script is for tests of one situation: it plays the master and the users step by step, under a clock that moves when it is told to.
//
//	s := sim.NewScript(t, core.Config{})
//	s.Register("fw")
//	s.Submit(`{"name":"web","resources":{"cpus":1,"mem":64},"command":{"cmd":"serve"}}`)
//	s.Offer("agent-1", "cpus:4;mem:1024")
//	s.ExpectLaunches(1)
//	s.Status("web/0", mesospb.TaskState_TASK_FAILED)
//	s.Pass(time.Second)
//	s.Crash() // the process is killed, and started again from what is stored
//	s.ExpectState("web/0", core.Ended)
//
// Every ACCEPT is checked against its offers, as a master would.
//
// Run is for everything that nobody thought of: it simulates a whole day of a cluster from a seed, with agents that vanish and return, masters that fail over,
// messages that are lost, delayed and repeated, and schedulers that are killed between any two effects or believe that they lead after another has taken
// over. What must hold is checked all the time and in the end. A failing seed fails the same way every time.
package sim
