package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/control"
	"github.com/mesokit/mesokit/internal/visible"
)

// devRecord tells the subcommands of dev where a cluster is controlled. It is a file in the user's runtime directory, removed at the end;
// one that was left by a crash is removed by whoever finds nobody there.
type devRecord struct {
	PID     int    `json:"pid"`
	Control string `json:"control"`
	Token   string `json:"token"` // without it nobody controls the cluster
	Master  string `json:"master"`
}

// devRecords returns the directory of the records: $XDG_RUNTIME_DIR/mesokit, or one for this user among the temporary files.
func devRecords() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return filepath.Join(dir, "mesokit")
		}
	}
	return filepath.Join(os.TempDir(), "mesokit-dev-"+strconv.Itoa(os.Getuid()))
}

// ownDir says whether a directory is there that nobody else writes to.
func ownDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows" { // where modes say nothing
		return fmt.Errorf("%s is not a directory that only you write to: remove it", dir)
	}
	return nil
}

// write puts the record in its place and returns what removes it.
func (r devRecord) write() (remove func(), err error) {
	dir := devRecords()
	_, port, err := net.SplitHostPort(r.Control)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, fmt.Sprintf("dev-%d-%s.json", r.PID, port))
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	for range 3 { // another dev that ends may remove the directory in between
		if err = os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err = ownDir(dir); err == nil {
			err = os.WriteFile(file, append(data, '\n'), 0o600)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return func() {
		_ = os.Remove(file)
		_ = os.Remove(dir) // if it is empty
	}, nil
}

// tokenVariable holds the token of a cluster that has no record here.
const tokenVariable = "MESOKIT_CONTROL_TOKEN"

// findDev finds the control interface of the one cluster that runs here, or of the one at an address.
func findDev(ctx context.Context, address string) (devRecord, error) {
	given := devRecord{Control: address, Token: os.Getenv(tokenVariable)}
	if address != "" && given.Token != "" {
		return given, nil
	}
	dir := devRecords()
	if err := ownDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return devRecord{}, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "dev-*.json"))
	if err != nil {
		return devRecord{}, err
	}
	var found []devRecord
	for _, file := range files {
		var r devRecord
		data, err := os.ReadFile(file)
		if err != nil {
			continue // removed in this moment
		}
		if address != "" {
			if json.Unmarshal(data, &r) == nil && r.Control == address {
				return r, nil
			}
			continue
		}
		if json.Unmarshal(data, &r) != nil || !r.answers(ctx) {
			if ctx.Err() == nil {
				_ = os.Remove(file)
				_ = os.Remove(dir)
			}
			continue
		}
		found = append(found, r)
	}
	if address != "" {
		return given, nil // which will say that it wants a token
	}
	switch len(found) {
	case 0:
		return devRecord{}, usagef("no mesokit dev runs here: start one, or say where it is controlled with --control")
	case 1:
		return found[0], nil
	}
	var list []string
	for _, r := range found {
		list = append(list, fmt.Sprintf("--control %s (master %s, process %d)", r.Control, r.Master, r.PID))
	}
	slices.Sort(list)
	return devRecord{}, usagef("several clusters run here; choose one:\n  %s", strings.Join(list, "\n  "))
}

// answers reports whether a cluster is controlled where the record says.
func (r devRecord) answers(ctx context.Context) bool {
	ctl, err := control.NewClient(r.Control, r.Token)
	if err != nil {
		return false
	}
	defer ctl.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = ctl.Status(ctx)
	return err == nil || errors.Is(err, context.DeadlineExceeded)
}

// controlDev lets a cluster be controlled at an address. What it returns must be closed.
func controlDev(cmd *cobra.Command, c *cluster.Cluster) (r devRecord, stop func() error, err error) {
	address, _ := cmd.Flags().GetString("control")
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", address)
	if err != nil {
		return r, nil, fmt.Errorf("--control %s: %w", address, err)
	}
	token := cmp.Or(os.Getenv(tokenVariable), rand.Text())
	s := control.Serve(c, l, token)
	r = devRecord{os.Getpid(), s.Addr(), token, c.Master()}
	remove, err := r.write()
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "mesokit: subcommands of dev will need --control %s and the token in %s, which --json prints: %v\n", s.Addr(), tokenVariable, err)
		remove = func() {}
	}
	return r, func() error { remove(); return s.Close() }, nil
}

// devPoll is how often dev looks whether what runs has changed.
const devPoll = time.Second

// followDev prints what runs, and then a line for each change, until ctx ends.
func followDev(cmd *cobra.Command, c *cluster.Cluster, hint func()) error {
	ctx, w := cmd.Context(), cmd.OutOrStdout()
	ticker := time.NewTicker(devPoll)
	defer ticker.Stop()
	var before *cluster.Status
	for {
		status, err := c.Status(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case before == nil:
			if err := printStatus(cmd, status, nil); err != nil {
				return err
			}
			hint()
		default:
			for _, line := range changesOf(*before, status) {
				if _, err := fmt.Fprintln(w, time.Now().Format(time.TimeOnly), visible.Line(line)); err != nil {
					return err
				}
			}
		}
		before = &status
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
