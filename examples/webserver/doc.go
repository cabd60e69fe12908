// Package webserver is the smallest framework that does something real: its scheduler waits for
// an offer with a port, launches its own executor there, and the executor serves a web page. The
// executor is a program of ours too; the agent fetches it from the scheduler.
//
// The programs are in the folders scheduler and executor; docs/tutorial.md builds them step by
// step. On a real Mesos:
//
//	go build -o /tmp/webserver-executor ./examples/webserver/executor
//	go run ./examples/webserver/scheduler -master 10.0.0.5:5050 -executor /tmp/webserver-executor -listen 10.0.0.7:8000
package webserver
