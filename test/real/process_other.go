//go:build !linux

package real

import (
	"errors"
	"fmt"
)

func newProcess(int, string) (Agent, error) {
	return nil, fmt.Errorf("an agent's process is controlled on Linux only: %w", errors.ErrUnsupported)
}
