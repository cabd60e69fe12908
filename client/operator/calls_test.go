package operator

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
)

// methodName returns the method for a type of call: GET_STATE -> GetState.
func methodName(call protoreflect.Name) string {
	var name strings.Builder
	for word := range strings.SplitSeq(string(call), "_") {
		name.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return name.String()
}

func TestEveryCallHasAMethod(t *testing.T) {
	for _, api := range []struct {
		enum protoreflect.EnumDescriptor
		of   reflect.Type
	}{
		{masterpb.Call_UNKNOWN.Descriptor(), reflect.TypeFor[*Master]()},
		{agentpb.Call_UNKNOWN.Descriptor(), reflect.TypeFor[*Agent]()},
	} {
		for i := range api.enum.Values().Len() {
			name := api.enum.Values().Get(i).Name()
			if name == "UNKNOWN" {
				continue
			}
			if _, ok := api.of.MethodByName(methodName(name)); !ok {
				t.Errorf("%v has no method %s for the call %s", api.of, methodName(name), name)
			}
		}
	}
}

// call is one use of a method: what it sends, what it is answered, what it returns.
type call struct {
	run    func(ctx context.Context) (any, error)
	sends  string
	answer string // "" for none
	status int    // 0 means 200
	want   any    // nil for nothing; a proto.Message is compared as one
}

func nothing(err error) (any, error) { return nil, err }

func masterCalls(m *Master) map[string]call {
	cpus := []*mesospb.Resource{{Name: proto.String("cpus"), Type: mesospb.Value_SCALAR.Enum(), Scalar: &mesospb.Value_Scalar{Value: proto.Float64(1)}}}
	const cpusJSON = `{"name":"cpus","type":"SCALAR","scalar":{"value":1}}`
	machine := &mesospb.MachineID{Hostname: proto.String("h"), Ip: proto.String("10.0.0.1")}
	const machineJSON = `{"hostname":"h","ip":"10.0.0.1"}`
	grace := 90 * time.Second
	schedule := &maintenancepb.Schedule{Windows: []*maintenancepb.Window{{MachineIds: []*mesospb.MachineID{machine},
		Unavailability: &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(5)}}}}}
	const scheduleJSON = `{"windows":[{"machine_ids":[` + machineJSON + `],"unavailability":{"start":{"nanoseconds":5}}}]}`
	const task = `{"name":"t","task_id":{"value":"t"},"framework_id":{"value":"f"},"agent_id":{"value":"a"},"state":"TASK_RUNNING"}`
	return map[string]call{
		"GetHealth":   {run: func(ctx context.Context) (any, error) { return m.GetHealth(ctx) }, sends: `{"type":"GET_HEALTH"}`, answer: `{"type":"GET_HEALTH","get_health":{"healthy":true}}`, want: true},
		"GetFlags":    {run: func(ctx context.Context) (any, error) { return m.GetFlags(ctx) }, sends: `{"type":"GET_FLAGS"}`, answer: `{"type":"GET_FLAGS","get_flags":{"flags":[{"name":"a","value":"1"},{"name":"b"}]}}`, want: map[string]string{"a": "1", "b": ""}},
		"GetVersion":  {run: func(ctx context.Context) (any, error) { return m.GetVersion(ctx) }, sends: `{"type":"GET_VERSION"}`, answer: `{"type":"GET_VERSION","get_version":{"version_info":{"version":"1.12.0"}}}`, want: &mesospb.VersionInfo{Version: proto.String("1.12.0")}},
		"GetMetrics":  {run: func(ctx context.Context) (any, error) { return m.GetMetrics(ctx, 5*time.Second) }, sends: `{"type":"GET_METRICS","get_metrics":{"timeout":{"nanoseconds":5000000000}}}`, answer: `{"type":"GET_METRICS","get_metrics":{"metrics":[{"name":"m","value":2.5},{"name":"slow"}]}}`, want: map[string]float64{"m": 2.5}},
		"GetMetrics0": {run: func(ctx context.Context) (any, error) { return m.GetMetrics(ctx, 0) }, sends: `{"type":"GET_METRICS","get_metrics":{}}`, answer: `{"type":"GET_METRICS","get_metrics":{}}`, want: map[string]float64{}},

		"GetLoggingLevel": {run: func(ctx context.Context) (any, error) { return m.GetLoggingLevel(ctx) }, sends: `{"type":"GET_LOGGING_LEVEL"}`, answer: `{"type":"GET_LOGGING_LEVEL","get_logging_level":{"level":2}}`, want: 2},
		"SetLoggingLevel": {run: func(ctx context.Context) (any, error) { return nothing(m.SetLoggingLevel(ctx, 3, time.Second)) }, sends: `{"type":"SET_LOGGING_LEVEL","set_logging_level":{"level":3,"duration":{"nanoseconds":1000000000}}}`},
		"ListFiles":       {run: func(ctx context.Context) (any, error) { return m.ListFiles(ctx, "/master") }, sends: `{"type":"LIST_FILES","list_files":{"path":"/master"}}`, answer: `{"type":"LIST_FILES","list_files":{"file_infos":[{"path":"/master/log"}]}}`, want: []*mesospb.FileInfo{{Path: proto.String("/master/log")}}},
		"ReadFile":        {run: func(ctx context.Context) (any, error) { return m.ReadFile(ctx, "/f", 7, 100) }, sends: `{"type":"READ_FILE","read_file":{"path":"/f","offset":7,"length":100}}`, answer: `{"type":"READ_FILE","read_file":{"size":9,"data":"aGk="}}`, want: FileChunk{9, []byte("hi")}},
		"ReadFileAll":     {run: func(ctx context.Context) (any, error) { return m.ReadFile(ctx, "/f", 0, -1) }, sends: `{"type":"READ_FILE","read_file":{"path":"/f","offset":0}}`, answer: `{"type":"READ_FILE","read_file":{"size":0,"data":""}}`, want: FileChunk{0, []byte{}}},

		"GetState":      {run: func(ctx context.Context) (any, error) { return m.GetState(ctx) }, sends: `{"type":"GET_STATE"}`, answer: `{"type":"GET_STATE","get_state":{"get_tasks":{"tasks":[` + task + `]}}}`, want: `{"get_tasks":{"tasks":[` + task + `]}}`},
		"GetAgents":     {run: func(ctx context.Context) (any, error) { return m.GetAgents(ctx) }, sends: `{"type":"GET_AGENTS"}`, answer: `{"type":"GET_AGENTS","get_agents":{"recovered_agents":[{"hostname":"h"}]}}`, want: `{"recovered_agents":[{"hostname":"h"}]}`},
		"GetFrameworks": {run: func(ctx context.Context) (any, error) { return m.GetFrameworks(ctx) }, sends: `{"type":"GET_FRAMEWORKS"}`, answer: `{"type":"GET_FRAMEWORKS","get_frameworks":{}}`, want: `{}`},
		"GetExecutors":  {run: func(ctx context.Context) (any, error) { return m.GetExecutors(ctx) }, sends: `{"type":"GET_EXECUTORS"}`, answer: `{"type":"GET_EXECUTORS","get_executors":{"executors":[{"executor_info":{"executor_id":{"value":"e"}},"agent_id":{"value":"a"}}]}}`, want: []*masterpb.Response_GetExecutors_Executor{{ExecutorInfo: &mesospb.ExecutorInfo{ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}}, AgentId: agentIDOf("a")}}},
		"GetOperations": {run: func(ctx context.Context) (any, error) { return m.GetOperations(ctx) }, sends: `{"type":"GET_OPERATIONS"}`, answer: `{"type":"GET_OPERATIONS","get_operations":{}}`, want: []*mesospb.Operation(nil)},
		"GetTasks":      {run: func(ctx context.Context) (any, error) { return m.GetTasks(ctx) }, sends: `{"type":"GET_TASKS"}`, answer: `{"type":"GET_TASKS","get_tasks":{"completed_tasks":[` + task + `]}}`, want: `{"completed_tasks":[` + task + `]}`},
		"GetRoles":      {run: func(ctx context.Context) (any, error) { return m.GetRoles(ctx) }, sends: `{"type":"GET_ROLES"}`, answer: `{"type":"GET_ROLES","get_roles":{"roles":[{"name":"*","weight":1}]}}`, want: []*mesospb.Role{{Name: proto.String("*"), Weight: proto.Float64(1)}}},
		"GetWeights":    {run: func(ctx context.Context) (any, error) { return m.GetWeights(ctx) }, sends: `{"type":"GET_WEIGHTS"}`, answer: `{"type":"GET_WEIGHTS","get_weights":{"weight_infos":[{"role":"q","weight":2.5}]}}`, want: map[string]float64{"q": 2.5}},
		"UpdateWeights": {run: func(ctx context.Context) (any, error) {
			return nothing(m.UpdateWeights(ctx, map[string]float64{"b": 2, "a": 1}))
		}, sends: `{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"a","weight":1},{"role":"b","weight":2}]}}`},
		"GetMaster": {run: func(ctx context.Context) (any, error) { return m.GetMaster(ctx) }, sends: `{"type":"GET_MASTER"}`, answer: `{"type":"GET_MASTER","get_master":{"start_time":1.5}}`, want: `{"start_time":1.5}`},

		"ReserveResources": {run: func(ctx context.Context) (any, error) { return nothing(m.ReserveResources(ctx, "a", nil, cpus)) }, status: 202, sends: `{"type":"RESERVE_RESOURCES","reserve_resources":{"agent_id":{"value":"a"},"resources":[` + cpusJSON + `]}}`},
		"ReserveFrom":      {run: func(ctx context.Context) (any, error) { return nothing(m.ReserveResources(ctx, "a", cpus, cpus)) }, status: 202, sends: `{"type":"RESERVE_RESOURCES","reserve_resources":{"agent_id":{"value":"a"},"source":[` + cpusJSON + `],"resources":[` + cpusJSON + `]}}`},
		"Unreserve":        {run: func(ctx context.Context) (any, error) { return nothing(m.UnreserveResources(ctx, "a", cpus)) }, status: 202, sends: `{"type":"UNRESERVE_RESOURCES","unreserve_resources":{"agent_id":{"value":"a"},"resources":[` + cpusJSON + `]}}`},
		"CreateVolumes":    {run: func(ctx context.Context) (any, error) { return nothing(m.CreateVolumes(ctx, "a", cpus)) }, status: 202, sends: `{"type":"CREATE_VOLUMES","create_volumes":{"agent_id":{"value":"a"},"volumes":[` + cpusJSON + `]}}`},
		"DestroyVolumes":   {run: func(ctx context.Context) (any, error) { return nothing(m.DestroyVolumes(ctx, "a", cpus)) }, status: 202, sends: `{"type":"DESTROY_VOLUMES","destroy_volumes":{"agent_id":{"value":"a"},"volumes":[` + cpusJSON + `]}}`},
		"GrowVolume":       {run: func(ctx context.Context) (any, error) { return nothing(m.GrowVolume(ctx, "a", cpus[0], cpus[0])) }, status: 202, sends: `{"type":"GROW_VOLUME","grow_volume":{"agent_id":{"value":"a"},"volume":` + cpusJSON + `,"addition":` + cpusJSON + `}}`},
		"ShrinkVolume":     {run: func(ctx context.Context) (any, error) { return nothing(m.ShrinkVolume(ctx, "a", cpus[0], 64)) }, status: 202, sends: `{"type":"SHRINK_VOLUME","shrink_volume":{"agent_id":{"value":"a"},"volume":` + cpusJSON + `,"subtract":{"value":64}}}`},

		"GetMaintenanceStatus":      {run: func(ctx context.Context) (any, error) { return m.GetMaintenanceStatus(ctx) }, sends: `{"type":"GET_MAINTENANCE_STATUS"}`, answer: `{"type":"GET_MAINTENANCE_STATUS","get_maintenance_status":{"status":{"down_machines":[` + machineJSON + `]}}}`, want: `{"down_machines":[` + machineJSON + `]}`},
		"GetMaintenanceSchedule":    {run: func(ctx context.Context) (any, error) { return m.GetMaintenanceSchedule(ctx) }, sends: `{"type":"GET_MAINTENANCE_SCHEDULE"}`, answer: `{"type":"GET_MAINTENANCE_SCHEDULE","get_maintenance_schedule":{"schedule":` + scheduleJSON + `}}`, want: schedule},
		"UpdateMaintenanceSchedule": {run: func(ctx context.Context) (any, error) { return nothing(m.UpdateMaintenanceSchedule(ctx, schedule)) }, sends: `{"type":"UPDATE_MAINTENANCE_SCHEDULE","update_maintenance_schedule":{"schedule":` + scheduleJSON + `}}`},
		"ClearMaintenanceSchedule":  {run: func(ctx context.Context) (any, error) { return nothing(m.UpdateMaintenanceSchedule(ctx, nil)) }, sends: `{"type":"UPDATE_MAINTENANCE_SCHEDULE","update_maintenance_schedule":{"schedule":{}}}`},
		"StartMaintenance":          {run: func(ctx context.Context) (any, error) { return nothing(m.StartMaintenance(ctx, machine)) }, sends: `{"type":"START_MAINTENANCE","start_maintenance":{"machines":[` + machineJSON + `]}}`},
		"StopMaintenance":           {run: func(ctx context.Context) (any, error) { return nothing(m.StopMaintenance(ctx, machine)) }, sends: `{"type":"STOP_MAINTENANCE","stop_maintenance":{"machines":[` + machineJSON + `]}}`},
		"DrainAgent":                {run: func(ctx context.Context) (any, error) { return nothing(m.DrainAgent(ctx, "a", DrainConfig{})) }, sends: `{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"a"}}}`},
		"DrainAgentWithin": {run: func(ctx context.Context) (any, error) {
			return nothing(m.DrainAgent(ctx, "a", DrainConfig{&grace, true}))
		}, sends: `{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"a"},"max_grace_period":"90s","mark_gone":true}}`},
		"DeactivateAgent": {run: func(ctx context.Context) (any, error) { return nothing(m.DeactivateAgent(ctx, "a")) }, sends: `{"type":"DEACTIVATE_AGENT","deactivate_agent":{"agent_id":{"value":"a"}}}`},
		"ReactivateAgent": {run: func(ctx context.Context) (any, error) { return nothing(m.ReactivateAgent(ctx, "a")) }, sends: `{"type":"REACTIVATE_AGENT","reactivate_agent":{"agent_id":{"value":"a"}}}`},

		"GetQuota": {run: func(ctx context.Context) (any, error) { return m.GetQuota(ctx) }, sends: `{"type":"GET_QUOTA"}`, answer: `{"type":"GET_QUOTA","get_quota":{"status":{"configs":[{"role":"q"}]}}}`, want: `{"configs":[{"role":"q"}]}`},
		"UpdateQuota": {run: func(ctx context.Context) (any, error) {
			return nothing(m.UpdateQuota(ctx, true, &quotapb.QuotaConfig{Role: proto.String("q")}))
		}, sends: `{"type":"UPDATE_QUOTA","update_quota":{"force":true,"quota_configs":[{"role":"q"}]}}`},
		"SetQuota": {run: func(ctx context.Context) (any, error) {
			return nothing(m.SetQuota(ctx, &quotapb.QuotaRequest{Role: proto.String("q")}))
		}, sends: `{"type":"SET_QUOTA","set_quota":{"quota_request":{"role":"q"}}}`},
		"RemoveQuota":   {run: func(ctx context.Context) (any, error) { return nothing(m.RemoveQuota(ctx, "q")) }, sends: `{"type":"REMOVE_QUOTA","remove_quota":{"role":"q"}}`},
		"Teardown":      {run: func(ctx context.Context) (any, error) { return nothing(m.Teardown(ctx, "f")) }, sends: `{"type":"TEARDOWN","teardown":{"framework_id":{"value":"f"}}}`},
		"MarkAgentGone": {run: func(ctx context.Context) (any, error) { return nothing(m.MarkAgentGone(ctx, "a")) }, sends: `{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"a"}}}`},
		"Call": {run: func(ctx context.Context) (any, error) { return m.Call(ctx, masterCall(masterpb.Call_GET_HEALTH)) },
			sends: `{"type":"GET_HEALTH"}`, answer: `{"type":"GET_HEALTH","get_health":{"healthy":true}}`, want: `{"type":"GET_HEALTH","get_health":{"healthy":true}}`},
	}
}

