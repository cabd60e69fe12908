// Package minimaldriver is a framework with the classic callback API: one task, a web server, in an executor of its own. It is what
// becomes of a framework written for the SchedulerDriver and ExecutorDriver of the first Go binding; docs/migrate/minimal-mesos-go.md
// puts the two side by side. (For the same framework on the newer API see examples/webserver.)
//
// The programs are in the folders scheduler and executor:
//
//	go build -o /tmp/executor ./examples/minimal-driver/executor
//	go run ./examples/minimal-driver/scheduler -master zk://10.0.0.5:2181/mesos -executor http://10.0.0.7:8000/executor
package minimaldriver
