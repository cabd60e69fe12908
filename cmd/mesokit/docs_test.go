package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	shellBlock  = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	commandLine = regexp.MustCompile(`(?m)^(?:go run \./cmd/mesokit|mesokit) ([^#&|>\n]*)`)
)

// Every command that a document shows is one of this program, with flags and arguments that it takes.
func TestDocumentsShowCommandsThatExist(t *testing.T) {
	files := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range shellBlock.FindAllSubmatch(text, -1) {
			for _, line := range commandLine.FindAllSubmatch(block[1], -1) {
				seen++
				cmd, rest, err := newRoot().Find(words(string(line[1])))
				if err == nil {
					err = cmd.ParseFlags(rest)
				}
				if err == nil {
					err = cmd.ValidateArgs(cmd.Flags().Args())
				}
				if err == nil {
					err = cmd.ValidateRequiredFlags()
				}
				if err != nil {
					t.Errorf("%s: mesokit %s: %v", file, line[1], err)
				}
			}
		}
	}
	if seen < 15 {
		t.Errorf("documents show only %d commands", seen)
	}
}

// words splits a line as a shell does, as far as documents need it.
func words(line string) []string {
	var all []string
	for _, w := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1) {
		all = append(all, strings.Trim(w, `'"`))
	}
	return all
}
