// Command scheduler runs the example framework.
package main

import (
	"flag"
	"log"
	"log/slog"

	erlangframework "github.com/mesokit/mesokit/examples/erlang-framework"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master")
	uri := flag.String("executor", "", "where agents fetch the executor")
	tasks := flag.Int("tasks", 5, "number of tasks")
	flag.Parse()

	f := &erlangframework.Framework{Executor: erlangframework.NewExecutorInfo(*uri, "./executor"), Tasks: *tasks, Log: slog.Default()}
	if status, err := f.Run(*master); err != nil {
		log.Fatalf("%v: %v", status, err)
	}
}
