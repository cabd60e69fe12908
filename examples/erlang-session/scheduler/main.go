// Command scheduler runs two tasks and ends.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	erlangsession "github.com/mesokit/mesokit/examples/erlang-session"
)

func main() {
	masters := flag.String("masters", "127.0.0.1:5050", "addresses of Mesos masters, with commas between them")
	uri := flag.String("executor", "", "where agents fetch the executor")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	h := &erlangsession.Handler{Executor: erlangsession.NewExecutorInfo(*uri, "./executor"), Finish: 2, Log: slog.Default()}
	s, err := erlangsession.NewSession("example", h, erlangsession.Options{
		MasterHosts: strings.Split(*masters, ","), HeartbeatTimeoutWindow: 5 * time.Second, MaxNumResubscribe: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	s.Post(erlangsession.Submit{Name: "first"})
	s.Post(erlangsession.Submit{Name: "second"})
	finished, err := s.Run(ctx)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("finished: ", finished)
}
