package app

import (
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// container returns what Mesos gets to know of a container, nil if there is none.
func (b *builder) container(c *Container) *mesospb.ContainerInfo {
	if c == nil {
		return nil
	}
	w := &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum()}
	if c.Hostname != "" {
		w.Hostname = &c.Hostname
	}
	for i := range c.Volumes {
		w.Volumes = append(w.Volumes, c.Volumes[i].wire())
	}
	if c.Type == ContainerDocker {
		w.Type = mesospb.ContainerInfo_DOCKER.Enum()
		w.Docker = b.docker(c)
		if w.Docker.GetNetwork() == mesospb.ContainerInfo_DockerInfo_USER {
			w.NetworkInfos = b.networks(c)
			for _, n := range w.NetworkInfos {
				n.PortMappings = nil // DockerInfo has them
			}
		}
		return w
	}
	w.NetworkInfos = b.networks(c)
	if c.Image != "" {
		w.Mesos = &mesospb.ContainerInfo_MesosInfo{Image: &mesospb.Image{
			Type: mesospb.Image_DOCKER.Enum(), Docker: &mesospb.Image_Docker{Name: proto.String(c.imageName())},
		}}
		if c.ForcePull {
			w.Mesos.Image.Cached = proto.Bool(false)
		}
	}
	return w
}

// dockerNetworks are the networks that every Docker daemon has; others are the operator's.
var dockerNetworks = map[string]mesospb.ContainerInfo_DockerInfo_Network{
	"host": mesospb.ContainerInfo_DockerInfo_HOST, "bridge": mesospb.ContainerInfo_DockerInfo_BRIDGE, "none": mesospb.ContainerInfo_DockerInfo_NONE,
}

func (b *builder) docker(c *Container) *mesospb.ContainerInfo_DockerInfo {
	w := &mesospb.ContainerInfo_DockerInfo{Image: proto.String(c.imageName()), Network: mesospb.ContainerInfo_DockerInfo_HOST.Enum()}
	if c.Privileged {
		w.Privileged = &c.Privileged
	}
	if c.ForcePull {
		w.ForcePullImage = &c.ForcePull
	}
	for i := range c.Parameters {
		w.Parameters = append(w.Parameters, &mesospb.Parameter{Key: &c.Parameters[i].Key, Value: &c.Parameters[i].Value})
	}
	for _, n := range c.Networks {
		kind, known := dockerNetworks[strings.ToLower(n.Name)]
		switch {
		case known:
			w.Network = kind.Enum()
		case n.Name != "":
			w.Network = mesospb.ContainerInfo_DockerInfo_USER.Enum()
		case len(n.PortMappings) > 0:
			w.Network = mesospb.ContainerInfo_DockerInfo_BRIDGE.Enum()
		}
		for _, m := range n.PortMappings {
			w.PortMappings = append(w.PortMappings, &mesospb.ContainerInfo_DockerInfo_PortMapping{
				HostPort:      proto.Uint32(uint32(b.hostPort(m.HostPort))),
				ContainerPort: proto.Uint32(uint32(m.ContainerPort)), Protocol: proto.String(m.Protocol),
			})
		}
	}
	return w
}

func (b *builder) networks(c *Container) []*mesospb.NetworkInfo {
	var list []*mesospb.NetworkInfo
	for i := range c.Networks {
		n := &c.Networks[i]
		w := &mesospb.NetworkInfo{Groups: n.Groups, Labels: wireLabels(n.Labels)}
		if n.Name != "" {
			w.Name = &n.Name
		}
		for k := range n.IPAddresses {
			ip := &n.IPAddresses[k]
			protocol := mesospb.NetworkInfo_IPv4
			if ip.Protocol == "ipv6" {
				protocol = mesospb.NetworkInfo_IPv6
			}
			x := &mesospb.NetworkInfo_IPAddress{Protocol: protocol.Enum()}
			if ip.IP != "" {
				x.IpAddress = &ip.IP
			}
			w.IpAddresses = append(w.IpAddresses, x)
		}
		for _, m := range n.PortMappings {
			w.PortMappings = append(w.PortMappings, &mesospb.NetworkInfo_PortMapping{
				HostPort:      proto.Uint32(uint32(b.hostPort(m.HostPort))),
				ContainerPort: proto.Uint32(uint32(m.ContainerPort)), Protocol: proto.String(m.Protocol),
			})
		}
		list = append(list, w)
	}
	return list
}

func (v *Volume) wire() *mesospb.Volume {
	w := &mesospb.Volume{ContainerPath: &v.ContainerPath, Mode: mesospb.Volume_RW.Enum()}
	if v.Mode == "ro" {
		w.Mode = mesospb.Volume_RO.Enum()
	}
	s := v.Source
	if s == nil || s.Type == "host_path" {
		// The field that every Mesos 1.x knows: the source HOST_PATH came later and means the same.
		path := v.HostPath
		if s != nil {
			path = s.HostPath
		}
		w.HostPath = &path
		return w
	}
	w.Source = &mesospb.Volume_Source{}
	if s.Type == "sandbox_path" {
		kind := mesospb.Volume_Source_SandboxPath_SELF
		if s.SandboxPath.Type == "parent" {
			kind = mesospb.Volume_Source_SandboxPath_PARENT
		}
		w.Source.Type = mesospb.Volume_Source_SANDBOX_PATH.Enum()
		w.Source.SandboxPath = &mesospb.Volume_Source_SandboxPath{Type: kind.Enum(), Path: &s.SandboxPath.Path}
		return w
	}
	w.Source.Type = mesospb.Volume_Source_DOCKER_VOLUME.Enum()
	w.Source.DockerVolume = &mesospb.Volume_Source_DockerVolume{Name: &s.DockerVolume.Name, DriverOptions: wireParameters(s.DockerVolume.DriverOptions)}
	if s.DockerVolume.Driver != "" {
		w.Source.DockerVolume.Driver = &s.DockerVolume.Driver
	}
	return w
}
