package framework

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func hasGPUs(info *mesospb.FrameworkInfo) bool {
	return slices.ContainsFunc(info.GetCapabilities(), func(c *mesospb.FrameworkInfo_Capability) bool {
		return c.GetType() == mesospb.FrameworkInfo_Capability_GPU_RESOURCES
	})
}

// withGPUs returns a copy that asks for agents with GPUs.
func withGPUs(info *mesospb.FrameworkInfo) *mesospb.FrameworkInfo {
	info = proto.CloneOf(info)
	if !hasGPUs(info) {
		info.Capabilities = append(info.Capabilities, &mesospb.FrameworkInfo_Capability{Type: mesospb.FrameworkInfo_Capability_GPU_RESOURCES.Enum()})
	}
	return info
}

// needGPUs reports whether an application needs GPUs.
func needGPUs(s *core.Snapshot) bool {
	return slices.ContainsFunc(s.Apps, func(a *core.App) bool { return a.Definition != nil && a.Definition.NeedsGPUs() })
}

// askForGPUs gives a framework that is subscribed the capability to be offered agents with GPUs.
func (t *term) askForGPUs(s *scheduler.Session) {
	ctx, cancel := context.WithTimeout(t.ctx, callTimeout)
	defer cancel()
	if err := s.Calls.UpdateFramework(ctx, withGPUs(t.cfg.FrameworkInfo), scheduler.SubscribeOptions{}); err != nil && t.ctx.Err() == nil {
		t.cfg.Log.Warn("the master does not offer agents with GPUs, which an application needs: UPDATE_FRAMEWORK failed; start again with GPUs asked for", "error", err)
	}
}
