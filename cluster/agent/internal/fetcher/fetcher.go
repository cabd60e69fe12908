// Package fetcher brings the URIs of a command into its sandbox, by the rules of the Mesos fetcher:
//
//   - URIs are fetched one after the other; the first failure ends it;
//   - the file is named by output_file (a relative path, its directories are made), else by what
//     follows the last slash of the URI, a query included;
//   - an absolute path and file:// are copied; http:// and https:// must answer 200;
//   - executable sets mode 0755 and does not extract; otherwise extract, which is the default,
//     unpacks .tar .tgz .tar.gz .tbz2 .tar.bz2 .txz .tar.xz .zip and .gz into the sandbox;
//   - cache keeps what was fetched and takes it from there the next time; an archive that is
//     extracted from the cache does not remain in the sandbox.
//
// Nothing is ever written outside the sandbox, whatever an archive says.
package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/mesokit/mesokit/internal/redact"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// StallTimeout is for how long a server may send nothing.
const StallTimeout = time.Minute

// Error says which URI could not be fetched, without a password that may be in it.
type Error struct {
	URI string
	Err error
}

func (e *Error) Error() string {
	return redact.URIs(fmt.Sprintf("failed to fetch '%s': %v", e.URI, e.Err))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// StatusError is the cause when a server answered something else than 200.
type StatusError struct{ Code int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("unexpected HTTP status %d %s, want 200", e.Code, http.StatusText(e.Code))
}

// ErrUnsupported is the cause for URIs that name no local file and no web server.
var ErrUnsupported = errors.New("the URI is neither an absolute path nor file://, http:// or https://")

// What archives may unpack to: of what people make little is packed as well as 1:100, while a gzip bomb is packed 1:1000. Mesos itself has no limit.
const (
	maxRatio   = 200
	minExtract = 64 << 20
)

// Fetcher fetches. The zero value is ready to use and caches nothing. It is safe for concurrent use.
type Fetcher struct {
	// Client makes the requests; nil means http.DefaultClient.
	Client *http.Client
	// Cache keeps URIs that ask for it; nil fetches them anew each time.
	Cache *Cache
	// MaxExtract is the most that one archive may unpack to, in bytes; 0 means maxRatio times its size, but at least minExtract.
	MaxExtract int64
}

// Fetch fetches all uris into the directory dir, which must exist. It writes what it does to log, one line
// at a time. Errors are of type *Error.
func (f *Fetcher) Fetch(ctx context.Context, uris []*mesospb.CommandInfo_URI, dir, user string, log io.Writer) error {
	if len(uris) == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &Error{uris[0].GetValue(), err}
	}
	defer root.Close()
	for _, u := range uris {
		j := job{f: f, uri: u, root: root, dir: dir, user: user, log: log}
		if err := j.run(ctx); err != nil {
			err := &Error{u.GetValue(), err}
			j.logf("%v", err)
			return err
		}
	}
	return nil
}

// job is the fetching of one URI.
type job struct {
	f         *Fetcher
	uri       *mesospb.CommandInfo_URI
	root      *os.Root
	dir, user string
	log       io.Writer
}

func (j *job) logf(format string, args ...any) {
	fmt.Fprintf(j.log, "I%s fetcher] %s\n", time.Now().Format("0102 15:04:05.000000"), redact.URIs(fmt.Sprintf(format, args...)))
}

