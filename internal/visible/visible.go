// Package visible makes text of others harmless for terminals and logs: names, messages and the like come from the network, and may
// hold escape sequences that move the cursor, line breaks that make up lines, or characters that change the direction of what follows.
package visible

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line returns a text in which every character that is not printed is written as \u001b, so that it stays one line. The escapes are those of JSON:
// what was JSON still is.
func Line(s string) string { return escape(s, func(rune) bool { return false }) }

// Text is Line, but for line breaks and tabs, which stay.
func Text(s string) string { return escape(s, func(r rune) bool { return r == '\n' || r == '\t' }) }

func escape(s string, keep func(rune) bool) string {
	clean := true
	for i, r := range s {
		if !unicode.IsGraphic(r) && !keep(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s { // bytes that are no UTF-8 become U+FFFD: some terminals take them for control characters
		switch {
		case unicode.IsGraphic(r) || keep(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Writer passes texts on, as Text makes them. Each Write has to be made of whole characters, as those of package fmt are.
// Writes may be concurrent: each is passed on as one.
type Writer struct {
	mu      sync.Mutex
	w       io.Writer
	colours bool
	filters []func(string) string
}

// NewWriter returns a writer to w. With colours the sequences that only set colours are passed on. Filters change the texts before.
func NewWriter(w io.Writer, colours bool, filters ...func(string) string) *Writer {
	return &Writer{w: w, colours: colours, filters: filters}
}

// Raw returns the writer behind a Writer, for what is meant to go through as it is, such as the output of a task; others are returned as they are.
func Raw(w io.Writer) io.Writer {
	if v, ok := w.(*Writer); ok {
		return v.w
	}
	return w
}

// Write writes all of p, or none of it.
func (v *Writer) Write(p []byte) (int, error) {
	text := string(p)
	for _, f := range v.filters {
		text = f(text)
	}
	if !v.colours {
		text = Text(text)
	} else {
		text = v.coloured(text)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, err := io.WriteString(v.w, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// coloured is Text for all that is not a sequence that sets colours: ESC [ digits and semicolons m.
func (v *Writer) coloured(text string) string {
	var b strings.Builder
	for {
		begin := strings.Index(text, "\x1b[")
		if begin < 0 {
			break
		}
		end := begin + 2 + len(text[begin+2:]) - len(strings.TrimLeft(text[begin+2:], "0123456789;"))
		b.WriteString(Text(text[:begin]))
		if end < len(text) && text[end] == 'm' {
			end++
			b.WriteString(text[begin:end])
		} else {
			b.WriteString(Text(text[begin:end]))
		}
		text = text[end:]
	}
	b.WriteString(Text(text))
	return b.String()
}
