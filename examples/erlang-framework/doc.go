// Package erlangframework is the kind of example that came with erlang-mesos, on the classic driver: a scheduler which launches a number of
// tasks in an executor of its own, and an executor which works on them and talks back. docs/migrate/erlang-mesos.md puts the
// callbacks of the Erlang behaviours and these side by side.
//
// The programs are in the folders scheduler and executor.
package erlangframework
