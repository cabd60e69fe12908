package driver

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The test binary is the executor of the tests with a cluster, too.
	if os.Getenv("MESOS_EXECUTOR_ID") != "" {
		os.Exit(runEchoExecutor())
	}
	goleak.VerifyTestMain(m)
}
