// Command persistent-volume runs a task whose data outlives it: the first launch reserves disk for the framework's role and makes a
// volume of it, and every later one, after a failure or an update, gets the same volume on the same agent.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/bolt"
)

// count writes down each start in the volume, and says how many there were.
const count = `echo started >>data/starts && echo "start $(wc -l <data/starts)" && exec sleep 1000`

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master")
	principal := flag.String("principal", "", "who reserves; agents may ask for it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	db, err := bolt.Open("volume.db", bolt.Config{}) // which instance has which volume must not be forgotten
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	f, err := counter(*master, *principal, count, db)
	if err != nil {
		log.Fatal(err)
	}
	log.Println(f.Run(ctx))
}

func counter(master, principal, command string, db store.Store) (*framework.Framework, error) {
	a := app.New("counter", command)
	a.Resources.Disk = app.Disks{{
		Size:        16,
		Persistence: &app.Persistence{ID: "data"},
		Volume:      &app.Volume{ContainerPath: "data"},
	}}
	return framework.New(framework.Config{
		Name:      "counter",
		Master:    master,
		Roles:     []string{"counter"}, // volumes belong to a role
		Principal: principal,
		Store:     db,
		Apps:      []*app.App{a},
	})
}
