// Package conformance compares a Mesos, embedded or real, with recorded conversations.
//
// A Replay sends the requests of a capture (test/captures) in their order to a Target, puts the
// target's ids in place of the recorded ones, waits for the events that the recording shows before
// a request, and afterwards compares all that came back: status codes, headers, bodies, the events
// of every stream and their order. The outcome is a list of rows (case, exchange, place, wanted,
// got); the test fails on every difference that differences.json does not list with its reason, and
// on every listed one that no longer occurs.
//
//	go test ./test/conformance                              # the embedded cluster
//	go test ./test/conformance -v -master 127.0.0.1:5050    # any Mesos
//
// With -master the cases come one after the other, next to whatever else runs there; -any-amounts is for
// agents that have other resources than the recorded one. -case f04 runs only that case. Cases that
// need more power over the cluster than there is appear in the table as not run.
//
// It speaks plain HTTP and looks at JSON as trees of values, never through our own clients or
// codecs, so that a field that is written or left out by mistake shows.
//
// # What is compared
//
// Everything, except:
//
//   - Ids. Mesos ids and UUIDs (also inside texts, keys and headers) must have the same form, and
//     stand for the same thing wherever they occur: the target's id that took a recorded id's place
//     once must take it always. Names that the recorded framework chose are compared as they are.
//   - Times, ports, process ids, addresses, host names, versions, build facts: they must be there,
//     with the same type, or be absent in both. Of metrics only the names are compared.
//   - HEARTBEAT: a stream that had one must have one; how many and where depends on time.
//   - The order in lists that Mesos keeps in hash maps: resources, offers in an event, and the
//     tasks, frameworks, agents and so on in snapshots.
//   - Whether the first update of a task (TASK_STARTING) says the addresses and the process of its container: the agent
//     adds what it knows by then.
//   - How the output of a container is cut into DATA events: it is compared line by line.
//   - Updates sent again because nobody acknowledged them, but for f02, which is about them.
//   - Response headers that the recorder did not keep, and Content-Length, which follows from the
//     body.
//
// # Order of events
//
// A request is sent only after the events that were recorded before it, so that what belongs to
// different requests is always in order. Events about the same task (operation, executor, …) must
// come in the recorded order. So must events that the master makes by itself, whatever they are
// about. Only between events of different tasks or executors that come from agents is there no
// order, as docs/behaviour.md#scheduler-events says (FAILURE and UPDATE on the loss of an executor, updates of
// two tasks).
//
// # Offers
//
// When an offer arrives depends on the tick of the allocator, so offers are compared as a ledger of
// what is on offer: per agent the sum of the offers that are neither used nor declined nor rescinded.
//
//   - Before a request uses a recorded offer, the replay waits until the target's open offers cover
//     it. It uses one that equals it, else the smallest that covers it, else all; what was used must
//     sum up to exactly what was recorded.
//   - At quiet points (no request and no event for Quiet, which is more than two rounds of the
//     allocator, before a request) the sums must be equal: nothing is missing, and nothing was
//     offered in spite of a filter, a suppression or a drain.
//   - Apart from amounts, every offer must look like a recorded one of the same stream (attributes,
//     url, allocation, reservations, volumes, …), and every recorded look must occur. Of executor ids
//     only the presence counts: which executors live depends on time.
//
// # Pace
//
// The recorded client sometimes waited on purpose (a task must have set its signal handlers before
// it is killed; nothing must happen while offers are suppressed). The replay keeps these pauses, cut
// to Options.Pace each. Everything else is driven by events.
package conformance
