// Command executor is the executor of the minimal framework.
package main

import (
	"log"

	minimaldriver "github.com/mesokit/mesokit/examples/minimal-driver"
)

func main() {
	if err := minimaldriver.RunExecutor(); err != nil {
		log.Fatal(err)
	}
}
