// Command scheduler is the scheduler of the minimal framework.
package main

import (
	"flag"
	"log"
	"log/slog"

	minimaldriver "github.com/mesokit/mesokit/examples/minimal-driver"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master: host:port or zk://host:port/mesos")
	uri := flag.String("executor", "", "where agents fetch the executor")
	flag.Parse()

	d, err := minimaldriver.NewDriver(&minimaldriver.Scheduler{
		Executor:  minimaldriver.NewExecutorInfo(*uri, "./executor"),
		NeededCPU: 0.5, NeededRAM: 128, Page: "Hello from Server",
		Log: slog.Default(),
	}, *master)
	if err != nil {
		log.Fatal(err)
	}
	if status, err := d.Run(); err != nil {
		log.Fatalf("framework ended with %v: %v", status, err)
	}
}
