package agent

import (
	"errors"
	"os"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
)

// containerIO is where the output of a container's process goes, and where its input comes from.
type containerIO struct {
	files []*os.File // to close once the process has them
}

// openContainerIO runs beside the loop. It sets the files of the process.
func openContainerIO(c *container, _ launch, spec *process.Spec) (*containerIO, error) {
	stdout, err := openOutput(c.dir, "stdout")
	if err != nil {
		return nil, err
	}
	stderr, err := openOutput(c.dir, "stderr")
	if err != nil {
		stdout.Close()
		return nil, err
	}
	spec.Stdout, spec.Stderr = stdout, stderr
	return &containerIO{files: []*os.File{stdout, stderr}}, nil
}

// started releases what the process has, or would have, been given.
func (io *containerIO) started(bool) error {
	var errs []error
	for _, f := range io.files {
		errs = append(errs, f.Close())
	}
	io.files = nil
	return errors.Join(errs...)
}

// close ends all streams of a container that is gone.
func (io *containerIO) close() {}
