package operator

import (
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
)

// UpdateWeights sets the weights of roles; others keep theirs.
func (m *Master) UpdateWeights(ctx context.Context, weights map[string]float64) error {
	call := masterCall(masterpb.Call_UPDATE_WEIGHTS)
	call.UpdateWeights = new(masterpb.Call_UpdateWeights)
	for _, role := range slices.Sorted(maps.Keys(weights)) {
		call.UpdateWeights.WeightInfos = append(call.UpdateWeights.WeightInfos,
			&mesospb.WeightInfo{Role: proto.String(role), Weight: proto.Float64(weights[role])})
	}
	return m.do(ctx, call)
}

// ReserveResources reserves resources of an agent; with a source it changes an existing reservation to another
// one. Offers that are in the way are rescinded. Insufficient resources are transport.ErrConflict.
// allocation_info must be unset.
func (m *Master) ReserveResources(ctx context.Context, agentID string, source, resources []*mesospb.Resource) error {
	call := masterCall(masterpb.Call_RESERVE_RESOURCES)
	call.ReserveResources = &masterpb.Call_ReserveResources{AgentId: agentIDOf(agentID), Source: source, Resources: resources}
	return m.do(ctx, call)
}

// UnreserveResources takes the last reservation off resources.
func (m *Master) UnreserveResources(ctx context.Context, agentID string, resources []*mesospb.Resource) error {
	call := masterCall(masterpb.Call_UNRESERVE_RESOURCES)
	call.UnreserveResources = &masterpb.Call_UnreserveResources{AgentId: agentIDOf(agentID), Resources: resources}
	return m.do(ctx, call)
}

// CreateVolumes makes persistent volumes of reserved disk. A persistence id that Mesos cannot have is an *UnsafeCallError.
func (m *Master) CreateVolumes(ctx context.Context, agentID string, volumes []*mesospb.Resource) error {
	call := masterCall(masterpb.Call_CREATE_VOLUMES)
	call.CreateVolumes = &masterpb.Call_CreateVolumes{AgentId: agentIDOf(agentID), Volumes: volumes}
	return m.do(ctx, call)
}

// DestroyVolumes deletes persistent volumes and what is on them.
func (m *Master) DestroyVolumes(ctx context.Context, agentID string, volumes []*mesospb.Resource) error {
	call := masterCall(masterpb.Call_DESTROY_VOLUMES)
	call.DestroyVolumes = &masterpb.Call_DestroyVolumes{AgentId: agentIDOf(agentID), Volumes: volumes}
	return m.do(ctx, call)
}

// GrowVolume adds free disk to a volume.
func (m *Master) GrowVolume(ctx context.Context, agentID string, volume, addition *mesospb.Resource) error {
	call := masterCall(masterpb.Call_GROW_VOLUME)
	call.GrowVolume = &masterpb.Call_GrowVolume{AgentId: agentIDOf(agentID), Volume: volume, Addition: addition}
	return m.do(ctx, call)
}

// ShrinkVolume takes megabytes from a volume.
func (m *Master) ShrinkVolume(ctx context.Context, agentID string, volume *mesospb.Resource, megabytes float64) error {
	call := masterCall(masterpb.Call_SHRINK_VOLUME)
	call.ShrinkVolume = &masterpb.Call_ShrinkVolume{
		AgentId: agentIDOf(agentID), Volume: volume, Subtract: &mesospb.Value_Scalar{Value: proto.Float64(megabytes)},
	}
	return m.do(ctx, call)
}

// UpdateMaintenanceSchedule replaces the schedule. Machines that are down must be in it.
func (m *Master) UpdateMaintenanceSchedule(ctx context.Context, schedule *maintenancepb.Schedule) error {
	call := masterCall(masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE)
	if schedule == nil {
		schedule = new(maintenancepb.Schedule)
	}
	call.UpdateMaintenanceSchedule = &masterpb.Call_UpdateMaintenanceSchedule{Schedule: schedule}
	return m.do(ctx, call)
}

// StartMaintenance takes machines that are scheduled for maintenance down; their agents are shut down.
func (m *Master) StartMaintenance(ctx context.Context, machines ...*mesospb.MachineID) error {
	call := masterCall(masterpb.Call_START_MAINTENANCE)
	call.StartMaintenance = &masterpb.Call_StartMaintenance{Machines: machines}
	return m.do(ctx, call)
}

