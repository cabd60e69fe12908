// Package migrate holds the migration pages to what they talk about: code blocks to the examples that are compiled and run, names of ours to the
// packages, names of old to the lists of testdata.
package migrate

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// go test ./docs/migrate -update writes the code blocks again.
var update = flag.Bool("update", false, "write the code blocks of the pages from the examples")

const root = "../.."

// pages returns the migration pages by name, without README.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil || len(files) < 7 {
		t.Fatalf("pages %q, error %v; want six and README.md", files, err)
	}
	texts := make(map[string]string)
	for _, file := range files {
		if file == "README.md" {
			continue
		}
		texts[file] = read(t, file)
	}
	return texts
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A block is preceded by what it is: <!-- before --> for a sketch of the old program, or <!-- FILE NAMES… --> for declarations of
// an example, all of the file if none is named.
var block = regexp.MustCompile("(?s)<!-- ([^>]*) -->\n```(\\w+)\n(.*?)\n?```\n")

func TestCodeBlocksAreTheExamples(t *testing.T) {
	for page, text := range pages(t) {
		before, after := 0, 0
		fresh := block.ReplaceAllStringFunc(text, func(match string) string {
			parts := block.FindStringSubmatch(match)
			words := strings.Fields(parts[1])
			if words[0] == "before" {
				before++
				return match
			}
			after++
			want, err := excerpt(filepath.Join(root, words[0]), words[1:])
			if err != nil {
				t.Errorf("%s: %v", page, err)
				return match
			}
			if want != parts[3] && !*update {
				t.Errorf("%s: the block of %s differs from the source; go test ./docs/migrate -update writes it anew", page, parts[1])
			}
			return "<!-- " + parts[1] + " -->\n```" + parts[2] + "\n" + want + "\n```\n"
		})
		if before == 0 || after == 0 {
			t.Errorf("%s: %d blocks of before and %d of after, want both", page, before, after)
		}
		if fences := strings.Count(text, "\n```go\n"); fences > len(block.FindAllString(text, -1)) {
			t.Errorf("%s: %d blocks of Go, some without a comment that says where they are from", page, fences)
		}
		if *update && fresh != text {
			if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

// row is a line of a table.
type row struct{ old, ours string }

// rows returns the lines of all tables with two columns.
func rows(text string) []row {
	var out []row
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") {
			continue
		}
		cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
		if len(cells) != 2 || strings.Trim(cells[0], " -") == "" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
		}
		out = append(out, row{cells[0], cells[1]})
	}
	return out
}

var quoted = regexp.MustCompile("`([^`]+)`")

// names returns what stands between backquotes.
func names(cell string) []string {
	var out []string
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// The lists are extracted from the documents of the old bindings: whatever they name has its line.
func TestEveryNameOfTheOldBindingsHasItsLine(t *testing.T) {
	for page, text := range pages(t) {
		have := make(map[string]bool)
		for _, r := range rows(text) {
			if r.ours == "" {
				t.Errorf("%s: nothing stands beside %s", page, r.old)
			}
			for _, name := range names(r.old) {
				have[name] = true
			}
		}
		list := strings.TrimSuffix(page, ".md") + ".names"
		wanted := 0
		for line := range strings.Lines(read(t, filepath.Join("testdata", list))) {
			name := strings.TrimSpace(line)
			if name == "" || strings.HasPrefix(name, "#") {
				continue
			}
			wanted++
			if !have[name] {
				t.Errorf("%s: %s of testdata/%s has no line", page, name, list)
			}
		}
		if wanted < 10 {
			t.Errorf("testdata/%s names %d things", list, wanted)
		}
	}
}

// What stands in the right column is there: packages, functions, types, fields and methods.
func TestEveryNameOfOursExists(t *testing.T) {
	index := newIndex(t)
	for page, text := range pages(t) {
		found := 0
		for _, r := range rows(text) {
			for _, name := range names(r.ours) {
				known, checked := index.lookup(name)
				if checked {
					found++
				}
				if checked && !known {
					t.Errorf("%s: beside %s: there is no %s", page, r.old, name)
				}
			}
		}
		if found < 10 {
			t.Errorf("%s: only %d names of ours were found to check", page, found)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

func TestLinksLeadSomewhereAndTheIndexListsAllPages(t *testing.T) {
	texts := pages(t)
	texts["README.md"] = read(t, "README.md")
	for page, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		if page != "README.md" && !strings.Contains(texts["README.md"], "("+page+")") {
			t.Errorf("README.md does not list %s", page)
		}
	}
}
