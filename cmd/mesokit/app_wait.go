package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/internal/visible"
)

// waitOptions are the flags of commands that can wait for their effect.
type waitOptions struct {
	wait    bool
	timeout time.Duration
	gone    bool   // wait until the application is gone
	back    bool   // a rollback is what is wanted
	before  uint64 // number of the last deployment before the command
}

func (w *waitOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.wait, "wait", false, "wait until the application is as it should be: all instances up, or their goal reached")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "give up --wait after this time and exit with 124; 0 for never")
}

// command does what do does, tells what comes of it and waits for that if it is asked to.
func (w *waitOptions) command(cmd *cobra.Command, c *apiclient.Client, name string, do func() (string, error)) error {
	if err := w.begin(cmd, c, name); err != nil {
		return err
	}
	text, err := do()
	if err != nil {
		return err
	}
	return w.finish(cmd, c, name, text)
}

// begin checks the flags and looks at the application before the command.
func (w *waitOptions) begin(cmd *cobra.Command, c *apiclient.Client, name string) error {
	switch {
	case w.timeout < 0:
		return usagef("--timeout %v: want 0 or more", w.timeout)
	case w.timeout > 0 && !w.wait:
		return usagef("--timeout bounds --wait: give both")
	}
	if !w.wait {
		return nil
	}
	if a, err := c.App(cmd.Context(), name); err == nil && a.Last != nil {
		w.before = a.Last.Number
	}
	return nil
}

// finish tells what comes of the command and waits for that if it is asked to.
func (w *waitOptions) finish(cmd *cobra.Command, c *apiclient.Client, name, text string) error {
	if !w.wait || !structured(cmd) {
		if err := emit(cmd, outcome{name, text}, "%s", text); err != nil || !w.wait {
			return err
		}
	}
	ctx := cmd.Context()
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	a, err := w.await(ctx, cmd, c, name)
	if ctx.Err() != nil && cmd.Context().Err() == nil {
		err = &exitError{exitTimeout, fmt.Errorf("timeout: %s is not as it should be after %v%s", name, w.timeout, whyNot(cmd.Context(), c, name))}
	}
	if err == nil && structured(cmd) {
		err = emit(cmd, struct {
			outcome
			Details *apiclient.AppDetails `json:"details,omitempty"`
		}{outcome{name, text}, a}, "")
	}
	return err
}

// await returns when the application is as it should be, nil if it is gone.
func (w *waitOptions) await(ctx context.Context, cmd *cobra.Command, c *apiclient.Client, name string) (*apiclient.AppDetails, error) {
	p := newProgress(cmd.ErrOrStderr())
	defer p.end()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := c.App(ctx, name)
		if isNoApp(err) && w.gone {
			var left []apiclient.Leftover
			if left, err = leftoversOf(ctx, c, name); err == nil {
				if len(left) == 0 {
					p.tell(name + " is gone")
					return nil, nil
				}
				p.tell(waitsFor(name, left))
			}
		}
		if err != nil {
			return nil, err
		}
		if a == nil {
		} else if w.gone {
			p.tell(fmt.Sprintf("%s: %d instances left%s", name, placesOf(&a.App), whyNot(ctx, c, name)))
		} else {
			p.tell(progressOf(a))
			if done, err := w.judge(a); done || err != nil {
				return a, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// judge says whether an application is as it should be, or will not be without somebody's help.
func (w *waitOptions) judge(a *apiclient.AppDetails) (bool, error) {
	var err error
	switch d := a.Last; {
	case a.Trouble != "":
		err = fmt.Errorf("%s is %s", a.Name, a.Trouble)
	case a.Removing:
		err = fmt.Errorf("%s is being removed", a.Name)
	case a.Deployment == "canary":
		return true, nil
	case a.Deployment == "paused":
		err = fmt.Errorf("the deployment of %s is paused; see mesokit app resume", a.Name)
	case a.Deployment == "stalled":
		err = fmt.Errorf("the deployment of %s failed: %s; see mesokit app explain %[1]s, rollback or resume", a.Name, d.Text)
	case d != nil && d.Rollback && d.Number > w.before && !w.back:
		err = fmt.Errorf("%s went back to version %d: %s", a.Name, d.To, cmp.Or(d.Text, "somebody wanted it so"))
	case a.GivenUp > 0 && a.Deployment == "":
		err = fmt.Errorf("%d instances of %s were given up; see mesokit app show %[2]s", a.GivenUp, a.Name)
	}
	return settled(&a.App) && err == nil, err
}

// settled says whether all instances are up or have reached their goal, and no others are there.
func settled(a *apiclient.App) bool {
	if a.Deployment != "" || a.Removing || a.Waiting > 0 || a.GivenUp > 0 {
		return false
	}
	n := placesOf(a)
	return a.Up+a.Reached == n && (a.Daemon || n == a.Instances)
}

func progressOf(a *apiclient.AppDetails) string {
	text := a.Name + ": " + upOf(&a.App) + " up"
	if a.Reached > 0 {
		text += fmt.Sprintf(", %d done", a.Reached)
	}
	if a.Waiting > 0 {
		text += fmt.Sprintf(", %d waiting", a.Waiting)
	}
	if a.GivenUp > 0 {
		text += fmt.Sprintf(", %d given up", a.GivenUp)
	}
	if d := a.Last; d != nil && a.Deployment != "" {
		text += fmt.Sprintf(", deployment to version %d: %s, %d ready", d.To, d.State, d.Ready)
	}
	return text
}

// whyNot adds what the first instance that waits is waiting for.
func whyNot(ctx context.Context, c *apiclient.Client, name string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := c.Explanations(ctx, name)
	if err != nil || len(list) == 0 {
		return ""
	}
	text := fmt.Sprintf("; %s/%d: %s", name, list[0].Index, list[0].Text)
	if f := list[0].Offers; f != nil {
		text += " (" + f.Text + ")"
	}
	return text
}

// progress tells how something goes: in one line that changes on a terminal, else in a line for each change.
type progress struct {
	w        io.Writer
	terminal bool
	last     string
}

func newProgress(w io.Writer) *progress {
	f, ok := visible.Raw(w).(*os.File)
	return &progress{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *progress) tell(text string) {
	switch {
	case text == p.last:
		return
	case p.terminal:
		fmt.Fprintf(visible.Raw(p.w), "\r\x1b[K%s", visible.Line(text))
	default:
		fmt.Fprintln(p.w, text)
	}
	p.last = text
}

func (p *progress) end() {
	if p.terminal && p.last != "" {
		fmt.Fprintln(p.w)
	}
}

// indent makes JSON readable.
func indent(raw []byte) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	text, err := json.MarshalIndent(json.RawMessage(raw), "", "  ")
	if err != nil {
		return string(raw)
	}
	return string(text)
}
