package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// node is what masters and agents have in common.
type node interface {
	GetHealth(ctx context.Context) (bool, error)
	GetVersion(ctx context.Context) (*mesospb.VersionInfo, error)
	GetFlags(ctx context.Context) (map[string]string, error)
	GetMetrics(ctx context.Context, timeout time.Duration) (map[string]float64, error)
	GetLoggingLevel(ctx context.Context) (int, error)
	SetLoggingLevel(ctx context.Context, level int, d time.Duration) error
	ListFiles(ctx context.Context, path string) ([]*mesospb.FileInfo, error)
	ReadFile(ctx context.Context, path string, offset, length int64) (operator.FileChunk, error)
	Download(ctx context.Context, path string) (io.ReadCloser, error)
	Follow(ctx context.Context, path string, cfg operator.FollowConfig) iter.Seq2[[]byte, error]
}

// nodeRun is a command with a master or an agent.
type nodeRun func(cmd *cobra.Command, n node, args []string) error

// openNode makes such commands of a group; follows as operating.opened takes it.
type openNode func(follows bool, run nodeRun) func(*cobra.Command, []string) error

// nodeCommands returns the commands that masters and agents have in common. what is which of the two.
func nodeCommands(what string, open openNode) []*cobra.Command {
	return []*cobra.Command{
		newNodeHealth(what, open), newNodeVersion(what, open), newNodeFlags(what, open), newNodeMetrics(what, open), newNodeLogging(what, open),
	}
}

func newNodeHealth(what string, open openNode) *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Ask whether the " + what + " is well", Args: cobra.NoArgs,
		Long: "health exits with 0 if the " + what + " says that it is well, and with 1 otherwise.",
		RunE: open(false, func(cmd *cobra.Command, n node, _ []string) error {
			well, err := n.GetHealth(cmd.Context())
			if err != nil {
				return err
			}
			if err := emit(cmd, map[string]bool{"healthy": well}, "%s", map[bool]string{true: "healthy", false: "not healthy"}[well]); err != nil || well {
				return err
			}
			return &exitError{code: exitFailure}
		}),
	}
}

func newNodeVersion(what string, open openNode) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show version and build of the " + what, Args: cobra.NoArgs,
		RunE: open(false, func(cmd *cobra.Command, n node, _ []string) error {
			v, err := n.GetVersion(cmd.Context())
			if err != nil {
				return err
			}
			return emitMessage(cmd, v, func() string {
				text := "Mesos " + v.GetVersion()
				if v.GetBuildDate() != "" {
					text += ", built " + v.GetBuildDate()
				}
				if v.GetGitSha() != "" {
					text += ", commit " + v.GetGitSha()
				}
				return text
			})
		}),
	}
}

