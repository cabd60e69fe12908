// Command scheduler runs a batch of tasks.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	v1batch "github.com/mesokit/mesokit/examples/v1-batch"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master: host:port, a list, zk://host:port/mesos")
	user := flag.String("user", "root", "who runs the tasks")
	command := flag.String("executor", "", "path of the executor on the agents")
	tasks := flag.Int("tasks", 5, "number of tasks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	b := &v1batch.Batch{
		Framework: &mesospb.FrameworkInfo{User: user, Name: proto.String("batch"), Checkpoint: proto.Bool(true)},
		Executor: &mesospb.ExecutorInfo{
			Type:       mesospb.ExecutorInfo_CUSTOM.Enum(),
			ExecutorId: &mesospb.ExecutorID{Value: proto.String("default")},
			Command:    &mesospb.CommandInfo{Value: command},
			Resources:  []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)},
		},
		Tasks: *tasks, Role: "*", Log: slog.Default(),
	}
	if err := b.Run(ctx, *master, new(scheduler.MemoryStore)); err != nil {
		log.Fatal(err)
	}
}
