// Package driver is the classic callback API of Apache Mesos: a Scheduler or an Executor gets callbacks, a driver carries its calls.
//
// It is for frameworks that were written for MesosSchedulerDriver and MesosExecutorDriver (C++, Java, Python, Erlang, Perl, the first
// Go binding) and for authors who like that shape; the pages under docs/migrate say what became of every name. New frameworks may be
// happier with client/scheduler and client/executor, on which this package is built, or with the engine in framework.
//
//	type myScheduler struct{ driver.NopScheduler }
//
//	func (myScheduler) ResourceOffers(d driver.SchedulerDriver, offers []*mesospb.Offer) {
//		for _, offer := range offers {
//			d.DeclineOffer(offer.Id, nil)
//		}
//	}
//
//	d, err := driver.NewMesosSchedulerDriver(driver.DriverConfig{
//		Scheduler: myScheduler{},
//		Framework: &mesospb.FrameworkInfo{Name: proto.String("mine")},
//		Master:    "zk://10.0.0.1:2181/mesos",
//	})
//	if err != nil { … }
//	status, err := d.Run()
//
// # The life of a driver
//
// A driver is DRIVER_NOT_STARTED, then DRIVER_RUNNING after Start, and at last DRIVER_ABORTED or DRIVER_STOPPED. It is used once: to
// go on after an end, make another driver, with the framework id that Registered gave. Every method returns the status and an
// error. A method that the status does not allow does nothing and returns the status as it is, with a *StateError.
//
//   - Stop(false) ends the framework: the master is told (TEARDOWN), kills its tasks and forgets it.
//   - Stop(true) leaves: tasks go on for the failover timeout, within which another driver may take over.
//   - Abort ends the callbacks and nothing else: the framework stays registered, without offers, until Stop or the end of
//     the process. Stop after Abort does what Stop does, and returns DRIVER_ABORTED.
//   - An error that cannot be helped (the master refuses the framework, another scheduler took over) aborts the driver; Error is then
//     the last callback, and Join returns the error.
//
// Join waits for the end. After Stop it returns when the calls under way are done, the master has been told and everything that the driver
// started is gone, so a program may exit after Join; after Abort when the last callback has returned.
//
// # Callbacks
//
// Callbacks come one at a time, in the order of the events, on a goroutine of the driver's own, or wherever
// the owner of DriverConfig.OwnLoop calls them. A slow callback delays other callbacks only; the conversation goes on, heartbeats
// are answered. After Stop or Abort no callback begins.
//
// Methods may be called from any goroutine, callbacks included, and wait for the master's answer for DriverConfig.CallTimeout at the most. Only Join
// and Run cannot wait inside a callback, for its own end: called on the driver that the callback was given, they return
// ErrInCallback.
//
// # What is different from the classic drivers
//
// The driver speaks the V1 HTTP API. It opens no server socket, so it works behind NAT and in containers; it has no threads of its
// own that would forbid to start processes. A call that is refused or finds no master says so in its error, where classic drivers are
// silent. A status that an agent repeats is handed out once, as long as acknowledgements are implicit. Data are bytes and the agent is the agent. Everything else is as in Mesos' src/sched/sched.cpp and src/exec/exec.cpp.
package driver
