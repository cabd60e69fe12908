package real

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Build builds the command line tool into a directory, and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "mesokit")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/mesokit/mesokit/cmd/mesokit").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("real: go build: %w\n%s", err, out)
	}
	return binary, nil
}

// Dev starts a mesokit dev with so many agents like the recorded one, as a process of its own, for those who have no Mesos.
// What it needs of files is in dir. end interrupts it and waits for its end.
func Dev(ctx context.Context, binary, dir string, agents int) (m *Mesos, end func() error, err error) {
	// The process outlives ctx, which is for its start.
	dev := exec.CommandContext(context.WithoutCancel(ctx), binary, "dev", "--port", "0", "--agents", strconv.Itoa(agents), "--json", "--dir", filepath.Join(dir, "work"), "--state-dir", filepath.Join(dir, "state"),
		"--agent-resources", "cpus:4;mem:2048;disk:4096;ports:[31000-32000]", "--agent-attributes", "rack:r1;zone:z1")
	dev.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	dev.WaitDelay = time.Minute
	var stderr strings.Builder
	dev.Stderr = &stderr
	stdout, err := dev.StdoutPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("real: %w", err)
	}
	if err := dev.Start(); err != nil {
		return nil, nil, fmt.Errorf("real: %w", err)
	}
	end = func() error {
		if err := dev.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		return dev.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("real: mesokit dev does not start: %w: %s", err, stderr.String()), dev.Process.Kill(), dev.Wait())
	}
	var told struct {
		Master  string `json:"master"`
		Control string `json:"control"`
		Token   string `json:"control_token"`
	}
	if err := json.Unmarshal(line, &told); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("real: %q: %w", line, err), end())
	}
	return &Mesos{Master: told.Master, Control: told.Control, Token: told.Token, AgentWorkDir: filepath.Join(dir, "work", "agent-1")}, end, nil
}