func agentCalls(a *Agent) map[string]call {
	id := &mesospb.ContainerID{Value: proto.String("c"), Parent: &mesospb.ContainerID{Value: proto.String("p")}}
	const idJSON = `{"value":"c","parent":{"value":"p"}}`
	command := &mesospb.CommandInfo{Value: proto.String("ls")}
	info := &mesospb.ResourceProviderInfo{Type: proto.String("org.x"), Name: proto.String("n")}
	const infoJSON = `{"type":"org.x","name":"n"}`
	exited := ContainerExit{Status: proto.Int32(768), Message: "m"}
	return map[string]call{
		"GetHealth":       {run: func(ctx context.Context) (any, error) { return a.GetHealth(ctx) }, sends: `{"type":"GET_HEALTH"}`, answer: `{"type":"GET_HEALTH","get_health":{"healthy":true}}`, want: true},
		"GetFlags":        {run: func(ctx context.Context) (any, error) { return a.GetFlags(ctx) }, sends: `{"type":"GET_FLAGS"}`, answer: `{"type":"GET_FLAGS","get_flags":{"flags":[{"name":"a","value":"1"}]}}`, want: map[string]string{"a": "1"}},
		"GetVersion":      {run: func(ctx context.Context) (any, error) { return a.GetVersion(ctx) }, sends: `{"type":"GET_VERSION"}`, answer: `{"type":"GET_VERSION","get_version":{"version_info":{"version":"1.12.0"}}}`, want: &mesospb.VersionInfo{Version: proto.String("1.12.0")}},
		"GetMetrics":      {run: func(ctx context.Context) (any, error) { return a.GetMetrics(ctx, 0) }, sends: `{"type":"GET_METRICS","get_metrics":{}}`, answer: `{"type":"GET_METRICS","get_metrics":{"metrics":[{"name":"m","value":2.5}]}}`, want: map[string]float64{"m": 2.5}},
		"GetLoggingLevel": {run: func(ctx context.Context) (any, error) { return a.GetLoggingLevel(ctx) }, sends: `{"type":"GET_LOGGING_LEVEL"}`, answer: `{"type":"GET_LOGGING_LEVEL","get_logging_level":{"level":2}}`, want: 2},
		"SetLoggingLevel": {run: func(ctx context.Context) (any, error) { return nothing(a.SetLoggingLevel(ctx, 3, time.Second)) }, sends: `{"type":"SET_LOGGING_LEVEL","set_logging_level":{"level":3,"duration":{"nanoseconds":1000000000}}}`},
		"ListFiles":       {run: func(ctx context.Context) (any, error) { return a.ListFiles(ctx, "/d") }, sends: `{"type":"LIST_FILES","list_files":{"path":"/d"}}`, answer: `{"type":"LIST_FILES","list_files":{"file_infos":[{"path":"/d/f","size":3}]}}`, want: []*mesospb.FileInfo{{Path: proto.String("/d/f"), Size: proto.Uint64(3)}}},
		"ReadFile":        {run: func(ctx context.Context) (any, error) { return a.ReadFile(ctx, "/f", 7, 0) }, sends: `{"type":"READ_FILE","read_file":{"path":"/f","offset":7,"length":0}}`, answer: `{"type":"READ_FILE","read_file":{"size":9,"data":""}}`, want: FileChunk{9, []byte{}}},

		"GetState":      {run: func(ctx context.Context) (any, error) { return a.GetState(ctx) }, sends: `{"type":"GET_STATE"}`, answer: `{"type":"GET_STATE","get_state":{"get_tasks":{}}}`, want: `{"get_tasks":{}}`},
		"GetFrameworks": {run: func(ctx context.Context) (any, error) { return a.GetFrameworks(ctx) }, sends: `{"type":"GET_FRAMEWORKS"}`, answer: `{"type":"GET_FRAMEWORKS","get_frameworks":{"frameworks":[{"framework_info":{"user":"u","name":"n"}}]}}`, want: `{"frameworks":[{"framework_info":{"user":"u","name":"n"}}]}`},
		"GetExecutors":  {run: func(ctx context.Context) (any, error) { return a.GetExecutors(ctx) }, sends: `{"type":"GET_EXECUTORS"}`, answer: `{"type":"GET_EXECUTORS","get_executors":{"completed_executors":[{"executor_info":{"executor_id":{"value":"e"}}}]}}`, want: `{"completed_executors":[{"executor_info":{"executor_id":{"value":"e"}}}]}`},
		"GetOperations": {run: func(ctx context.Context) (any, error) { return a.GetOperations(ctx) }, sends: `{"type":"GET_OPERATIONS"}`, answer: `{"type":"GET_OPERATIONS","get_operations":{}}`, want: []*mesospb.Operation(nil)},
		"GetTasks":      {run: func(ctx context.Context) (any, error) { return a.GetTasks(ctx) }, sends: `{"type":"GET_TASKS"}`, answer: `{"type":"GET_TASKS","get_tasks":{}}`, want: `{}`},
		"GetAgent":      {run: func(ctx context.Context) (any, error) { return a.GetAgent(ctx) }, sends: `{"type":"GET_AGENT"}`, answer: `{"type":"GET_AGENT","get_agent":{"agent_info":{"hostname":"h"}}}`, want: `{"agent_info":{"hostname":"h"}}`},
		"GetResourceProviders": {run: func(ctx context.Context) (any, error) { return a.GetResourceProviders(ctx) }, sends: `{"type":"GET_RESOURCE_PROVIDERS"}`, answer: `{"type":"GET_RESOURCE_PROVIDERS","get_resource_providers":{"resource_providers":[{"resource_provider_info":` + infoJSON + `}]}}`,
			want: []*agentpb.Response_GetResourceProviders_ResourceProvider{{ResourceProviderInfo: info}}},
		"GetContainers": {run: func(ctx context.Context) (any, error) { return a.GetContainers(ctx, ContainersConfig{}) }, sends: `{"type":"GET_CONTAINERS","get_containers":{}}`, answer: `{"type":"GET_CONTAINERS","get_containers":{"containers":[{"container_id":` + idJSON + `}]}}`, want: []*agentpb.Response_GetContainers_Container{{ContainerId: id}}},
		"AllContainers": {run: func(ctx context.Context) (any, error) { return a.GetContainers(ctx, ContainersConfig{true, true}) }, sends: `{"type":"GET_CONTAINERS","get_containers":{"show_nested":true,"show_standalone":true}}`, answer: `{"type":"GET_CONTAINERS","get_containers":{}}`, want: []*agentpb.Response_GetContainers_Container(nil)},

		"LaunchContainer": {run: func(ctx context.Context) (any, error) {
			return a.LaunchContainer(ctx, &agentpb.Call_LaunchContainer{ContainerId: id, Command: command})
		}, sends: `{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":` + idJSON + `,"command":{"value":"ls"}}}`, want: false},
		"LaunchAgain": {run: func(ctx context.Context) (any, error) {
			return a.LaunchContainer(ctx, &agentpb.Call_LaunchContainer{ContainerId: id})
		}, sends: `{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":` + idJSON + `}}`, status: 202, want: true},
		"WaitContainer":         {run: func(ctx context.Context) (any, error) { return a.WaitContainer(ctx, id) }, sends: `{"type":"WAIT_CONTAINER","wait_container":{"container_id":` + idJSON + `}}`, answer: `{"type":"WAIT_CONTAINER","wait_container":{"exit_status":768,"message":"m"}}`, want: exited},
		"KillContainer":         {run: func(ctx context.Context) (any, error) { return nothing(a.KillContainer(ctx, id, 15)) }, sends: `{"type":"KILL_CONTAINER","kill_container":{"container_id":` + idJSON + `,"signal":15}}`},
		"KillContainer9":        {run: func(ctx context.Context) (any, error) { return nothing(a.KillContainer(ctx, id, 0)) }, sends: `{"type":"KILL_CONTAINER","kill_container":{"container_id":` + idJSON + `}}`},
		"RemoveContainer":       {run: func(ctx context.Context) (any, error) { return nothing(a.RemoveContainer(ctx, id)) }, sends: `{"type":"REMOVE_CONTAINER","remove_container":{"container_id":` + idJSON + `}}`},
		"LaunchNestedContainer": {run: func(ctx context.Context) (any, error) { return nothing(a.LaunchNestedContainer(ctx, id, command, nil)) }, sends: `{"type":"LAUNCH_NESTED_CONTAINER","launch_nested_container":{"container_id":` + idJSON + `,"command":{"value":"ls"}}}`},
		"WaitNestedContainer":   {run: func(ctx context.Context) (any, error) { return a.WaitNestedContainer(ctx, id) }, sends: `{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"container_id":` + idJSON + `}}`, answer: `{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"exit_status":768,"message":"m"}}`, want: exited},
		"KillNestedContainer":   {run: func(ctx context.Context) (any, error) { return nothing(a.KillNestedContainer(ctx, id, 2)) }, sends: `{"type":"KILL_NESTED_CONTAINER","kill_nested_container":{"container_id":` + idJSON + `,"signal":2}}`},
		"RemoveNestedContainer": {run: func(ctx context.Context) (any, error) { return nothing(a.RemoveNestedContainer(ctx, id)) }, sends: `{"type":"REMOVE_NESTED_CONTAINER","remove_nested_container":{"container_id":` + idJSON + `}}`},

		"AddResourceProviderConfig":    {run: func(ctx context.Context) (any, error) { return nothing(a.AddResourceProviderConfig(ctx, info)) }, sends: `{"type":"ADD_RESOURCE_PROVIDER_CONFIG","add_resource_provider_config":{"info":` + infoJSON + `}}`},
		"UpdateResourceProviderConfig": {run: func(ctx context.Context) (any, error) { return nothing(a.UpdateResourceProviderConfig(ctx, info)) }, sends: `{"type":"UPDATE_RESOURCE_PROVIDER_CONFIG","update_resource_provider_config":{"info":` + infoJSON + `}}`},
		"RemoveResourceProviderConfig": {run: func(ctx context.Context) (any, error) { return nothing(a.RemoveResourceProviderConfig(ctx, "t", "n")) }, sends: `{"type":"REMOVE_RESOURCE_PROVIDER_CONFIG","remove_resource_provider_config":{"type":"t","name":"n"}}`},
		"MarkResourceProviderGone":     {run: func(ctx context.Context) (any, error) { return nothing(a.MarkResourceProviderGone(ctx, "r")) }, sends: `{"type":"MARK_RESOURCE_PROVIDER_GONE","mark_resource_provider_gone":{"resource_provider_id":{"value":"r"}}}`},
		"PruneImages":                  {run: func(ctx context.Context) (any, error) { return nothing(a.PruneImages(ctx)) }, sends: `{"type":"PRUNE_IMAGES","prune_images":{}}`},
		"Call": {run: func(ctx context.Context) (any, error) { return a.Call(ctx, agentCall(agentpb.Call_GET_HEALTH)) },
			sends: `{"type":"GET_HEALTH"}`, answer: `{"type":"GET_HEALTH","get_health":{"healthy":true}}`, want: `{"type":"GET_HEALTH","get_health":{"healthy":true}}`},
	}
}