// patterns keeps what matches one of them, everything if there are none. A pattern is a glob, or a part of the name.
func patterns(cmd *cobra.Command, names []string, wanted []string) ([]string, error) {
	if len(wanted) == 0 {
		return names, nil
	}
	var kept []string
	for _, name := range names {
		for _, p := range wanted {
			// Slashes are ordinary characters in names of metrics.
			hit, err := path.Match(strings.ReplaceAll(p, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
			if err != nil {
				return nil, usagef("%q: %w", p, err)
			}
			if hit || !strings.ContainsAny(p, `*?[\`) && strings.Contains(name, p) {
				kept = append(kept, name)
				break
			}
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("none of %d names matches %s; %s without arguments shows them all", len(names), strings.Join(wanted, " "), cmd.CommandPath())
	}
	return kept, nil
}

func newNodeFlags(what string, open openNode) *cobra.Command {
	return &cobra.Command{
		Use: "flags [PATTERN…]", Short: "Show the command line flags that the " + what + " runs with",
		RunE: open(false, func(cmd *cobra.Command, n node, args []string) error {
			flags, err := n.GetFlags(cmd.Context())
			if err != nil {
				return err
			}
			names, err := patterns(cmd, sortedKeys(flags), args)
			if err != nil {
				return err
			}
			maps.DeleteFunc(flags, func(name, _ string) bool { return !slices.Contains(names, name) })
			return emit(cmd, flags, "%s", strings.Join(each(names, func(name string) string { return visible.Line("--" + name + "=" + flags[name]) }), "\n"))
		}),
	}
}

func newNodeMetrics(what string, open openNode) *cobra.Command {
	return &cobra.Command{
		Use: "metrics [PATTERN…]", Short: "Show metrics of the " + what,
		Long:    "metrics shows all metrics, or those that match a pattern: a part of the name, or a glob in which * stands for anything.",
		Example: "  mesokit " + what + " metrics tasks_running\n  mesokit " + what + " metrics '*/cpus_*' -o json",
		RunE: open(false, func(cmd *cobra.Command, n node, args []string) error {
			metrics, err := n.GetMetrics(cmd.Context(), 5*time.Second)
			if err != nil {
				return err
			}
			names, err := patterns(cmd, sortedKeys(metrics), args)
			if err != nil {
				return err
			}
			maps.DeleteFunc(metrics, func(name string, _ float64) bool { return !slices.Contains(names, name) })
			return emit(cmd, metrics, "%s", strings.Join(each(names, func(name string) string {
				return visible.Line(name) + " " + strconv.FormatFloat(metrics[name], 'f', -1, 64)
			}), "\n"))
		}),
	}
}

func newNodeLogging(what string, open openNode) *cobra.Command {
	var d time.Duration
	cmd := &cobra.Command{
		Use: "logging [LEVEL]", Short: "Show or raise how much the " + what + " logs", Args: cobra.MaximumNArgs(1),
		Long: "logging shows the level of verbose logging, 0 for none, or sets it, 0 to 3, for a time.",
		RunE: open(false, func(cmd *cobra.Command, n node, args []string) error {
			if len(args) == 0 {
				level, err := n.GetLoggingLevel(cmd.Context())
				if err != nil {
					return err
				}
				return emit(cmd, map[string]int{"level": level}, "%d", level)
			}
			level, err := strconv.Atoi(args[0])
			if err != nil || level < 0 || level > 3 || d <= 0 {
				return usagef("level %q for %v: want a level from 0 to 3, for more than no time", args[0], d)
			}
			if err := n.SetLoggingLevel(cmd.Context(), level, d); err != nil {
				return err
			}
			return tell(cmd, map[string]string{}, "the %s logs at level %d for %v", what, level, d)
		}),
	}
	cmd.Flags().DurationVar(&d, "for", 10*time.Minute, "for how long")
	return cmd
}

// pathOf turns the argument of a command for files into a path on the node.
type pathOf func(arg string) string

// newFiles returns the group of commands for files. open yields how arguments become paths, beside the node.
func newFiles(what, example string, open func(follows bool, run func(cmd *cobra.Command, n node, at pathOf, args []string) error) func(*cobra.Command, []string) error) *cobra.Command {
	group := &cobra.Command{Use: "files", Short: "List and read files of the " + what, Example: example}
	optional := " PATH"
	args := cobra.ExactArgs(1)
	if what == "agent" { // with --task there is a place to begin
		optional, args = " [PATH]", cobra.MaximumNArgs(1)
	}
	var lines int
	var follow bool
	tail := &cobra.Command{
		Annotations: printsStream(), Use: "tail PATH", Short: "Show the end of a file, with -f what is written to it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lines < 0 {
				return usagef("--lines %d: want 0 or more", lines)
			}
			return open(follow, func(cmd *cobra.Command, n node, at pathOf, args []string) error {
				return tailFile(cmd.Context(), fileOut(cmd, args[0]), n, at(args[0]), lines, follow)
			})(cmd, args)
		},
	}
	tail.Flags().IntVarP(&lines, "lines", "n", 10, "how many lines from the end")
	tail.Flags().BoolVarP(&follow, "follow", "f", false, "go on as the file grows, until interrupted; wait for a file that is not there yet")
	group.AddCommand(tail, &cobra.Command{
		Annotations: printsTable(), Use: "ls" + optional, Short: "List a directory", Args: args,
		RunE: open(false, func(cmd *cobra.Command, n node, at pathOf, args []string) error {
			dir := at(strings.Join(args, ""))
			list, err := n.ListFiles(cmd.Context(), dir)
			if err != nil {
				return dirError(err, dir)
			}
			return emitMessage(cmd, &masterpb.Response_ListFiles{FileInfos: list}, func() string { return fileTable(cmd, list) })
		}),
	}, &cobra.Command{
		Annotations: printsStream(), Use: "cat PATH…", Aliases: []string{"read"}, Short: "Write files to stdout, byte for byte", Args: cobra.MinimumNArgs(1),
		RunE: open(true, func(cmd *cobra.Command, n node, at pathOf, args []string) error {
			for _, arg := range args {
				if err := catFile(cmd.Context(), fileOut(cmd, arg), n, at(arg)); err != nil {
					return err
				}
			}
			return nil
		}),
	})
	return group
}

// fileOut is where the content of a file goes.
func fileOut(cmd *cobra.Command, name string) io.Writer {
	if !structured(cmd) {
		return visible.Raw(cmd.OutOrStdout())
	}
	return pieceWriter{cmd, name}
}

// pieceWriter writes content as lines of JSON.
type pieceWriter struct {
	cmd  *cobra.Command
	path string
}

func (p pieceWriter) Write(b []byte) (int, error) {
	return len(b), emit(p.cmd, map[string]string{"path": p.path, "data": string(b)}, "")
}

// fileLister lists directories.
type fileLister interface {
	ListFiles(ctx context.Context, path string) ([]*mesospb.FileInfo, error)
}

// noFile is the error for a file that is not there; it names those that are.
func noFile(ctx context.Context, n fileLister, name string) error {
	list, err := n.ListFiles(ctx, path.Dir(name))
	if err != nil {
		return fmt.Errorf("there is no %s, nor can its directory be listed: %w", name, err)
	}
	names := each(list, func(f *mesospb.FileInfo) string { return path.Base(f.GetPath()) })
	text := strings.Join(names[:min(len(names), maxListed)], ", ")
	if more := len(names) - maxListed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("there is no %s; its directory has: %s", name, cmp.Or(text, "nothing"))
}

// fileError says what a refusal means for a file.
func fileError(ctx context.Context, n fileLister, err error, name string) error {
	switch {
	case errors.Is(err, transport.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
		return noFile(ctx, n, name)
	case errors.Is(err, transport.ErrBadRequest):
		return fmt.Errorf("%s cannot be read as a file; is it a directory? See files ls: %w", name, err)
	}
	return err
}

// dirError says what a refusal means for a directory.
func dirError(err error, name string) error {
	if errors.Is(err, transport.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no directory %s", name)
	}
	return err
}

func catFile(ctx context.Context, w io.Writer, n node, name string) error {
	for offset := int64(0); ; {
		chunk, err := n.ReadFile(ctx, name, offset, -1)
		if err != nil {
			return fileError(ctx, n, err, name)
		}
		if len(chunk.Data) == 0 {
			return nil
		}
		if _, err := w.Write(chunk.Data); err != nil {
			return err
		}
		offset += int64(len(chunk.Data))
	}
}

// tailFile writes the last lines of a file, and what comes.
func tailFile(ctx context.Context, w io.Writer, n node, name string, lines int, follow bool) error {
	offset, err := lastLines(ctx, n, name, lines)
	if err != nil && !(follow && errors.Is(err, transport.ErrNotFound)) {
		return fileError(ctx, n, err, name)
	}
	cfg := operator.FollowConfig{Offset: offset}
	if !follow {
		end := make(chan struct{})
		close(end)
		cfg.Done = end
	}
	for piece, err := range n.Follow(ctx, name, cfg) {
		if err != nil {
			return fileError(ctx, n, err, name)
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// fileReader reads parts of files.
type fileReader interface {
	ReadFile(ctx context.Context, path string, offset, length int64) (operator.FileChunk, error)
}

// lastLines returns where the last lines of a file begin.
func lastLines(ctx context.Context, n fileReader, name string, lines int) (int64, error) {
	head, err := n.ReadFile(ctx, name, 0, 0)
	if err != nil || lines == 0 {
		return head.Size, err
	}
	const step = 16 << 10
	for end := head.Size; end > 0; {
		begin := max(0, end-step)
		chunk, err := n.ReadFile(ctx, name, begin, end-begin)
		if err != nil {
			return 0, err
		}
		block := chunk.Data[:min(int64(len(chunk.Data)), end-begin)]
		for i := len(block) - 1; i >= 0; i-- {
			at := begin + int64(i)
			if block[i] != '\n' || at == head.Size-1 {
				continue // what ends the last line begins no other
			}
			if lines--; lines == 0 {
				return at + 1, nil
			}
		}
		end = begin
	}
	return 0, nil
}

func fileTable(cmd *cobra.Command, list []*mesospb.FileInfo) string {
	if len(list) == 0 {
		return noneOf(cmd, "The directory is empty.")
	}
	t := newTable(cmd, "mode", "owner", "size", "changed", nameColumn("name"))
	for _, f := range list {
		mode := fs.FileMode(f.GetMode() & 0o777)
		if f.GetMode()&0o170000 == 0o040000 { // S_IFDIR
			mode |= fs.ModeDir
		}
		t.AppendRow(table.Row{mode, f.GetUid(), f.GetSize(), ago(timeOf(f.GetMtime())), path.Base(f.GetPath())})
	}
	return t.Render()
}
