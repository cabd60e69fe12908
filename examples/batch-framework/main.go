// Command batch-framework runs a number of jobs, again where they fail, tells how it goes and leaves when all have succeeded.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master")
	jobs := flag.Int("jobs", 10, "number of jobs")
	command := flag.String("command", "echo job $MESOKIT_INSTANCE; sleep 1", "what each job runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *master, *jobs, *command, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

var errGivenUp = errors.New("a job failed too often")

func run(ctx context.Context, master string, jobs int, command string, out io.Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	retries := 3
	batch := app.New("job", command)
	batch.Instances = jobs
	batch.Goal = app.GoalFinish // run until it succeeds
	batch.Retry = &app.Retry{Time: app.Duration(100 * time.Millisecond), TotalRetries: &retries}
	// Without a store: a batch that is interrupted begins again.
	f, err := framework.New(framework.Config{Name: "batch", Master: master, Apps: []*app.App{batch}})
	if err != nil {
		return err
	}
	followed := make(chan error, 1)
	go func() {
		err := follow(ctx, f, jobs, out)
		stop(err)
		followed <- err
	}()
	err = f.Run(ctx) // ends when follow has had the framework removed
	stop(nil)
	if told := <-followed; told != nil {
		return told
	}
	return err
}

// follow tells of progress and, when there is nothing more to do, has the framework removed, with what is left of its tasks.
func follow(ctx context.Context, f *framework.Framework, jobs int, out io.Writer) error {
	last := -1
	for s := range f.Watch(ctx) {
		job := s.App("job")
		if job == nil {
			continue
		}
		if n := job.Counts.Reached; n != last {
			last = n
			fmt.Fprintf(out, "%d of %d jobs are done\n", n, jobs)
		}
		if job.Counts.GivenUp > 0 || job.Counts.Reached == jobs {
			if _, err := f.Do(ctx, core.Uninstall{}); err != nil {
				return err
			}
			if job.Counts.GivenUp > 0 {
				return errGivenUp
			}
			<-ctx.Done()
			return nil
		}
	}
	return nil
}