func TestMasterCalls(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		n := newNetwork(t, cd)
		testCalls(t, n, masterCalls(n.master("m:5050")), "m:5050", func() (proto.Message, proto.Message) { return new(masterpb.Call), new(masterpb.Response) })
	})
}

func TestAgentCalls(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		n := newNetwork(t, cd)
		testCalls(t, n, agentCalls(n.agent("a:5051")), "a:5051", func() (proto.Message, proto.Message) { return new(agentpb.Call), new(agentpb.Response) })
	})
}

func testCalls(t *testing.T, n *network, calls map[string]call, addr string, messages func() (req, resp proto.Message)) {
	var now call
	var received proto.Message
	n.serve(addr, func(w http.ResponseWriter, r *http.Request) {
		req, resp := messages()
		cd := readCall(t, r, req)
		received = req
		if c, ok := req.(*masterpb.Call); ok {
			switch c.GetType() {
			case masterpb.Call_GET_TASKS, masterpb.Call_GET_STATE:
				cd = codec.JSON
			case masterpb.Call_GET_QUOTA:
				if strings.Contains(now.sends, "REMOVE_QUOTA") { // asked first
					respond(t, w, cd, parse(t, resp, `{"type":"GET_QUOTA","get_quota":{"status":{"infos":[{"role":"q"}]}}}`))
					return
				}
			}
		}
		if r.URL.Path != "/api/v1" || r.Header.Get("Accept") != cd.MediaType() {
			t.Errorf("%s with Accept: %s", r.URL.Path, r.Header.Get("Accept"))
		}
		if now.answer != "" {
			respond(t, w, cd, parse(t, resp, now.answer))
			return
		}
		if now.status != 0 {
			w.WriteHeader(now.status)
		}
	})
	for name, c := range calls {
		now = c
		got, err := c.run(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		req, _ := messages()
		if diff := cmp.Diff(parse(t, req, c.sends), received, protocmp.Transform()); diff != "" {
			t.Errorf("%s sends (-want +got):\n%s", name, diff)
		}
		want := c.want
		if text, ok := want.(string); ok {
			m := got.(proto.Message).ProtoReflect().New().Interface()
			want = parse(t, m, text)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s returns (-want +got):\n%s", name, diff)
		}
	}
}
