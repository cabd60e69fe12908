package conformance

import (
	"fmt"
	"io"
	"text/tabwriter"
	"unicode/utf8"
)

// A NotRun case could not be run against a target.
type NotRun struct {
	Case   string
	Reason string
}

// WriteTable writes the outcome for people: one line per exchange that is the same, per difference,
// and per known difference (however many places it covers), and one per case that was not run.
func WriteTable(w io.Writer, v Verdict, known []Known, notRun []NotRun) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "CASE\tEXCHANGE\tRESULT\tWHERE\tWANT\tGOT")
	places := make(map[int]int)
	for _, by := range v.By {
		if by >= 0 {
			places[by]++
		}
	}
	done := make(map[int]bool)
	same, different, expected := 0, 0, 0
	for i, r := range v.Rows {
		by := v.By[i]
		switch {
		case r.Same():
			same++
			fmt.Fprintf(table, "%s\t%s\tsame\t\t\t\n", r.Case, short(r.Exchange, 60))
		case by < 0:
			different++
			fmt.Fprintf(table, "%s\t%s\tDIFFERENT (%s)\t%s\t%s\t%s\n", r.Case, short(r.Exchange, 60), r.Kind, place(r), short(r.Want, 90), short(r.Got, 90))
		default:
			expected++
			if !done[by] {
				done[by] = true
				fmt.Fprintf(table, "%s\t%s\tknown (%s, %d places)\t%s\t%s\t\n", r.Case, short(r.Exchange, 60), r.Kind, places[by], place(r), short(known[by].Reason, 90))
			}
		}
	}
	for _, n := range notRun {
		fmt.Fprintf(table, "%s\t\tnot run\t%s\t\t\n", n.Case, n.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d exchanges the same, %d differences, %d known differences, %d cases not run\n", same, different, expected, len(notRun))
	return err
}

func place(r Row) string {
	switch {
	case r.Event == "":
		return r.Path
	case r.Path == "":
		return r.Event
	}
	return r.Event + " " + r.Path
}

func short(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
