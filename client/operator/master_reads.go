package operator

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
)

// GetHealth reports whether the master says that it is well.
func (m *Master) GetHealth(ctx context.Context) (bool, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_HEALTH))
	return resp.GetGetHealth().GetHealthy(), err
}

// GetFlags returns the command line flags that the master runs with.
func (m *Master) GetFlags(ctx context.Context) (map[string]string, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_FLAGS))
	return flagMap(resp.GetGetFlags().GetFlags()), err
}

// GetVersion returns version and build of the master.
func (m *Master) GetVersion(ctx context.Context) (*mesospb.VersionInfo, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_VERSION))
	return resp.GetGetVersion().GetVersionInfo(), err
}

// GetMetrics returns the metrics by name, such as master/tasks_running. timeout bounds how long the master
// waits for metrics that are slow to compute, which are left out then; 0 means no bound. Mesos answers two
// requests a second and delays others.
func (m *Master) GetMetrics(ctx context.Context, timeout time.Duration) (map[string]float64, error) {
	call := masterCall(masterpb.Call_GET_METRICS)
	call.GetMetrics = &masterpb.Call_GetMetrics{Timeout: optionalDuration(timeout)}
	resp, err := m.ask(ctx, call)
	return metricMap(resp.GetGetMetrics().GetMetrics()), err
}

// GetLoggingLevel returns the level of verbose logging, 0 for none.
func (m *Master) GetLoggingLevel(ctx context.Context) (int, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_LOGGING_LEVEL))
	return int(resp.GetGetLoggingLevel().GetLevel()), err
}

// SetLoggingLevel sets the level of verbose logging, 0 to 3, for a time; then it falls back to what the master
// was started with.
func (m *Master) SetLoggingLevel(ctx context.Context, level int, d time.Duration) error {
	call := masterCall(masterpb.Call_SET_LOGGING_LEVEL)
	call.SetLoggingLevel = &masterpb.Call_SetLoggingLevel{Level: proto.Uint32(uint32(max(level, 0))), Duration: durationInfo(d)}
	return m.do(ctx, call)
}

// ListFiles lists a directory of the virtual file system of the master, such as /master.
func (m *Master) ListFiles(ctx context.Context, path string) ([]*mesospb.FileInfo, error) {
	call := masterCall(masterpb.Call_LIST_FILES)
	call.ListFiles = &masterpb.Call_ListFiles{Path: proto.String(path)}
	resp, err := m.ask(ctx, call)
	return resp.GetListFiles().GetFileInfos(), err
}

// ReadFile reads a part of a file; see FileChunk.
func (m *Master) ReadFile(ctx context.Context, path string, offset, length int64) (FileChunk, error) {
	call := masterCall(masterpb.Call_READ_FILE)
	call.ReadFile = &masterpb.Call_ReadFile{Path: proto.String(path), Offset: proto.Uint64(uint64(max(offset, 0))), Length: optionalLength(length)}
	resp, err := m.ask(ctx, call)
	return FileChunk{Size: int64(resp.GetReadFile().GetSize()), Data: resp.GetReadFile().GetData()}, err
}

// GetState returns tasks, executors, frameworks and agents at one moment, always in JSON: in protobuf masters leave the tasks of frameworks
// that are gone out. In a big cluster that is many
// megabytes; Watch tells changes cheaper than asking again.
func (m *Master) GetState(ctx context.Context) (*masterpb.Response_GetState, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_STATE))
	return resp.GetGetState(), err
}

// GetAgents returns the registered agents and those that the master remembers but has not heard of since its
// election.
func (m *Master) GetAgents(ctx context.Context) (*masterpb.Response_GetAgents, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_AGENTS))
	return resp.GetGetAgents(), err
}

// GetFrameworks returns the frameworks, and the last of those that are gone.
func (m *Master) GetFrameworks(ctx context.Context) (*masterpb.Response_GetFrameworks, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_FRAMEWORKS))
	return resp.GetGetFrameworks(), err
}

// GetExecutors returns custom and default executors; those of command tasks are not listed.
func (m *Master) GetExecutors(ctx context.Context) ([]*masterpb.Response_GetExecutors_Executor, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_EXECUTORS))
	return resp.GetGetExecutors().GetExecutors(), err
}

// GetOperations returns the offer operations that are under way or whose end is not acknowledged.
func (m *Master) GetOperations(ctx context.Context) ([]*mesospb.Operation, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_OPERATIONS))
	return resp.GetGetOperations().GetOperations(), err
}

// GetTasks returns the tasks: Tasks (with those that ended but are not acknowledged), UnreachableTasks and
// CompletedTasks. They are asked for in JSON: see GetState.
func (m *Master) GetTasks(ctx context.Context) (*masterpb.Response_GetTasks, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_TASKS))
	return resp.GetGetTasks(), err
}

// GetRoles returns the roles in use, with weights and resources.
func (m *Master) GetRoles(ctx context.Context) ([]*mesospb.Role, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_ROLES))
	return resp.GetGetRoles().GetRoles(), err
}

// GetWeights returns the weights that were set, by role. Other roles weigh 1.
func (m *Master) GetWeights(ctx context.Context) (map[string]float64, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_WEIGHTS))
	weights := make(map[string]float64)
	for _, w := range resp.GetGetWeights().GetWeightInfos() {
		weights[w.GetRole()] = w.GetWeight()
	}
	return weights, err
}

// GetMaster describes the leading master.
func (m *Master) GetMaster(ctx context.Context) (*masterpb.Response_GetMaster, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_MASTER))
	return resp.GetGetMaster(), err
}

// GetMaintenanceStatus returns the machines that are draining, with what frameworks answered, and those that
// are down.
func (m *Master) GetMaintenanceStatus(ctx context.Context) (*maintenancepb.ClusterStatus, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_MAINTENANCE_STATUS))
	return resp.GetGetMaintenanceStatus().GetStatus(), err
}

// GetMaintenanceSchedule returns the maintenance that is planned.
func (m *Master) GetMaintenanceSchedule(ctx context.Context) (*maintenancepb.Schedule, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_MAINTENANCE_SCHEDULE))
	return resp.GetGetMaintenanceSchedule().GetSchedule(), err
}

// GetQuota returns guarantees and limits by role.
func (m *Master) GetQuota(ctx context.Context) (*quotapb.QuotaStatus, error) {
	resp, err := m.ask(ctx, masterCall(masterpb.Call_GET_QUOTA))
	return resp.GetGetQuota().GetStatus(), err
}
