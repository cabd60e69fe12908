// Command high-availability is a scheduler that others stand in for: start it on several machines. One leads, the others follow; when it goes,
// another one takes over, with the same framework and the same tasks. Users may ask any of them: followers redirect to the leader.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/election"
	etcdelection "github.com/mesokit/mesokit/framework/election/etcd"
	"github.com/mesokit/mesokit/framework/server"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/etcd"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master")
	endpoints := flag.String("etcd", "127.0.0.1:2379", "servers of etcd, with commas")
	listen := flag.String("listen", "127.0.0.1:0", "where the API listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := connect(ctx, *master, strings.Split(*endpoints, ","), *listen); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func connect(ctx context.Context, master string, endpoints []string, listen string) error {
	db, err := etcd.Open(ctx, etcd.Config{Endpoints: endpoints, Prefix: "/ha-example"})
	if err != nil {
		return err
	}
	defer db.Close()
	elector, err := etcdelection.New(etcdelection.Config{Endpoints: endpoints, Prefix: "/ha-example"})
	if err != nil {
		return err
	}
	defer elector.Close()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return schedule(ctx, master, l, db, elector)
}

// schedule runs one of the schedulers. The store is shared by all of them; its fencing keeps a leader that was stopped, and does not know
// that another one has taken over, from writing.
func schedule(ctx context.Context, master string, l net.Listener, db store.Store, elector election.Elector) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	url := "http://" + l.Addr().String()
	web := app.New("web", "exec sleep 1000")
	web.Instances = 3
	f, err := framework.New(framework.Config{
		Name: "ha", Master: master, Apps: []*app.App{web},
		Store: db, Elector: elector, Info: election.Info{ID: url, URL: url},
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	api, err := server.New(f, server.Config{Name: "ha"})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	served := make(chan error, 1)
	go func() {
		served <- api.Serve(ctx, l)
		end(errors.New("the API has ended"))
	}()
	err = f.Run(ctx)
	end(err)
	return errors.Join(err, <-served)
}