func (j *job) run(ctx context.Context) error {
	value := strings.TrimSpace(j.uri.GetValue())
	name, err := outputName(j.uri, value)
	if err != nil {
		return err
	}
	j.logf("Fetching URI '%s'", value)
	cached := j.uri.GetCache() && j.f.Cache != nil
	extract := j.uri.GetExtract() && !j.uri.GetExecutable() && Extractable(name)
	if cached {
		file, err := j.f.Cache.get(ctx, j.user+"\x00"+value, func(w io.Writer) error { return j.f.copyURI(ctx, value, w) })
		if err != nil {
			return err
		}
		defer file.Close()
		if extract {
			j.logf("Extracting '%s' from the cache into '%s'", name, j.dir)
			return j.extract(ctx, file, name)
		}
		j.logf("Copying '%s' from the cache to '%s'", value, filepath.Join(j.dir, name))
		return j.store(name, func(w io.Writer) error {
			_, err := io.Copy(w, file)
			return err
		})
	}
	j.logf("Fetching '%s' directly into the sandbox '%s'", value, j.dir)
	if err := j.store(name, func(w io.Writer) error { return j.f.copyURI(ctx, value, w) }); err != nil {
		return err
	}
	if extract {
		file, err := j.root.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		j.logf("Extracting '%s' into '%s'", name, j.dir)
		if err := j.extract(ctx, file, name); err != nil {
			return err
		}
	}
	j.logf("Fetched '%s' to '%s'", value, filepath.Join(j.dir, name))
	return nil
}

// store makes the file name of the sandbox from what write writes.
func (j *job) store(name string, write func(io.Writer) error) error {
	if dir := path.Dir(name); dir != "." {
		if err := j.root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("failed to make the directories of output_file '%s': %w", name, err)
		}
	}
	mode := os.FileMode(0o644)
	if j.uri.GetExecutable() {
		mode = 0o755
	}
	file, err := j.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil && j.uri.GetExecutable() {
		err = file.Chmod(0o755) // whatever the umask, and for a file that was there
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = j.root.Remove(name) // no half a file is left
		return err
	}
	if j.uri.GetExecutable() {
		settle(j.root, name)
	}
	return nil
}

func (j *job) extract(ctx context.Context, file *os.File, name string) error {
	limit := j.f.MaxExtract
	if limit == 0 {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		limit = max(minExtract, maxRatio*info.Size())
	}
	return Extract(ctx, file, name, j.root, limit)
}

// outputName returns the path in the sandbox, with slashes.
func outputName(u *mesospb.CommandInfo_URI, value string) (string, error) {
	if value == "" {
		return "", errors.New("the URI is empty")
	}
	if out := u.GetOutputFile(); out != "" {
		if path.IsAbs(out) || !filepath.IsLocal(filepath.FromSlash(out)) {
			return "", fmt.Errorf("output_file '%s' must be a relative path within the sandbox", out)
		}
		return path.Clean(out), nil
	}
	name := value[strings.LastIndexByte(value, '/')+1:]
	switch {
	case name == "" || name == "." || name == "..":
		return "", fmt.Errorf("the URI has no file name after the last slash: set output_file")
	case strings.ContainsRune(name, 0):
		return "", errors.New("the URI contains a NUL byte")
	}
	return name, nil
}

// copyURI writes what a URI names to w.
func (f *Fetcher) copyURI(ctx context.Context, value string, w io.Writer) error {
	scheme, rest, found := strings.Cut(value, "://")
	switch {
	case !found && path.IsAbs(value):
		return copyFile(ctx, value, w)
	case !found:
		return fmt.Errorf("'%s' is a relative path: there is no frameworks home to look it up in; use an absolute path or a URL", value)
	case strings.EqualFold(scheme, "file"):
		rest = strings.TrimPrefix(rest, "localhost")
		if !path.IsAbs(rest) {
			return fmt.Errorf("'%s' does not name an absolute path", value)
		}
		return copyFile(ctx, rest, w)
	case strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"):
		return f.download(ctx, value, w)
	}
	return fmt.Errorf("scheme '%s': %w", scheme, ErrUnsupported)
}

func copyFile(ctx context.Context, name string, w io.Writer) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("'%s' is not a regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, contextReader{ctx, file})
	return err
}

func (f *Fetcher) download(ctx context.Context, value string, w io.Writer) error {
	if _, err := url.Parse(value); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := fmt.Errorf("the server sent nothing for %v", StallTimeout)
	watch := time.AfterFunc(StallTimeout, func() { cancel(stalled) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, value, nil)
	if err != nil {
		return err
	}
	client := f.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return cause(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &StatusError{resp.StatusCode}
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		watch.Reset(StallTimeout)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return cause(ctx, err)
		}
	}
}

// cause prefers the reason that a context was cancelled for.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// contextReader ends with the context's error once that is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
