package operator

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// AgentConfig of an Agent. Address is required.
type AgentConfig struct {
	// Address of the agent: host, host:port, the pid that masters tell (slave(1)@host:port) or an http(s) URL,
	// whose path is kept. The port is 5051 where there is none. TaskPlace.Agent and executor.Config.AgentURL
	// fit.
	Address string
	// Scheme of an address without one: "http" or "https"; "" means http.
	Scheme string
	// Transport carries the exchanges; nil means a new one with the defaults of package transport, closed by
	// Agent.Close.
	Transport *transport.Client
}

// Agent calls one agent. An agent that has just started answers transport.ErrUnavailable until it has recovered
// its containers.
type Agent struct {
	base      string
	transport *transport.Client
	owned     bool
}

// NewAgent returns an Agent.
func NewAgent(cfg AgentConfig) (*Agent, error) {
	base, err := agentURL(cfg.Address, cfg.Scheme)
	if err != nil {
		return nil, err
	}
	a := &Agent{base: base}
	a.transport, a.owned, err = orNewTransport(cfg.Transport)
	return a, err
}

// Close closes idle connections of a transport that was not given to NewAgent. Streams are not disturbed.
func (a *Agent) Close() {
	if a.owned {
		a.transport.Close()
	}
}

// URL returns the base URL of the agent.
func (a *Agent) URL() string { return a.base }

// Call makes any call that has one answer; the typed methods are better where they fit.
func (a *Agent) Call(ctx context.Context, call *agentpb.Call) (*agentpb.Response, error) {
	resp := new(agentpb.Response)
	if _, err := a.exchange(ctx, call, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

func (a *Agent) exchange(ctx context.Context, call *agentpb.Call, resp *agentpb.Response, opts ...transport.Option) (status int, err error) {
	if err := a.refuseUnsafe(ctx, call); err != nil {
		return 0, callError(call.GetType().String(), err)
	}
	if resp == nil {
		status, err = a.transport.Exchange(ctx, a.base+apiPath, call, nil, opts...)
	} else {
		status, err = a.transport.Exchange(ctx, a.base+apiPath, call, resp, opts...)
	}
	return status, callError(call.GetType().String(), err)
}

// ask makes a call that has a typed answer.
func (a *Agent) ask(ctx context.Context, call *agentpb.Call, opts ...transport.Option) (*agentpb.Response, error) {
	resp := new(agentpb.Response)
	if _, err := a.exchange(ctx, call, resp, opts...); err != nil {
		return nil, err
	}
	return resp, checkType(call.GetType().String(), resp.Type != nil, resp.GetType().String())
}

func (a *Agent) do(ctx context.Context, call *agentpb.Call, opts ...transport.Option) error {
	_, err := a.exchange(ctx, call, nil, opts...)
	return err
}

func agentCall(t agentpb.Call_Type) *agentpb.Call { return &agentpb.Call{Type: t.Enum()} }

// GetHealth reports whether the agent says that it is well.
func (a *Agent) GetHealth(ctx context.Context) (bool, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_HEALTH))
	return resp.GetGetHealth().GetHealthy(), err
}

// GetFlags returns the command line flags that the agent runs with.
func (a *Agent) GetFlags(ctx context.Context) (map[string]string, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_FLAGS))
	return flagMap(resp.GetGetFlags().GetFlags()), err
}

// GetVersion returns version and build of the agent.
func (a *Agent) GetVersion(ctx context.Context) (*mesospb.VersionInfo, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_VERSION))
	return resp.GetGetVersion().GetVersionInfo(), err
}

// GetMetrics returns the metrics by name; see Master.GetMetrics.
func (a *Agent) GetMetrics(ctx context.Context, timeout time.Duration) (map[string]float64, error) {
	call := agentCall(agentpb.Call_GET_METRICS)
	call.GetMetrics = &agentpb.Call_GetMetrics{Timeout: optionalDuration(timeout)}
	resp, err := a.ask(ctx, call)
	return metricMap(resp.GetGetMetrics().GetMetrics()), err
}

// GetLoggingLevel returns the level of verbose logging, 0 for none.
func (a *Agent) GetLoggingLevel(ctx context.Context) (int, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_LOGGING_LEVEL))
	return int(resp.GetGetLoggingLevel().GetLevel()), err
}

// SetLoggingLevel sets the level of verbose logging, 0 to 3, for a time.
func (a *Agent) SetLoggingLevel(ctx context.Context, level int, d time.Duration) error {
	call := agentCall(agentpb.Call_SET_LOGGING_LEVEL)
	call.SetLoggingLevel = &agentpb.Call_SetLoggingLevel{Level: proto.Uint32(uint32(max(level, 0))), Duration: durationInfo(d)}
	return a.do(ctx, call)
}

