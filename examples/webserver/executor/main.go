// Command executor serves the page of the web server framework, on an agent.
package main

import (
	"context"
	"log"

	"github.com/mesokit/mesokit/examples/webserver"
)

func main() {
	if err := webserver.RunExecutor(context.Background()); err != nil {
		log.Fatal(err)
	}
}
