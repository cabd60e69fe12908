// Package fetcher brings the URIs of a command into its sandbox, by the rules of the Mesos fetcher:
//
//   - URIs are fetched one after the other; the first failure ends it;
//   - the file is named by output_file (a relative path, its directories are made), else by what
//     follows the last slash of the URI, a query included;
//   - an absolute path and file:// are copied with their mode; http:// and https:// must answer 200, and what they send is kept as it is,
//     whatever its Content-Encoding;
//   - executable sets mode 0755 and does not extract; otherwise extract, which is the default,
//     unpacks .tar .tgz .tar.gz .tbz2 .tar.bz2 .txz .tar.xz .zip and .gz into the sandbox, archives by what is in them;
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
	"io/fs"
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
	// Cache keeps URIs that ask for it; nil fetches them again each time.
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
	value := trim(j.uri.GetValue())
	name, err := outputName(j.uri, value)
	if err != nil {
		return err
	}
	j.logf("Fetching URI '%s'", value)
	cached := j.uri.GetCache() && j.f.Cache != nil
	extract := j.uri.GetExtract() && !j.uri.GetExecutable() && Extractable(name)
	if cached {
		file, err := j.f.Cache.get(ctx, j.user+"\x00"+value, func() (*source, error) { return j.f.open(ctx, value) })
		if err != nil {
			return err
		}
		defer file.Close()
		if extract {
			j.logf("Extracting '%s' from the cache into '%s'", name, j.dir)
			return j.extract(ctx, file, name)
		}
		j.logf("Copying '%s' from the cache to '%s'", value, filepath.Join(j.dir, name))
		info, err := file.Stat()
		if err != nil {
			return err
		}
		return j.store(name, &source{file, info.Mode().Perm()})
	}
	j.logf("Fetching '%s' directly into the sandbox '%s'", value, j.dir)
	from, err := j.f.open(ctx, value)
	if err != nil {
		return err
	}
	if err := errors.Join(j.store(name, from), from.Close()); err != nil {
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

// store makes the file name of the sandbox from what a URI names.
func (j *job) store(name string, from *source) error {
	if dir := path.Dir(name); dir != "." {
		if err := j.root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("failed to make the directories of output_file '%s': %w", name, err)
		}
	}
	file, err := j.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, from.perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	if err == nil && j.uri.GetExecutable() {
		err = file.Chmod(0o755) // whatever the umask, and for a file that was there
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = j.root.Remove(name) // no half a file is left
		return err
	}
	if j.uri.GetExecutable() || from.perm&0o111 != 0 {
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

// wording is an error whose text is that of Mesos.
type wording string

func (w wording) Error() string { return string(w) }

// Validate returns what is wrong with URIs that is seen before any is fetched, in the words of Mesos.
func Validate(uris []*mesospb.CommandInfo_URI) error {
	for _, u := range uris {
		if _, err := outputName(u, trim(u.GetValue())); err != nil {
			return err
		}
	}
	return nil
}

// trim drops blanks that a URI begins with.
func trim(uri string) string { return strings.TrimLeft(uri, " \t\n\r") }

// outputName returns the path in the sandbox, with slashes.
func outputName(u *mesospb.CommandInfo_URI, value string) (string, error) {
	if value == "" {
		return "", wording("URI is empty")
	}
	if strings.ContainsAny(value, "\\'\x00") {
		return "", wording("Illegal characters in URI")
	}
	name := path.Base(value)
	if i := strings.Index(value, "://"); i > 1 {
		_, file, found := strings.Cut(value[i+3:], "/")
		if !found || file == "" {
			return "", wording("Malformed URI (missing path): " + value)
		}
		name = file[strings.LastIndexByte(file, '/')+1:]
	}
	if u.OutputFile != nil {
		out := u.GetOutputFile()
		if out == "" {
			return "", wording("URI output file path is empty")
		}
		if path.IsAbs(out) || !filepath.IsLocal(filepath.FromSlash(out)) {
			return "", wording("URI output file must be within the sandbox directory")
		}
		return path.Clean(out), nil
	}
	if name == "" || name == "." || name == ".." || name == "/" {
		return "", errors.New("the URI has no file name after the last slash: set output_file")
	}
	return name, nil
}

// source is what a URI names.
type source struct {
	io.ReadCloser
	perm fs.FileMode // of the file that it becomes, before the umask
}

// open begins to read what a URI names.
func (f *Fetcher) open(ctx context.Context, value string) (*source, error) {
	scheme, rest, found := strings.Cut(value, "://")
	switch {
	case !found && path.IsAbs(value):
		return openFile(ctx, value)
	case !found:
		return nil, fmt.Errorf("'%s' is a relative path: there is no frameworks home to look it up in; use an absolute path or a URL", value)
	case strings.EqualFold(scheme, "file"):
		rest = strings.TrimPrefix(rest, "localhost")
		if !path.IsAbs(rest) {
			return nil, fmt.Errorf("'%s' does not name an absolute path", value)
		}
		return openFile(ctx, rest)
	case strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"):
		return f.download(ctx, value)
	}
	return nil, fmt.Errorf("scheme '%s': %w", scheme, ErrUnsupported)
}

func openFile(ctx context.Context, name string) (*source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("'%s' is not a regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &source{struct {
		io.Reader
		io.Closer
	}{contextReader{ctx, file}, file}, info.Mode().Perm()}, nil
}

func (f *Fetcher) download(ctx context.Context, value string) (*source, error) {
	target, err := parseURL(value)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stalled := fmt.Errorf("the server sent nothing for %v", StallTimeout)
	d := &download{ctx: ctx, cancel: cancel, watch: time.AfterFunc(StallTimeout, func() { cancel(stalled) })}
	req := (&http.Request{Method: http.MethodGet, URL: target, Header: http.Header{"Accept-Encoding": {"identity"}}}).WithContext(ctx)
	client := f.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		err = cause(ctx, err)
		d.stop()
		return nil, err
	}
	d.body = resp.Body
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(&StatusError{resp.StatusCode}, d.Close())
	}
	return &source{d, 0o644}, nil
}

// parseURL is url.Parse, but it sends a path as it is if that has a % which means nothing.
func parseURL(value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if escape := url.EscapeError(""); !errors.As(err, &escape) {
		return u, err
	}
	scheme, rest, _ := strings.Cut(value, "://")
	host, file, _ := strings.Cut(rest, "/")
	if u, err = url.Parse(scheme + "://" + host + "/"); err != nil {
		return nil, err
	}
	file, _, _ = strings.Cut(file, "#")
	if strings.ContainsFunc(file, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("'%s' has a blank or control character in its path", value)
	}
	u.Opaque = "/" + strings.TrimLeft(file, "/") // two slashes would begin a host
	return u, nil
}

// download is the body of an answer, given up when nothing comes.
type download struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	watch  *time.Timer
	body   io.ReadCloser
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.watch.Reset(StallTimeout)
	if err != nil && err != io.EOF {
		err = cause(d.ctx, err)
	}
	return n, err
}

func (d *download) Close() error {
	d.stop()
	return d.body.Close()
}

func (d *download) stop() {
	d.watch.Stop()
	d.cancel(nil)
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
