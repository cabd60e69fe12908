// Package app says what an application is: a description in JSON, or in Go, of what should run on a Mesos cluster. Everybody who writes, checks,
// stores or launches applications needs it; nothing in it talks to Mesos, reads a clock or starts a goroutine.
//
//	{
//	  "name": "web",
//	  "instances": 3,
//	  "resources": {"cpus": 0.5, "mem": "256MB", "ports": ["http"]},
//	  "command": {
//	    "cmd": "./server --port $PORT_HTTP",
//	    "uris": [{"uri": "https://files.example.org/server", "execute": true}]
//	  },
//	  "health_check": {"http": {"port": "http", "path": "/health"}}
//	}
//
//	a, err := app.Parse(data)        // or app.New("web", "./server"), then a.Complete()
//	demand := a.Demand()             // for package placement
//	ops, err := a.Operations(launch) // for an ACCEPT call, once an instance is placed
//
// # Writing one
//
// A name, cpus, mem and something to run are enough; everything else has a default. The fields of each object are those of the struct of the same
// name in this package (health_check is [HealthCheck]), with their defaults; docs/applications.md has them as tables, and [Schema] returns a JSON
// Schema for editors. In short:
//
//   - What runs: command.cmd for the shell, or command.argv without one; command.uris are fetched before; container.image runs a Docker image,
//     with container.type "docker" on the agent's Docker daemon. A group of tasks instead of a command makes each instance a pod. An executor is a
//     program of your own that runs the tasks.
//   - How long: goal "running" (the default), "finish" (until it succeeds) or "once". instances says how many; daemon means one on each agent.
//   - What it takes: resources.cpus, mem, gpus; disk as a size, or as objects with persistence for volumes that outlive the task; ports as how many,
//     or as names and numbers.
//   - Where: strategy "unique" (one per host), "mux" (all on one) or "non-mux"; constraints such as ["rack", "GROUP_BY", "3"]; affinities to other
//     applications; fault_domain for regions and zones.
//   - Is it well: health_check kills what is ill, check only reports; readiness says when an instance counts as up.
//   - What if not: retry, unreachable, update.
//
// Durations are written "1m30s", "15secs" or as seconds; sizes "1.5GB" or as megabytes. The names of the old mesos-framework-sdk (cpu, healthcheck,
// network, volume, …) are accepted beside ours.
//
// # What tasks find in their environment
//
// HOST is the agent's hostname; PORT0, PORT1, … are the task's ports in order, PORT the first and PORTS all with commas between; PORT_<NAME> is a
// port by name, in capitals with _ for -, in groups also those of the other tasks. MESOS_TASK_ID is the task's id. MESOKIT_APP, MESOKIT_TASK,
// MESOKIT_INSTANCE (from 0) and MESOKIT_VERSION say who it is; MESOKIT_CPUS, MESOKIT_MEM, MESOKIT_DISK and MESOKIT_GPUS what it has, in cores and
// megabytes. The command's own environment takes precedence.
//
// # Errors
//
// Parse and Complete return [Errors]: everything that is wrong at once, each with the JSON pointer, line and column, and what to do about it.
//
//	line 4, column 17: /resources/cpu: is -1: give a number of cpus above 0, such as 0.1
//	line 5, column 3: /instnaces: unknown field: did you mean instances?
//
// # Versions
//
// [App.Marshal] gives the canonical form, in which defaults are written out; Parse(Marshal(a)) is a again. [App.Hash] identifies everything but the
// number of instances, [App.TaskHash] only what running tasks are made of. [Compare] says what it takes to get from one definition to another,
// [Diff] what differs.
package app
