package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mesokit/mesokit/framework/app"
)

// appFile is a file with an application.
type appFile struct {
	name string // - for stdin
	data []byte
	app  *app.App // nil if it is not valid
	err  error    // why
}

// readAppFiles reads the files that are named, and those in directories that are named.
func readAppFiles(stdin io.Reader, names []string) ([]appFile, error) {
	var list []appFile
	for _, name := range names {
		if name == "-" {
			data, err := io.ReadAll(io.LimitReader(stdin, 16<<20))
			if err != nil {
				return nil, err
			}
			list = append(list, appFile{name: name, data: data})
			continue
		}
		files := []string{name}
		if info, err := os.Stat(name); err != nil {
			return nil, usagef("%w", err)
		} else if info.IsDir() {
			if files, err = filepath.Glob(filepath.Join(escapeGlob(name), "*.json")); err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, usagef("%s: there is no *.json in the directory", name)
			}
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) {
				continue // gone since the directory was read
			}
			if err != nil {
				return nil, usagef("%w", err)
			}
			list = append(list, appFile{name: file, data: data})
		}
	}
	for i := range list {
		list[i].app, list[i].err = app.Parse(list[i].data)
	}
	return list, nil
}

// escapeGlob makes a path a pattern that matches only itself.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// faults returns one line for each thing that is wrong, with its place.
func (f *appFile) faults() []string {
	if f.err == nil {
		return nil
	}
	all, ok := errors.AsType[app.Errors](f.err)
	if !ok {
		return []string{f.name + ": " + f.err.Error()}
	}
	var lines []string
	for _, e := range all {
		where, plain := f.name, *e
		if e.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", f.name, e.Line, e.Column)
		}
		plain.Line = 0
		lines = append(lines, where+": "+plain.Error())
	}
	return lines
}

// readApps reads valid applications, of different names.
func readApps(names []string) ([]*app.App, error) {
	files, err := readAppFiles(strings.NewReader(""), names)
	if err != nil {
		return nil, err
	}
	var apps []*app.App
	var wrong []string
	seen := map[string]string{}
	for _, f := range files {
		if f.app == nil {
			wrong = append(wrong, f.faults()...)
			continue
		}
		if other, twice := seen[f.app.Name]; twice {
			wrong = append(wrong, fmt.Sprintf("%s: the application %q is also in %s", f.name, f.app.Name, other))
		}
		seen[f.app.Name] = f.name
		apps = append(apps, f.app)
	}
	if len(wrong) > 0 {
		return nil, usagef("--app:\n%s", strings.Join(wrong, "\n"))
	}
	return apps, nil
}
