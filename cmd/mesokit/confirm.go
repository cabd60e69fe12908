package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// confirmFlag adds --yes to a command that cannot be undone.
func confirmFlag(cmd *cobra.Command) {
	cmd.Flags().BoolP("yes", "y", false, "do not ask; needed where nobody can be asked")
}

// confirm asks whether to go on with what cannot be undone; the text says what is destroyed. It returns nil after yes, or with --yes.
func confirm(cmd *cobra.Command, format string, args ...any) error {
	if yes, _ := cmd.Flags().GetBool("yes"); yes {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	if f, ok := cmd.InOrStdin().(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return usagef("%s. This cannot be undone, and standard input is no terminal where you could be asked: repeat it with --yes", what)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s. This cannot be undone. Go on? [y/N] ", what)
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // no answer is no
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &exitError{exitFailure, errors.New("nothing was done")}
}
