// Command mesokit runs Mesos frameworks and an embedded Mesos to try them on.
//
//	mesokit demo        an embedded cluster with a framework that serves a web page
//	mesokit dev         an embedded cluster in the foreground
//	mesokit run -- CMD  a command as a Mesos task
//	mesokit scheduler   the ready-made scheduler, which keeps applications running
//	mesokit app         what it runs: submit, ls, scale, logs, explain and more
//	mesokit master      the cluster, for its operators: agents, tasks, drains, maintenance, quota
//	mesokit agent       an agent: containers, files, commands in containers
//	mesokit bench       the end-to-end benchmarks
//
// Exit codes: 0 success, 1 failure (an application that is not valid, a command that the scheduler refuses, a scheduler that
// does not answer), 2 bad usage, 124 a --timeout ran out, 130 interrupted; run exits with the exit code of the task, agent exec with
// that of the command, and dev and scheduler with 0 when they are interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/internal/redact"
	"github.com/mesokit/mesokit/internal/visible"
)

// Exit codes of the command line, beside those of tasks.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitTimeout     = 124
	exitInterrupted = 130
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with everything it touches as parameters. Tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	// What commands print has names and messages of others in it. What is to go through as it is, as the output of tasks, asks for visible.Raw.
	out, errs := visible.NewWriter(stdout, screenOf(stdout).colour), visible.NewWriter(stderr, screenOf(stderr).colour, redact.Passwords)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitFailure
	if coded, ok := errors.AsType[*exitError](err); ok {
		code = coded.code
		err = coded.err
	}
	if err != nil {
		fmt.Fprintln(errs, "mesokit:", strings.ReplaceAll(err.Error(), "\n", "\n  ")) // only a message of ours begins a line
	}
	return code
}

// exitError ends the program with a code, and a message if err is set.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef returns an error for a command line that cannot be meant.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mesokit",
		Short: "A toolkit for Apache Mesos frameworks",
		Long: `mesokit runs commands and frameworks on Apache Mesos, and brings an embedded Mesos along
(master and agents in this process, speaking the real wire protocol) to try them on.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringP("output", "o", formatText, "output format: text, json or yaml; for tables also wide and name")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := readAddresses(cmd); err != nil {
			return err
		}
		return checkFormat(cmd)
	}
	root.AddCommand(newDev(), newDemo(), newDemoExecutor(), newRun(), newScheduler(), newApp(), newStore(), newReplay())
	root.AddCommand(newMaster(), newAgent(), newBench())
	root.SetHelpCommand(newHelp())
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}

// newHelp is cobra's help command, but for a topic that is not there.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(cmd.Root(), strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func noCommand(group *cobra.Command, name string) error {
	return usagef("there is no command %q; see %s --help", name, group.CommandPath())
}

// strict makes wrong arguments a matter of usage in a whole tree of commands, those that cobra adds included, and groups show their help.
func strict(cmd *cobra.Command) {
	args := cmd.Args
	switch {
	case cmd.HasSubCommands() && !cmd.Runnable():
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return nil
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	case args != nil:
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			err := args(cmd, given)
			if _, told := errors.AsType[*exitError](err); err == nil || told {
				return err
			}
			return usagef("%w; see %s --help", err, cmd.CommandPath())
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}
