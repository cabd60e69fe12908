// Package framework runs applications on Mesos and keeps them running: it is the shell around the engine of
// framework/core. A program says what should run; the engine places, launches, watches, restarts, updates and
// removes it, over failures of tasks, agents, masters and of the program itself.
//
//	f, err := framework.New(framework.Config{
//		Name:   "web",
//		Master: "zk://zk1:2181,zk2:2181/mesos",
//		Store:  db, // bolt.Open("web.db", bolt.Config{})
//		Apps: []*app.App{{
//			Name: "hello", Instances: 3,
//			Command:   app.Command{Cmd: "python3 -m http.server $PORT0"},
//			Resources: app.Resources{CPUs: 0.1, Mem: 64, Ports: []app.Port{{Name: "http"}}},
//		}},
//	})
//	err = f.Run(ctx)
//
// # How it works
//
// Run takes part in the election (Config.Elector), and while it leads, restores the engine from the store, subscribes and goes around
// one loop: take the inputs that are there (events of the master, commands, timers), let the core say what
// follows, commit what is to be remembered in one transaction, and only then make the calls, publish the notes and answer the
// commands. Commits and calls run beside the loop, in order. So every launch is stored before Mesos hears
// of it, and every status before it is acknowledged; a process that is killed at any moment goes on where it was.
//
// # Parts
//
// Everything can be had separately or replaced: placement by Config.Core.Placer (framework/placement), the handling of events by
// Config.Controller, storage by Config.Store (framework/store), leadership by Config.Elector (framework/election). Do gives
// commands, Snapshot and Notes tell how things stand; framework/server offers these over HTTP. Metrics go to
// Config.Metrics, spans to Config.Traces, and MLOG writes logs in the pipe-separated format of that name.
package framework
