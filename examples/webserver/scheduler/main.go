// Command scheduler is the web server framework's scheduler.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/mesokit/mesokit/examples/webserver"
)

func main() {
	s := webserver.Scheduler{Page: "Hello from Server", Logger: slog.Default()}
	flag.StringVar(&s.Master, "master", "127.0.0.1:5050", "address of the Mesos master")
	flag.StringVar(&s.Executor, "executor", "", "the executor program, built for the agents")
	flag.StringVar(&s.Listen, "listen", "127.0.0.1:0", "where agents fetch the executor")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s.Running = func(url string) { slog.Info("the page is at " + url) }
	if err := s.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
