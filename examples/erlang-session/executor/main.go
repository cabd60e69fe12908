// Command executor is the executor of the example.
package main

import (
	"context"
	"log"
	"log/slog"

	erlangsession "github.com/mesokit/mesokit/examples/erlang-session"
)

func main() {
	if err := erlangsession.RunExecutor(context.Background(), slog.Default()); err != nil {
		log.Fatal(err)
	}
}