// ListFiles lists a directory of the virtual file system of the agent, where sandboxes are; see Sandbox.
func (a *Agent) ListFiles(ctx context.Context, path string) ([]*mesospb.FileInfo, error) {
	call := agentCall(agentpb.Call_LIST_FILES)
	call.ListFiles = &agentpb.Call_ListFiles{Path: proto.String(path)}
	resp, err := a.ask(ctx, call)
	return resp.GetListFiles().GetFileInfos(), err
}

// ReadFile reads a part of a file; see FileChunk.
func (a *Agent) ReadFile(ctx context.Context, path string, offset, length int64) (FileChunk, error) {
	call := agentCall(agentpb.Call_READ_FILE)
	call.ReadFile = &agentpb.Call_ReadFile{Path: proto.String(path), Offset: proto.Uint64(uint64(max(offset, 0))), Length: optionalLength(length)}
	resp, err := a.ask(ctx, call)
	return FileChunk{Size: int64(resp.GetReadFile().GetSize()), Data: resp.GetReadFile().GetData()}, err
}

// GetState returns tasks, executors and frameworks at one moment.
func (a *Agent) GetState(ctx context.Context) (*agentpb.Response_GetState, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_STATE))
	return resp.GetGetState(), err
}

// GetFrameworks returns the frameworks that have executors here, and the last of those that had.
func (a *Agent) GetFrameworks(ctx context.Context) (*agentpb.Response_GetFrameworks, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_FRAMEWORKS))
	return resp.GetGetFrameworks(), err
}

// GetExecutors returns the executors, those of command tasks included, and the last of those that have ended.
func (a *Agent) GetExecutors(ctx context.Context) (*agentpb.Response_GetExecutors, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_EXECUTORS))
	return resp.GetGetExecutors(), err
}

// GetOperations returns the offer operations of this agent.
func (a *Agent) GetOperations(ctx context.Context) ([]*mesospb.Operation, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_OPERATIONS))
	return resp.GetGetOperations().GetOperations(), err
}

// GetTasks returns the tasks by how far they are: pending, queued, launched, terminated (but not acknowledged)
// and completed.
func (a *Agent) GetTasks(ctx context.Context) (*agentpb.Response_GetTasks, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_TASKS))
	return resp.GetGetTasks(), err
}

// GetAgent describes the agent and how it is being drained.
func (a *Agent) GetAgent(ctx context.Context) (*agentpb.Response_GetAgent, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_AGENT))
	return resp.GetGetAgent(), err
}

// GetResourceProviders returns the resource providers with their resources.
func (a *Agent) GetResourceProviders(ctx context.Context) ([]*agentpb.Response_GetResourceProviders_ResourceProvider, error) {
	resp, err := a.ask(ctx, agentCall(agentpb.Call_GET_RESOURCE_PROVIDERS))
	return resp.GetGetResourceProviders().GetResourceProviders(), err
}

// AddResourceProviderConfig adds and starts a resource provider.
func (a *Agent) AddResourceProviderConfig(ctx context.Context, info *mesospb.ResourceProviderInfo) error {
	call := agentCall(agentpb.Call_ADD_RESOURCE_PROVIDER_CONFIG)
	call.AddResourceProviderConfig = &agentpb.Call_AddResourceProviderConfig{Info: info}
	return a.do(ctx, call)
}

// UpdateResourceProviderConfig changes the configuration of a resource provider, which is restarted.
func (a *Agent) UpdateResourceProviderConfig(ctx context.Context, info *mesospb.ResourceProviderInfo) error {
	call := agentCall(agentpb.Call_UPDATE_RESOURCE_PROVIDER_CONFIG)
	call.UpdateResourceProviderConfig = &agentpb.Call_UpdateResourceProviderConfig{Info: info}
	return a.do(ctx, call)
}

// RemoveResourceProviderConfig removes the configuration of a resource provider and stops it.
func (a *Agent) RemoveResourceProviderConfig(ctx context.Context, kind, name string) error {
	call := agentCall(agentpb.Call_REMOVE_RESOURCE_PROVIDER_CONFIG)
	call.RemoveResourceProviderConfig = &agentpb.Call_RemoveResourceProviderConfig{Type: proto.String(kind), Name: proto.String(name)}
	return a.do(ctx, call)
}

// MarkResourceProviderGone declares that a resource provider never comes back.
func (a *Agent) MarkResourceProviderGone(ctx context.Context, id string) error {
	call := agentCall(agentpb.Call_MARK_RESOURCE_PROVIDER_GONE)
	call.MarkResourceProviderGone = &agentpb.Call_MarkResourceProviderGone{ResourceProviderId: &mesospb.ResourceProviderID{Value: proto.String(id)}}
	return a.do(ctx, call)
}

// PruneImages deletes the layers of images that no container uses, but for those of the excluded images.
func (a *Agent) PruneImages(ctx context.Context, excluded ...*mesospb.Image) error {
	call := agentCall(agentpb.Call_PRUNE_IMAGES)
	call.PruneImages = &agentpb.Call_PruneImages{ExcludedImages: excluded}
	return a.do(ctx, call, transport.WithHeaderTimeout(0))
}
