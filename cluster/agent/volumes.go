package agent

// Volumes of a container appear in its sandbox as symbolic links:
//
//   - a persistent volume at volume.container_path, to its directory under volumes/;
//   - host_path, or source HOST_PATH: to that path, or to that path of the sandbox if it is relative;
//   - source SANDBOX_PATH SELF: to a directory of the sandbox; PARENT: of the executor's;
//   - source SECRET by value: a file with the secret's bytes.
//
// Without privileges nothing can be mounted, so container_path must be relative, and mode RO is not
// enforced: the container's stderr and the log say so. What cannot be given is refused.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// makeVolumes runs beside the loop.
func (a *Agent) makeVolumes(c *container, p preparation) error {
	for _, r := range p.resources {
		if !resources.IsPersistentVolume(r) {
			continue
		}
		dir := a.volumeDir(r)
		if err := errors.Join(os.MkdirAll(dir, 0o755), c.account.ownOnly(dir)); err != nil {
			return fmt.Errorf("persistent volume '%s': %w", r.GetDisk().GetPersistence().GetId(), err)
		}
		if err := a.linkVolume(c, dir, r.GetDisk().GetVolume().GetContainerPath()); err != nil {
			return err
		}
		if err := a.admitWritable(c, r.GetDisk().GetVolume()); err != nil {
			return err
		}
	}
	for _, v := range p.container.GetVolumes() {
		if err := a.makeVolume(c, v); err != nil {
			return fmt.Errorf("volume '%s': %w", v.GetContainerPath(), err)
		}
		if v.GetSource().GetType() == mesospb.Volume_Source_SECRET {
			continue // a file of the container's own
		}
		if err := a.admitWritable(c, v); err != nil {
			return err
		}
	}
	return nil
}

// admitWritable says of a volume which is to be read-only that it is not.
func (a *Agent) admitWritable(c *container, v *mesospb.Volume) error {
	if v.GetMode() != mesospb.Volume_RO || v.Mode == nil {
		return nil
	}
	a.log.Warn("a read-only volume can be written to: the embedded agent mounts nothing", "container", c.key, "volume", v.GetContainerPath())
	stderr, err := openOutput(c.dir, "stderr")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stderr, "Volume '%s' is not read-only here: the embedded Mesos agent mounts nothing. On a real agent writing to it fails.\n", v.GetContainerPath())
	return errors.Join(err, stderr.Close())
}

func (a *Agent) makeVolume(c *container, v *mesospb.Volume) error {
	host := v.GetHostPath()
	switch s := v.GetSource(); {
	case v.GetImage() != nil:
		return errors.New("volumes from images are not supported by the embedded agent")
	case s == nil:
	case s.GetType() == mesospb.Volume_Source_HOST_PATH:
		host = s.GetHostPath().GetPath()
	case s.GetType() == mesospb.Volume_Source_SANDBOX_PATH:
		return a.sandboxPathVolume(c, v)
	case s.GetType() == mesospb.Volume_Source_SECRET:
		value, err := secretValue(s.GetSecret())
		if err != nil {
			return err
		}
		return writeInSandbox(c.dir, v.GetContainerPath(), value)
	default:
		return fmt.Errorf("volumes of source %v are not supported by the embedded agent", s.GetType())
	}
	if host == "" {
		return errors.New("neither host_path nor source is set")
	}
	if !filepath.IsAbs(host) {
		return a.sandboxDirVolume(c, c, host, v.GetContainerPath())
	}
	if _, err := os.Stat(host); err != nil {
		if err := os.MkdirAll(host, 0o755); err != nil {
			return err
		}
	}
	return a.linkVolume(c, host, v.GetContainerPath())
}

func (a *Agent) sandboxPathVolume(c *container, v *mesospb.Volume) error {
	sp := v.GetSource().GetSandboxPath()
	switch sp.GetType() {
	case mesospb.Volume_Source_SandboxPath_SELF:
		return a.sandboxDirVolume(c, c, sp.GetPath(), v.GetContainerPath())
	case mesospb.Volume_Source_SandboxPath_PARENT:
		if c.parent == nil {
			return errors.New("a SANDBOX_PATH of type PARENT needs a nested container")
		}
		return a.sandboxDirVolume(c, c.parent, sp.GetPath(), v.GetContainerPath())
	}
	return fmt.Errorf("unknown type %v of SANDBOX_PATH", sp.GetType())
}

// sandboxDirVolume links a directory of the sandbox of c or its parent. It is made if it is not there, and belongs to whom the sandbox does.
func (a *Agent) sandboxDirVolume(c, of *container, path, containerPath string) error {
	if !filepath.IsLocal(path) {
		return fmt.Errorf("path '%s' must be relative and within the sandbox", path)
	}
	root, err := os.OpenRoot(of.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if of.account.gives() {
		if err := root.Lchown(path, of.account.uid, of.account.gid); err != nil {
			return err
		}
	}
	return a.linkVolume(c, filepath.Join(of.dir, path), containerPath)
}

// linkVolume makes a link in the sandbox and lets the files endpoints follow it.
func (a *Agent) linkVolume(c *container, target, containerPath string) error {
	if !filepath.IsLocal(containerPath) {
		return fmt.Errorf("container_path '%s' must be relative: the embedded agent mounts nothing", containerPath)
	}
	link := filepath.Join(c.dir, containerPath)
	if link == filepath.Clean(target) {
		return nil
	}
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if dir := filepath.Dir(containerPath); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if have, err := root.Readlink(containerPath); err == nil && have == target {
		return nil
	}
	if err := root.Symlink(target, containerPath); err != nil {
		return err
	}
	a.files.Attach(target, link)
	if e := c.executor; e != nil && !c.nested() {
		a.files.Attach(target, virtualPath(e)+"/"+filepath.ToSlash(containerPath))
	}
	return nil
}

func writeInSandbox(sandbox, path string, data []byte) error {
	if !filepath.IsLocal(path) {
		return fmt.Errorf("container_path '%s' must be relative", path)
	}
	root, err := os.OpenRoot(sandbox)
	if err != nil {
		return err
	}
	defer root.Close()
	if dir := filepath.Dir(path); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return root.WriteFile(path, data, 0o600)
}

// secretValue returns the bytes of a secret that is given by value.
func secretValue(s *mesospb.Secret) ([]byte, error) {
	if s.GetType() == mesospb.Secret_VALUE && s.GetValue() != nil {
		return s.GetValue().GetData(), nil
	}
	if s.GetType() == mesospb.Secret_REFERENCE {
		return nil, wording("Default secret resolver cannot resolve references")
	}
	return nil, fmt.Errorf("secrets of type %v need a secret resolver, which the embedded agent has not; give the secret by value", s.GetType())
}
