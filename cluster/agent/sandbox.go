package agent

// Sandboxes, laid out below the work directory as Mesos lays them out:
//
//	slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/<container>/   of an executor, 0750
//	slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/latest         a link to the newest
//	.../runs/<container>/containers/<nested>/                                      of a nested container
//	.../runs/<container>/tasks/<task>                                              a link to a nested task's
//	containers/<container>/                                                        of a standalone container
//	volumes/roles/<role>/<persistence id>/                                         of a persistent volume
//
// stdout and stderr are in each. Sandboxes are served by the files endpoints under their path, under that
// of latest, and under /frameworks/<framework>/executors/<executor>/runs/latest.

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mesokit/mesokit/cluster/agent/internal/fetcher"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// preparation says what a container's sandbox must hold before its process is started.
type preparation struct {
	uris      []*mesospb.CommandInfo_URI
	user      *string // whose sandbox it is; nil for account
	account   *account
	container *mesospb.ContainerInfo
	resources []*mesospb.Resource
	latest    bool   // the sandbox is the newest of an executor
	task      string // id of the task that a nested container is for
}

func (a *Agent) executorDir(framework, executor, container string) string {
	return filepath.Join(a.runsDir(framework, executor), container)
}

func (a *Agent) runsDir(framework, executor string) string {
	return filepath.Join(a.cfg.WorkDir, "slaves", a.id, "frameworks", framework, "executors", executor, "runs")
}

// volumeDir returns the directory of a persistent volume.
func (a *Agent) volumeDir(r *mesospb.Resource) string {
	role := strings.ReplaceAll(resources.ReservationRole(r), "/", " ")
	base := a.cfg.WorkDir
	switch source := r.GetDisk().GetSource(); source.GetType() {
	case mesospb.Resource_DiskInfo_Source_MOUNT:
		return a.diskRoot(source.GetMount().GetRoot()) // the whole disk
	case mesospb.Resource_DiskInfo_Source_PATH:
		base = a.diskRoot(source.GetPath().GetRoot())
	}
	return filepath.Join(base, "volumes", "roles", role, r.GetDisk().GetPersistence().GetId())
}

// diskRoot returns where a disk is; a relative root is below the work directory.
func (a *Agent) diskRoot(root string) string {
	if filepath.IsAbs(root) {
		return root
	}
	return filepath.Join(a.cfg.WorkDir, root)
}

// makeSandbox runs beside the loop. Its error is what Mesos says of a container that could not be
// launched.
func (a *Agent) makeSandbox(c *container, p preparation) error {
	if a.cfg.WorkDir == "" {
		return errNoWorkDir
	}
	if err := unsupported(p.container); err != nil {
		return err
	}
	if err := fetcher.Validate(p.uris); err != nil {
		return wording("Could not fetch: " + err.Error())
	}
	if p.user != nil {
		var err error
		if p.account, err = a.become(*p.user); err != nil {
			return &sandboxError{c, err}
		}
	}
	c.account = p.account
	if err := makeDir(c.dir); err != nil {
		return err
	}
	if err := c.account.ownOnly(c.dir); err != nil {
		return err
	}
	if p.latest {
		if err := relink(c.dir, filepath.Join(filepath.Dir(c.dir), "latest")); err != nil {
			return err
		}
	}
	if p.task != "" && c.parent != nil {
		tasks := filepath.Join(c.parent.dir, "tasks")
		if err := os.MkdirAll(tasks, 0o755); err != nil {
			return err
		}
		target := filepath.Join("..", "containers", filepath.Base(c.dir))
		if err := relink(target, filepath.Join(tasks, p.task)); err != nil {
			return err
		}
	}
	for _, name := range []string{"stdout", "stderr"} {
		file, err := openOutput(c.dir, name)
		if err != nil {
			return err
		}
		file.Close()
	}
	if err := a.makeVolumes(c, p); err != nil {
		return err
	}
	if err := a.fetchURIs(c, p); err != nil {
		return err
	}
	return c.account.own(c.dir)
}

// sandboxError is that of a container that the operator API or the default executor asks for, and that gets no sandbox.
type sandboxError struct {
	of  *container
	err error
}

func (e *sandboxError) Error() string {
	if e.of.nested() {
		return "Failed to create nested sandbox '" + e.of.dir + "': " + e.err.Error()
	}
	return "Failed to create sandbox: " + e.err.Error()
}

func (e *sandboxError) Unwrap() error { return e.err }

// makeDir makes the directory of a sandbox. What is above it may be removed in between, as garbage that is empty.
func makeDir(dir string) (err error) {
	for range 3 {
		if err = os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return err
		}
		if err = os.Mkdir(dir, 0o750); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// fetchURIs runs beside the loop.
func (a *Agent) fetchURIs(c *container, p preparation) error {
	if len(p.uris) == 0 {
		return nil
	}
	log, err := openOutput(c.dir, "stderr")
	if err != nil {
		return err
	}
	defer log.Close()
	err = a.fetcher().Fetch(c.ctx, p.uris, c.dir, c.account.userName(), log)
	var failed *fetcher.Error
	if errors.As(err, &failed) && c.ctx.Err() == nil {
		a.log.Warn("cannot fetch", "container", c.key, "error", failed) // which shows no secrets
		// The URI is in the sandbox's stderr; this is what a mesos-agent has to say.
		return fetchError("Failed to fetch all URIs for container '" + c.key + "': exited with status 1")
	}
	if err != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

// openOutput opens a log of a sandbox for appending. A link in its place is not followed out of the
// sandbox.
func openOutput(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

// relink makes link point to target, whatever it pointed to before.
func relink(target, link string) error {
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, link)
}

// attachSandbox serves a sandbox from now on.
func (a *Agent) attachSandbox(c *container) {
	a.files.Attach(c.dir, c.dir)
	if e := c.executor; e != nil && !c.nested() {
		a.files.Attach(c.dir, filepath.Join(filepath.Dir(c.dir), "latest"))
		a.files.Attach(c.dir, virtualPath(e))
	}
}

// virtualPath is the short name of an executor's newest sandbox.
func virtualPath(e *executor) string {
	return "/frameworks/" + e.framework.id() + "/executors/" + e.id() + "/runs/latest"
}

// wording is an error whose text goes into a status as it is, where sentences begin as Mesos begins them.
type wording string

func (w wording) Error() string { return string(w) }

// fetchError is that of a container whose URIs could not be fetched.
type fetchError string

func (e fetchError) Error() string { return string(e) }

const errNoWorkDir = wording("The agent has no work directory to make a sandbox in")

// unsupported explains what this agent cannot give a container.
func unsupported(c *mesospb.ContainerInfo) error {
	switch {
	case c == nil:
		return nil
	case c.GetType() == mesospb.ContainerInfo_DOCKER:
		return wording("No container runtime for type DOCKER: the embedded agent runs plain processes; use a MESOS container without an image")
	case c.GetMesos().GetImage() != nil:
		return wording("Container images are not supported: the embedded agent runs plain processes; fetch what the task needs with URIs")
	}
	for _, n := range c.GetNetworkInfos() {
		if name := n.GetName(); name != "" {
			return wording("Unknown CNI network '" + name + "': the embedded agent has only the network of this machine")
		}
	}
	return nil
}
