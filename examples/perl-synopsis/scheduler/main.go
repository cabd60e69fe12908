// Command scheduler runs the synopsis; lines of standard input are what else its loop waits for.
package main

import (
	"bufio"
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"

	perlsynopsis "github.com/mesokit/mesokit/examples/perl-synopsis"
)

func main() {
	master := flag.String("master", "mesoshost:5050", "the Mesos master")
	executor := flag.String("executor", "/path/to/executor", "the executor on the agents")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	lines := make(chan string)
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	if err := perlsynopsis.Loop(ctx, *master, &perlsynopsis.MyScheduler{Executor: *executor, Log: slog.Default()}, lines); err != nil {
		log.Fatal(err)
	}
}
