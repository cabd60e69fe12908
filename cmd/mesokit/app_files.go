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
	seen := map[string]bool{}
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
			if seen[filepath.Clean(file)] { // named on its own and with its directory
				continue
			}
			seen[filepath.Clean(file)] = true
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

// twice returns an error if a file before this one has an application of the same name.
func twice(files []appFile, f appFile) error {
	for _, other := range files {
		if other.name == f.name {
			return nil
		}
		if other.app != nil && f.app != nil && other.app.Name == f.app.Name {
			return fmt.Errorf("the application %q is also in %s", f.app.Name, other.name)
		}
	}
	return nil
}

// faultsOf returns one line for each thing that is wrong with files or between them.
func faultsOf(files []appFile) []string {
	var wrong []string
	for _, f := range files {
		wrong = append(wrong, f.faults()...)
		if err := twice(files, f); err != nil {
			wrong = append(wrong, f.name+": "+err.Error())
		}
	}
	return wrong
}

// readApps reads valid applications, of different names.
func readApps(names []string) ([]*app.App, error) {
	files, err := readAppFiles(strings.NewReader(""), names)
	if err != nil {
		return nil, err
	}
	if wrong := faultsOf(files); len(wrong) > 0 {
		return nil, usagef("--app:\n%s", strings.Join(wrong, "\n"))
	}
	return each(files, func(f appFile) *app.App { return f.app }), nil
}
