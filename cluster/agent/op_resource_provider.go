package agent

// Calls about resource providers, as an agent answers them that has none and no --resource_provider_config_dir: a
// provider cannot be added or changed, 400; there is nothing to remove its configuration from, 500; and one that there
// is not may be marked gone, 200.

import (
	"net/http"

	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func (a *Agent) addResourceProvider(c *agentpb.Call) (*agentpb.Response, *problem) {
	return nil, refuseProvider(c.GetAddResourceProviderConfig().GetInfo())
}

func (a *Agent) updateResourceProvider(c *agentpb.Call) (*agentpb.Response, *problem) {
	return nil, refuseProvider(c.GetUpdateResourceProviderConfig().GetInfo())
}

func refuseProvider(info *mesospb.ResourceProviderInfo) *problem {
	return &problem{http.StatusBadRequest, "Failed to validate resource provider config with type '" + info.GetType() + "' and name '" + info.GetName() +
		"': Unknown local resource provider type '" + info.GetType() + "'"}
}

func (a *Agent) removeResourceProvider(*agentpb.Call) (*agentpb.Response, *problem) {
	return nil, &problem{http.StatusInternalServerError, "Missing required flag '--resource_provider_config_dir'"}
}

func (a *Agent) markResourceProviderGone(*agentpb.Call) (*agentpb.Response, *problem) {
	return nil, nil
}
