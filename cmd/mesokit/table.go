package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mesokit/mesokit/internal/visible"
)

// listing is a table of things. In a pipe it has aligned columns and nothing is cut; on a terminal it fits into its width, and states have
// colours. With -o wide nothing is cut and all columns are shown; with -o name it is the names of the things, one a line.
type listing struct {
	cmd     *cobra.Command
	columns []column
	rows    [][]string
}

// column is one of a listing.
type column struct {
	header string
	wide   bool // shown with -o wide only
	name   bool // what commands take: the lines of -o name. Without one it is the first column
}

// wide is the header of a column that only -o wide shows.
type wide string

// nameColumn is the header of the column that has the names of -o name.
type nameColumn string

// newTable begins a table. A header is a string, wide, nameColumn or a whole column.
func newTable(cmd *cobra.Command, headers ...any) *listing {
	l := &listing{cmd: cmd}
	for _, h := range headers {
		switch h := h.(type) {
		case wide:
			l.columns = append(l.columns, column{header: string(h), wide: true})
		case column:
			l.columns = append(l.columns, h)
		case nameColumn:
			l.columns = append(l.columns, column{header: string(h), name: true})
		default:
			l.columns = append(l.columns, column{header: fmt.Sprint(h)})
		}
	}
	return l
}

// AppendRow adds a row: a cell for each column.
func (l *listing) AppendRow(row table.Row) {
	cells := make([]string, len(l.columns))
	for i := range min(len(row), len(cells)) {
		cells[i] = visible.Line(strings.Join(strings.Fields(fmt.Sprint(row[i])), " ")) // a row is a line
	}
	l.rows = append(l.rows, cells)
}

// Render returns the table without a line break at its end.
func (l *listing) Render() string {
	if formatOf(l.cmd) == formatName {
		return strings.Join(l.names(), "\n")
	}
	return l.renderOn(screenOf(l.cmd.OutOrStdout()))
}

func (l *listing) renderOn(s screen) string {
	format := formatOf(l.cmd)
	if format == formatWide {
		s.width = 0
	}
	var show []int
	for i, c := range l.columns {
		if !c.wide || format == formatWide {
			show = append(show, i)
		}
	}
	t := table.NewWriter()
	t.SetStyle(plainTable)
	t.SuppressTrailingSpaces()
	widths := l.fit(show, s.width)
	put := func(cells []string, paint func(column int, cell string) string) table.Row {
		row := make(table.Row, len(show))
		for k, i := range show {
			cell := cells[i]
			if widths[k] > 0 {
				cell = text.Snip(cell, widths[k], s.ellipsis)
			}
			row[k] = paint(i, cell)
		}
		return row
	}
	headers := make([]string, len(l.columns))
	for i, c := range l.columns {
		headers[i] = c.header
	}
	t.AppendHeader(put(headers, func(_ int, cell string) string { return s.paint(cell, text.Bold) }))
	for _, cells := range l.rows {
		t.AppendRow(put(cells, func(i int, cell string) string {
			if h := l.columns[i].header; h != "state" && h != "health" {
				return cell
			}
			return s.paint(cell, colourOf(cells[i])...)
		}))
	}
	return t.Render()
}

// names returns the names of the things, each once.
func (l *listing) names() []string {
	at := 0
	for i, c := range l.columns {
		if c.name {
			at = i
		}
	}
	var names []string
	seen := map[string]bool{"": true}
	for _, cells := range l.rows {
		if name := cells[at]; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// columnGap is what is between columns.
const columnGap = "  "

// plainTable has no lines: what it renders can be read by awk as well as by people.
var plainTable = func() table.Style {
	s := table.StyleDefault
	s.Box.PaddingLeft, s.Box.PaddingRight = "", columnGap
	s.Options = table.OptionsNoBordersAndSeparators
	s.Format.Header = text.FormatDefault
	return s
}()

// leastWidth is what a column is not cut below.
const leastWidth = 8

// fit returns how wide the columns that are shown may be; 0 is as wide as they are. The widest give way first, the first one last: it says what
// a row is about.
func (l *listing) fit(show []int, width int) []int {
	is, total := make([]int, len(show)), 0
	for k, i := range show {
		is[k] = text.StringWidth(l.columns[i].header)
		for _, cells := range l.rows {
			is[k] = max(is[k], text.StringWidth(cells[i]))
		}
		total += is[k] + len(columnGap)
	}
	most := make([]int, len(show))
	if total -= len(columnGap); width <= 0 || total <= width {
		return most
	}
	copy(most, is)
	for ; total > width; total-- {
		widest := -1
		for k := 1; k < len(most); k++ {
			if most[k] > leastWidth && (widest < 0 || most[k] > most[widest]) {
				widest = k
			}
		}
		if widest < 0 {
			if most[0] <= leastWidth {
				break // the terminal is too narrow for it
			}
			widest = 0
		}
		most[widest]--
	}
	return most
}

// screen is what output goes to.
type screen struct {
	width    int    // in columns; 0: no terminal, as wide as may be
	colour   bool   // escape sequences are understood, and wanted
	ellipsis string // what stands for text that was cut
}

// screenOf looks at a writer and the environment: NO_COLOR and TERM say whether there are colours, LC_ALL, LC_CTYPE and LANG which characters.
func screenOf(w io.Writer) screen {
	w = visible.Raw(w)
	s := screen{ellipsis: "…"}
	if locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")); locale != "" &&
		!strings.Contains(strings.ReplaceAll(strings.ToLower(locale), "-", ""), "utf8") {
		s.ellipsis = "..."
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.width = 80
	if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
		s.width = columns
	}
	terminal := os.Getenv("TERM")
	s.colour = os.Getenv("NO_COLOR") == "" && terminal != "" && terminal != "dumb"
	return s
}

// paint colours a text.
func (s screen) paint(cell string, colours ...text.Color) string {
	if !s.colour || cell == "" || len(colours) == 0 {
		return cell
	}
	return text.Colors(colours).EscapeSeq() + cell + text.EscapeReset
}

// colourOf is the colour of a state: red where somebody has to do something, yellow where something is under way or limited.
func colourOf(state string) []text.Color {
	word, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(state), "task_"), " ")
	switch strings.TrimRight(word, ",:") {
	case "ok", "running", "active", "finished", "healthy", "leads", "connected", "reached", "up":
		return []text.Color{text.FgGreen}
	case "failing", "failed", "lost", "error", "dropped", "given", "given-up", "stalled", "degraded", "unhealthy", "gone", "killed", "unreachable", "stranded",
		"disconnected", "partitioned", "down":
		return []text.Color{text.FgRed}
	case "":
		return nil
	case "waits", "waiting", "staging", "starting", "launching", "killing", "draining", "drained", "deactivated", "deployment", "deploying", "paused", "changes",
		"recovered", "inactive", "suspended", "stopped", "blocked", "canary":
		return []text.Color{text.FgYellow}
	}
	return nil
}
