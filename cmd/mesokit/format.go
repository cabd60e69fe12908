package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// The output formats, values of --output.
const (
	formatText = "text"
	formatWide = "wide"
	formatName = "name"
	formatJSON = "json"
	formatYAML = "yaml"
)

// What a command prints, as an annotation of it; without one it is a thing or an outcome.
const (
	annotationOutput = "output"
	outputTable      = "table"  // wide and name say what of it is shown
	outputStream     = "stream" // lines as they come, also in JSON
)

// formatsOf returns the formats that a command can print, text first.
func formatsOf(cmd *cobra.Command) []string {
	switch cmd.Annotations[annotationOutput] {
	case outputTable:
		return []string{formatText, formatWide, formatName, formatJSON, formatYAML}
	case outputStream:
		return []string{formatText, formatJSON}
	}
	return []string{formatText, formatJSON, formatYAML}
}

// printsTable are the annotations of a command that prints a table.
func printsTable() map[string]string { return map[string]string{annotationOutput: outputTable} }

// printsStream are the annotations of a command that prints as things happen.
func printsStream() map[string]string { return map[string]string{annotationOutput: outputStream} }

// checkFormat refuses an --output that the command cannot print.
func checkFormat(cmd *cobra.Command) error {
	format := formatOf(cmd)
	if all := formatsOf(cmd); !slices.Contains(all, format) {
		return usagef("--output %q: %s prints %s", format, cmd.CommandPath(), strings.Join(all, ", "))
	}
	return nil
}

// formatOf is what --output says.
func formatOf(cmd *cobra.Command) string {
	format, _ := cmd.Flags().GetString("output")
	return format
}

// structured reports whether the user asked for a form that programs read.
func structured(cmd *cobra.Command) bool {
	return formatOf(cmd) == formatJSON || formatOf(cmd) == formatYAML
}

// emit prints a value as a line of JSON or a document of YAML, or its text.
func emit(cmd *cobra.Command, v any, format string, args ...any) error {
	if structured(cmd) {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
		return emitJSON(cmd, b.Bytes())
	}
	return emitText(cmd, fmt.Sprintf(format, args...))
}

// emitText prints a text and ends its line; no text is no line.
func emitText(cmd *cobra.Command, text string) error {
	if text == "" {
		return nil
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

// noneOf is what stands for a table without rows: the names of nothing are no lines.
func noneOf(cmd *cobra.Command, text string) string {
	if formatOf(cmd) == formatName {
		return ""
	}
	return text
}

// emitJSON prints a line of JSON as it is, or as a document of YAML with the same members in the same order.
func emitJSON(cmd *cobra.Command, line []byte) error {
	if formatOf(cmd) == formatYAML {
		var n yaml.Node
		if err := yaml.Unmarshal(line, &n); err != nil {
			return fmt.Errorf("cannot print as YAML: %w", err)
		}
		blockStyle(&n)
		var b bytes.Buffer
		b.WriteString("---\n")
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(&n); err != nil {
			return fmt.Errorf("cannot print as YAML: %w", err)
		}
		line = b.Bytes()
	}
	_, err := cmd.OutOrStdout().Write(line)
	return err
}

// blockStyle takes the style of JSON off a tree that was read from JSON. Empty collections have no other style, and strings keep their quotes: what
// looks like yes or 1e3 stays a string for every reader.
func blockStyle(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode && len(n.Content) > 0 {
		n.Style = 0
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			c.Style = 0
		}
		blockStyle(c)
	}
}
