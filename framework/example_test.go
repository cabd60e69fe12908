package framework_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
)

// A service framework on an embedded cluster: it keeps two web servers running.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c, err := cluster.Start(ctx, cluster.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	web := app.New("web", "echo serving at $HOST:$PORT0 && sleep 1000")
	web.Instances = 2
	web.Resources.Ports = []app.Port{{Name: "http"}}
	f, err := framework.New(framework.Config{
		Name:   "example",
		Master: c.Master(),
		Apps:   []*app.App{web},
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for s := range f.Watch(ctx) {
			if web := s.App("web"); web != nil && web.Counts.Up == 2 {
				fmt.Println("both are up")
				stop()
			}
		}
	}()
	fmt.Println(f.Run(ctx))
	// Output:
	// both are up
	// context canceled
}