// StopMaintenance brings machines back up and takes them off the schedule.
func (m *Master) StopMaintenance(ctx context.Context, machines ...*mesospb.MachineID) error {
	call := masterCall(masterpb.Call_STOP_MAINTENANCE)
	call.StopMaintenance = &masterpb.Call_StopMaintenance{Machines: machines}
	return m.do(ctx, call)
}

// DrainConfig of DrainAgent.
type DrainConfig struct {
	// MaxGracePeriod bounds the kill grace periods of tasks; nil leaves them as they are.
	MaxGracePeriod *time.Duration
	// MarkGone marks the agent gone when it is drained.
	MarkGone bool
}

// DrainAgent deactivates an agent and kills its tasks. It is drained when no tasks and operations are left;
// GetAgents tells. Until ReactivateAgent the agent gets no work.
func (m *Master) DrainAgent(ctx context.Context, agentID string, cfg DrainConfig) error {
	call := masterCall(masterpb.Call_DRAIN_AGENT)
	call.DrainAgent = &masterpb.Call_DrainAgent{AgentId: agentIDOf(agentID)}
	if cfg.MaxGracePeriod != nil {
		call.DrainAgent.MaxGracePeriod = durationpb.New(*cfg.MaxGracePeriod)
	}
	if cfg.MarkGone {
		call.DrainAgent.MarkGone = proto.Bool(true)
	}
	return m.do(ctx, call)
}

// DeactivateAgent stops offers of an agent and rescinds those that are out; its tasks go on.
func (m *Master) DeactivateAgent(ctx context.Context, agentID string) error {
	call := masterCall(masterpb.Call_DEACTIVATE_AGENT)
	call.DeactivateAgent = &masterpb.Call_DeactivateAgent{AgentId: agentIDOf(agentID)}
	return m.do(ctx, call)
}

// ReactivateAgent undoes DeactivateAgent and DrainAgent, the latter when it has come to its end.
func (m *Master) ReactivateAgent(ctx context.Context, agentID string) error {
	call := masterCall(masterpb.Call_REACTIVATE_AGENT)
	call.ReactivateAgent = &masterpb.Call_ReactivateAgent{AgentId: agentIDOf(agentID)}
	return m.do(ctx, call)
}

// UpdateQuota sets guarantees and limits of roles; a config without either removes them. force skips the check
// against the capacity of the cluster and what roles use.
func (m *Master) UpdateQuota(ctx context.Context, force bool, configs ...*quotapb.QuotaConfig) error {
	call := masterCall(masterpb.Call_UPDATE_QUOTA)
	call.UpdateQuota = &masterpb.Call_UpdateQuota{QuotaConfigs: configs}
	if force {
		call.UpdateQuota.Force = proto.Bool(true)
	}
	return m.do(ctx, call)
}

// SetQuota sets the guarantee of a role.
//
// Deprecated: Mesos has UpdateQuota since 1.9.
func (m *Master) SetQuota(ctx context.Context, request *quotapb.QuotaRequest) error {
	call := masterCall(masterpb.Call_SET_QUOTA)
	call.SetQuota = &masterpb.Call_SetQuota{QuotaRequest: request}
	return m.do(ctx, call)
}

// RemoveQuota removes the guarantee of a role. For a role without quota, as GET_QUOTA shows it, it is an *UnsafeCallError.
//
// Deprecated: Mesos has UpdateQuota since 1.9.
func (m *Master) RemoveQuota(ctx context.Context, role string) error {
	call := masterCall(masterpb.Call_REMOVE_QUOTA)
	call.RemoveQuota = &masterpb.Call_RemoveQuota{Role: proto.String(role)}
	return m.do(ctx, call)
}

// Teardown removes a framework for good: its tasks are killed, and its id cannot be used again.
func (m *Master) Teardown(ctx context.Context, frameworkID string) error {
	call := masterCall(masterpb.Call_TEARDOWN)
	call.Teardown = &masterpb.Call_Teardown{FrameworkId: &mesospb.FrameworkID{Value: proto.String(frameworkID)}}
	return m.do(ctx, call)
}

// MarkAgentGone declares that an agent and its tasks never come back. It cannot be undone. An unknown agent is
// transport.ErrNotFound.
func (m *Master) MarkAgentGone(ctx context.Context, agentID string) error {
	call := masterCall(masterpb.Call_MARK_AGENT_GONE)
	call.MarkAgentGone = &masterpb.Call_MarkAgentGone{AgentId: agentIDOf(agentID)}
	return m.do(ctx, call)
}
