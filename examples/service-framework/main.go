// Command service-framework keeps two web servers running, over everything that may fail. This is all that it takes.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/store/bolt"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master")
	command := flag.String("command", "exec python3 -m http.server $PORT_HTTP", "the server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log.Println(run(ctx, *master, "service.db", *command))
}

func run(ctx context.Context, master, file, command string) error {
	db, err := bolt.Open(file, bolt.Config{}) // what runs is remembered here
	if err != nil {
		return err
	}
	defer db.Close()
	web := app.New("web", command)
	web.Instances, web.Resources.Ports = 2, []app.Port{{Name: "http"}}
	f, err := framework.New(framework.Config{Name: "service", Master: master, Store: db, Apps: []*app.App{web}})
	if err != nil {
		return err
	}
	return f.Run(ctx)
}
