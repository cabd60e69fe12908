package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/core/replay"
)

// newReplay feeds a recording to the core again.
func newReplay() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Feed what a scheduler recorded to the engine again",
		Long: `Feed what mesokit scheduler --record wrote to the engine of this program, and compare what it decides
with what was decided then. Nothing is called and nothing is stored.

Exit codes: 0 the same, 1 there are differences, or the file cannot be read.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return replayFile(cmd.Context(), cmd.OutOrStdout(), args[0], show, structured(cmd))
		},
	}
	cmd.Flags().BoolVar(&show, "show", false, "print what the engine said, with times")
	return cmd
}

// replayed is the report in JSON.
type replayed struct {
	Started     time.Time           `json:"started"`
	Applies     int                 `json:"applies"`
	Inputs      int                 `json:"inputs"`
	Differences []replay.Difference `json:"differences"`
	Apps        int                 `json:"apps"`
}

func replayFile(ctx context.Context, out io.Writer, name string, show, asJSON bool) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	var each func(*replay.Apply, *core.Effects)
	if show {
		each = func(_ *replay.Apply, e *core.Effects) {
			for _, n := range e.Notes {
				if asJSON {
					_ = json.NewEncoder(out).Encode(n)
					continue
				}
				fmt.Fprintf(out, "%s %s %s %s %s %s\n", n.Time.UTC().Format(time.RFC3339Nano), n.Kind, n.App, n.Task, n.State, n.Text)
			}
		}
	}
	report, err := replay.Replay(ctx, file, core.Config{}, each)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s := report.Core.Snapshot()
	if asJSON {
		r := replayed{report.Header.Started, report.Applies, report.Inputs, report.Differences, len(s.Apps)}
		if r.Differences == nil {
			r.Differences = []replay.Difference{}
		}
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "recorded from %s: %d rounds with %d inputs; in the end %d applications, framework %s\n",
			report.Header.Started.UTC().Format(time.RFC3339), report.Applies, report.Inputs, len(s.Apps), s.FrameworkID)
		for _, d := range report.Differences {
			fmt.Fprintln(out, d)
		}
	}
	switch n := len(report.Differences); {
	case n >= replay.MaxDifferences:
		return &exitError{exitFailure, fmt.Errorf("this program decides differently at %d places or more", n)}
	case n > 0:
		return &exitError{exitFailure, fmt.Errorf("this program decides differently at %d places", n)}
	}
	return nil
}

// openRecording makes the file of one term; a file that is there is not overwritten.
func openRecording(path string) (io.WriteCloser, error) {
	for n := 1; ; n++ {
		name := path
		if n > 1 {
			name = fmt.Sprintf("%s.%d", path, n)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		return f, err
	}
}
