package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/core"
)

// uninstall has everything removed as soon as this scheduler may give commands, and tells what that waits for.
func uninstall(ctx context.Context, cmd *cobra.Command, f *framework.Framework, force bool) error {
	for s, st := range f.Watch(ctx) {
		if !st.Leading || !s.Connected && s.Guard == nil {
			continue
		}
		text, err := f.Do(ctx, core.Uninstall{Force: force})
		if errors.Is(err, framework.ErrInterrupted) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), text)
		break
	}
	return tellUninstalling(ctx, cmd.ErrOrStderr(), f.Snapshot)
}

// tellUninstalling says what an uninstallation waits for, as long as it does: whenever that changes, and for how long.
func tellUninstalling(ctx context.Context, w io.Writer, snapshot func() *core.Snapshot) error {
	p, begin := newProgress(w), time.Now()
	defer p.end()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if left := snapshot().Uninstalling(); len(left) > 0 {
			more := ""
			if len(left) > 1 {
				more = fmt.Sprintf("; and %d more", len(left)-1)
			}
			if time.Since(begin) > 10*time.Second {
				more += "; --uninstall --force gives up what is on agents that are gone"
			}
			p.tell("waiting for " + roughly(time.Since(begin)) + ": " + left[0] + more)
		}
	}
}
