// Package erlangsession is a framework in the manner of mesos-erlang: a scheduler and an executor on the V1 API, each a handler whose callbacks
// come one at a time through one loop, application messages among them. docs/migrate/mesos-erlang.md puts the
// behaviours and this side by side.
//
// The programs are in the folders scheduler and executor.
package erlangsession
