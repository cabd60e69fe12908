package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/framework/app"
)

func newAppSubmit() *cobra.Command {
	var o apiclient.SubmitOptions
	var w waitOptions
	cmd := &cobra.Command{
		Use: "submit FILE|DIR…", Short: "Add applications, or update those that exist", Args: cobra.MinimumNArgs(1),
		Long: `submit gives the scheduler applications: each FILE is a definition in JSON (- for stdin), of a DIR its *.json are. Of several, all are
taken in or none. For an application that exists, a new number of instances scales it, changed policies apply at
once, and anything else starts a deployment.`,
		Example: "  mesokit app submit --wait --timeout 5m web.json",
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			return submitFiles(cmd, c, args, o, &w)
		}),
	}
	cmd.Flags().BoolVar(&o.Force, "force", false, "replace a deployment that is under way")
	cmd.Flags().BoolVar(&o.KeepInstances, "keep-instances", false, "leave the number of instances of applications that exist as it is")
	w.flags(cmd)
	return cmd
}

// validFiles reads applications, and refuses them all if one is not valid.
func validFiles(cmd *cobra.Command, names []string) ([]appFile, error) {
	files, err := readAppFiles(cmd.InOrStdin(), names)
	if err != nil {
		return nil, err
	}
	wrong := faultsOf(files)
	for _, line := range wrong {
		fmt.Fprintln(cmd.ErrOrStderr(), line)
	}
	if len(wrong) > 0 {
		return nil, &exitError{exitFailure, fmt.Errorf("nothing was submitted: %s", plural(len(wrong), "error"))}
	}
	return files, nil
}

func submitFiles(cmd *cobra.Command, c *apiclient.Client, names []string, o apiclient.SubmitOptions, w *waitOptions) error {
	files, err := validFiles(cmd, names)
	if err != nil {
		return err
	}
	return submitAll(cmd, c, files, o, w)
}

// submitAll has all applications taken in, or none, and then tells what becomes of each, and waits for it if that is wanted.
func submitAll(cmd *cobra.Command, c *apiclient.Client, files []appFile, o apiclient.SubmitOptions, w *waitOptions) error {
	var list []apiclient.Submission
	submit := func() error {
		if len(files) == 1 {
			text, err := c.Submit(cmd.Context(), files[0].data, o)
			list = []apiclient.Submission{{App: files[0].app.Name, Text: text}}
			return wrapFile(files[0].name, err)
		}
		var err error
		list, err = c.SubmitAll(cmd.Context(), each(files, func(f appFile) []byte { return f.data }), o)
		if err != nil {
			return fmt.Errorf("nothing was submitted: %w", err)
		}
		return nil
	}
	waits := make([]waitOptions, len(files))
	for i, f := range files {
		waits[i] = *w
		if err := waits[i].begin(cmd, c, f.app.Name); err != nil {
			return err
		}
	}
	if err := submit(); err != nil {
		return err
	}
	for i, s := range list {
		if err := waits[i].finish(cmd, c, s.App, s.Text); err != nil {
			return wrapFile(files[i].name, err)
		}
	}
	return nil
}

func wrapFile(name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func newAppUpdate() *cobra.Command {
	var o apiclient.SubmitOptions
	var w waitOptions
	var dry, scale bool
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "update FILE|DIR…", Short: "Update applications that exist", Args: cobra.MinimumNArgs(1),
		Long: `update is submit for applications that exist: it adds none, and leaves the number of instances alone unless --scale is given. With
--dry-run it only shows what would change, and whether that needs a deployment (version), a scaling (scale) or nothing
to be restarted (policy).`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			o.KeepInstances = !scale
			files, err := validFiles(cmd, args)
			if err != nil {
				return err
			}
			for _, f := range files {
				a, err := c.App(cmd.Context(), f.app.Name)
				if p, ok := errors.AsType[*apiclient.Problem](err); ok && p.Type == "no-such-app" {
					return &exitError{exitFailure, fmt.Errorf("%s: %w; mesokit app submit adds it", f.name, p)}
				}
				if err != nil {
					return err
				}
				if dry {
					if err := tellDifference(cmd, a, f.app, scale); err != nil {
						return err
					}
				}
			}
			if dry {
				return nil
			}
			return submitAll(cmd, c, files, o, &w)
		}),
	}
	cmd.Flags().BoolVar(&o.Force, "force", false, "replace a deployment that is under way")
	cmd.Flags().BoolVar(&scale, "scale", false, "set the number of instances as well")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would change")
	w.flags(cmd)
	return cmd
}

func tellDifference(cmd *cobra.Command, a *apiclient.AppDetails, next *app.App, scale bool) error {
	old, err := app.Parse(a.Definition)
	if err != nil {
		return fmt.Errorf("the scheduler's definition of %s: %w", a.Name, err)
	}
	if next = next.Clone(); !scale {
		next.Instances = a.Instances
	}
	old.Instances = a.Instances
	type difference struct {
		Path   string `json:"path"`
		Old    string `json:"old,omitempty"`
		New    string `json:"new,omitempty"`
		Change string `json:"change"`
	}
	list := []difference{}
	for _, d := range app.Diff(old, next) {
		list = append(list, difference{d.Path, d.Old, d.New, d.Change.String()})
	}
	if structured(cmd) {
		return emit(cmd, map[string]any{"app": a.Name, "differences": list}, "")
	}
	if len(list) == 0 {
		return emit(cmd, nil, "%s: no difference", a.Name)
	}
	t := newTable(cmd, a.Name, "now", "then", "needs")
	for _, d := range list {
		t.AppendRow([]any{d.Path, d.Old, d.New, d.Change})
	}
	return emit(cmd, nil, "%s", t.Render())
}

func newAppValidate() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE|DIR…", Short: "Check definitions of applications, without a scheduler", Args: cobra.MinimumNArgs(1),
		Long: `validate checks definitions in JSON (- for stdin) and names the place of everything that is wrong: FILE:LINE:COLUMN. It exits with 1 if
something is.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := readAppFiles(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			wrong := 0
			for _, f := range files {
				if f.err == nil {
					f.err = twice(files, f)
				}
				if f.err != nil {
					wrong++
				}
				if err := tellValidity(cmd, &f); err != nil {
					return err
				}
			}
			if wrong > 0 {
				return &exitError{exitFailure, fmt.Errorf("%d of %d definitions are not valid", wrong, len(files))}
			}
			return nil
		},
	}
}

// validity is what validate tells of a file in JSON.
type validity struct {
	File   string                `json:"file"`
	Valid  bool                  `json:"valid"`
	App    string                `json:"app,omitempty"`
	Errors []apiclient.ProblemAt `json:"errors,omitempty"`
}

func tellValidity(cmd *cobra.Command, f *appFile) error {
	v := validity{File: f.name, Valid: f.err == nil}
	if f.app != nil {
		v.App = f.app.Name
	}
	if all, ok := errors.AsType[app.Errors](f.err); ok {
		for _, e := range all {
			v.Errors = append(v.Errors, apiclient.ProblemAt{Pointer: e.Path, Line: e.Line, Column: e.Column, Detail: e.What, Fix: e.Fix})
		}
	} else if f.err != nil {
		v.Errors = append(v.Errors, apiclient.ProblemAt{Detail: f.err.Error()})
	}
	if structured(cmd) || v.Valid {
		return emit(cmd, v, "%s: %s is valid", f.name, v.App)
	}
	for _, line := range f.faults() {
		if err := emit(cmd, nil, "%s", line); err != nil {
			return err
		}
	}
	return nil
}
