// Command scheduler runs the tasks of a JSON file once each.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"

	eventcontroller "github.com/mesokit/mesokit/examples/event-controller"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master: host:port, a list, zk://host:port/mesos")
	user := flag.String("user", "root", "who runs the tasks")
	file := flag.String("tasks", "tasks.json", "the tasks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	data, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	tasks, err := eventcontroller.ParseTasks(data)
	if err != nil {
		log.Fatalf("%s: %v", *file, err)
	}
	states, err := eventcontroller.Run(ctx, *master, *user, &eventcontroller.Controller{Tasks: eventcontroller.NewTaskManager(tasks), Log: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(states)
}
