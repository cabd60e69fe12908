// Command executor is the executor of the example framework.
package main

import (
	"log"

	erlangframework "github.com/mesokit/mesokit/examples/erlang-framework"
)

func main() {
	if err := erlangframework.RunExecutor(); err != nil {
		log.Fatal(err)
	}
}
