// Package docstest keeps documents from rotting: Go code that they show is code that is compiled
// and tested somewhere in the repository, and what they link to is there.
package docstest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// files returns the contents of the repository's files with an ending, by path from the root.
func files(t *testing.T, ending string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ending && !strings.HasSuffix(path, ".pb.go") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// unindented returns text with leading and trailing space of each line removed, so that a block
// may be shown without the indentation that it has in its function.
func unindented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line))
		b.WriteByte('\n')
	}
	return b.String()
}

var (
	goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")
	link    = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)
)

// Blocks fenced as "go" are excerpts. The pages in docs/migrate also show code for other libraries;
// a test beside them tells the two apart.
func TestGoBlocksOfDocumentsAreInTheCode(t *testing.T) {
	var code strings.Builder
	for _, text := range files(t, ".go") {
		code.WriteString(unindented(text))
	}
	all := code.String()
	blocks := 0
	for path, text := range files(t, ".md") {
		if strings.HasPrefix(path, "docs/migrate/") {
			continue
		}
		for _, m := range goBlock.FindAllStringSubmatch(text, -1) {
			blocks++
			if !strings.Contains(all, unindented(m[1])) {
				t.Errorf("%s shows Go code that is nowhere in the repository:\n%s", path, m[1])
			}
		}
	}
	if blocks < 5 {
		t.Errorf("only %d blocks found: the test looks at nothing", blocks)
	}
}

func TestLinksOfDocumentsLeadSomewhere(t *testing.T) {
	links := 0
	for path, text := range files(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", path, target)
			}
		}
	}
	if links == 0 {
		t.Error("no links found: the test looks at nothing")
	}
}

var (
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	behavior = regexp.MustCompile(`docs/behaviour\.md(#[a-z-]+(?:(?:, | and )#[a-z-]+)*)`)
)

// Comments name the section of docs/behaviour.md that the code follows.
func TestCommentsNameSectionsOfTheBehaviourThatExist(t *testing.T) {
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(files(t, ".md")["docs/behaviour.md"], -1) {
		anchors[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	found := 0
	for path, text := range files(t, ".go") {
		for _, m := range behavior.FindAllStringSubmatch(text, -1) {
			for _, anchor := range regexp.MustCompile("#[a-z-]+").FindAllString(m[1], -1) {
				found++
				if !anchors[anchor[1:]] {
					t.Errorf("%s: docs/behaviour.md has no section %s", path, anchor)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d references to docs/behaviour.md were found: is this test still right?", found)
	}
}
