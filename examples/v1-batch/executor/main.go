// Command executor is the executor of the batch.
package main

import (
	"context"
	"log"

	v1batch "github.com/mesokit/mesokit/examples/v1-batch"
)

func main() {
	if err := v1batch.RunExecutor(context.Background()); err != nil {
		log.Fatal(err)
	}
}
