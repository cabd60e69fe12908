package hello_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/hello"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for _, command := range []string{"true", "exit 3", "kill -9 $$"} {
		status, err := hello.Run(ctx, c.Master(), command)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(status.GetState(), status.GetMessage())
	}
	// Output:
	// TASK_FINISHED Command exited with status 0
	// TASK_FAILED Command exited with status 3
	// TASK_FAILED Command terminated with signal Killed
}
