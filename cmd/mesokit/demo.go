package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/webserver"
)

// demoExecutorCommand is the hidden command as which this program is its own demo's executor.
const demoExecutorCommand = "demo-executor"

func newDemo() *cobra.Command {
	var check, verbose bool
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "demo",
		Short: "Run a web server framework on an embedded Mesos",
		Long: `demo starts an embedded Mesos with three agents and runs the framework of examples/webserver on it.
Its scheduler takes an offer and launches its own executor, which the agent fetches over HTTP and which
serves a web page on the port of the offer. The page stays up until demo is interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, check, verbose) },
	}
	cmd.Flags().BoolVar(&check, "check", false, "fetch the page, print it, clean up and exit")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log what the master and agents do as well")
	return cmd
}

// newDemoExecutor is what runs on the agent: this very program, so that the demo needs no other.
func newDemoExecutor() *cobra.Command {
	return &cobra.Command{
		Use:    demoExecutorCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return webserver.RunExecutor(cmd.Context()) },
	}
}

func runDemo(cmd *cobra.Command, check, verbose bool) (err error) {
	stdout, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	cfg := cluster.Config{Agents: cluster.Agents(3, cluster.AgentConfig{Resources: "cpus:1;mem:512"})}
	if verbose {
		cfg.Logger = log
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	started := time.Now()
	c, err := cluster.Start(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := c.Close(); err == nil {
			err = closeErr
		}
	}()
	fmt.Fprintf(stderr, "An embedded Mesos runs at %s with %d agents.\n", c.Master(), len(c.Agents()))

	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	var page string
	s := webserver.Scheduler{
		Master:   c.Master(),
		Executor: self,
		Command:  "./" + filepath.Base(self) + " " + demoExecutorCommand,
		Page:     "Hello from Server",
		Logger:   log,
		Running: func(url string) {
			fmt.Fprintf(stderr, "The page was up after %s: %s\n", time.Since(started).Round(time.Millisecond), url)
			if !check {
				fmt.Fprintln(stdout, url)
				fmt.Fprintln(stderr, "Stop with Ctrl-C.")
				return
			}
			var err error
			page, err = fetch(ctx, url)
			cancel(err)
		},
	}
	if err := s.Run(ctx); err != nil {
		return err
	}
	if !check {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && cause != context.Canceled {
		return fmt.Errorf("the page is not there: %w", cause)
	}
	if page == "" {
		return &exitError{exitInterrupted, nil}
	}
	fmt.Fprintln(stdout, page)
	return nil
}

// fetch returns the body of a page.
func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(body), err
}
