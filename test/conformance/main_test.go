package conformance

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if transcript := os.Getenv(ProbeVariable); transcript != "" {
		// An agent has started this binary as the executor of f14.
		if err := RunProbe(context.Background(), transcript); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(LingerVariable) != "" {
		if err := RunLinger(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if address := os.Getenv(ServerVariable); address != "" {
		status, err := RunServer(address)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(status)
	}
	goleak.VerifyTestMain(m)
}
