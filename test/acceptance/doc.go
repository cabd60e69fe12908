// Package acceptance runs the engine on a Mesos of somebody else, from the outside: mesokit scheduler is a process that is
// killed, its API is used over the network, and what counts is what the master says.
//
//	go test ./test/acceptance                             # a mesokit dev, as a process of its own
//	go test ./test/acceptance -v -master 127.0.0.1:5050   # any Mesos
//	go test ./test/acceptance -v -kills 60 -renewals 6
//
// It runs every kind of application that docs/applications.md describes and that needs no special agent; kills the
// scheduler while it works; gives an agent a new id, where it can; drains an agent and announces maintenance; and
// uninstalls. Throughout, every instance runs exactly once, every volume stays with its instance, and in the end nothing is
// left.
package acceptance
