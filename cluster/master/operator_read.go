package master

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/files"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// The calls that ask (docs/behaviour.md#operator-api). Responses share their parts with the loop's state, which only replaces and never
// changes them. Resources are in endpoint format.

func (m *Master) opGetHealth() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_HEALTH.Enum(), GetHealth: &masterpb.Response_GetHealth{Healthy: proto.Bool(true)}}
}

func (m *Master) opGetVersion() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_VERSION.Enum(), GetVersion: &masterpb.Response_GetVersion{
		VersionInfo: &mesospb.VersionInfo{Version: proto.String(Version)},
	}}
}

func (m *Master) opGetFlags() *masterpb.Response {
	var list []*mesospb.Flag
	flags := m.flags()
	for _, name := range sortedKeys(flags) {
		list = append(list, &mesospb.Flag{Name: proto.String(name), Value: proto.String(flags[name])})
	}
	return &masterpb.Response{Type: masterpb.Response_GET_FLAGS.Enum(), GetFlags: &masterpb.Response_GetFlags{Flags: list}}
}

func (m *Master) opGetMetrics(*masterpb.Call) (*masterpb.Response, answer) {
	values := m.metricValues()
	var list []*mesospb.Metric
	for _, name := range sortedKeys(values) {
		list = append(list, &mesospb.Metric{Name: proto.String(name), Value: proto.Float64(values[name])})
	}
	return &masterpb.Response{Type: masterpb.Response_GET_METRICS.Enum(), GetMetrics: &masterpb.Response_GetMetrics{Metrics: list}}, ok
}

func (m *Master) opGetLoggingLevel() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_LOGGING_LEVEL.Enum(), GetLoggingLevel: &masterpb.Response_GetLoggingLevel{Level: proto.Uint32(m.logLevel)}}
}

// opSetLoggingLevel remembers the level for its duration; what is logged is up to the Logger of the Config.
func (m *Master) opSetLoggingLevel(c *masterpb.Call_SetLoggingLevel) answer {
	m.setLogLevel(c.GetLevel(), time.Duration(c.GetDuration().GetNanoseconds()))
	return ok
}

func (m *Master) setLogLevel(level uint32, d time.Duration) {
	m.logLevelTimer.Stop()
	m.logLevel = level
	m.logLevelTimer = m.loop.After(d, func() { m.logLevel = 0 })
}

func (m *Master) opListFiles(c *masterpb.Call) (*masterpb.Response, answer) {
	infos, err := m.files.List(c.GetListFiles().GetPath())
	if err != nil {
		return nil, fileError(err)
	}
	return &masterpb.Response{Type: masterpb.Response_LIST_FILES.Enum(), ListFiles: &masterpb.Response_ListFiles{FileInfos: infos}}, ok
}

func (m *Master) opReadFile(c *masterpb.Call) (*masterpb.Response, answer) {
	length := int64(-1)
	if c.GetReadFile().Length != nil {
		length = int64(min(c.GetReadFile().GetLength(), files.MaxRead))
	}
	size, data, err := m.files.ReadAt(c.GetReadFile().GetPath(), int64(min(c.GetReadFile().GetOffset(), 1<<62)), length)
	if err != nil {
		return nil, fileError(err)
	}
	if data == nil {
		data = []byte{} // a required field
	}
	return &masterpb.Response{Type: masterpb.Response_READ_FILE.Enum(), ReadFile: &masterpb.Response_ReadFile{
		Size: proto.Uint64(uint64(size)), Data: data,
	}}, ok
}

func fileError(err error) answer {
	if errors.Is(err, files.ErrNotFound) {
		return answer{http.StatusNotFound, ""}
	}
	return badRequest(err)
}

func (m *Master) opGetState() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_STATE.Enum(), GetState: m.getState()}
}

func (m *Master) getState() *masterpb.Response_GetState {
	return &masterpb.Response_GetState{
		GetTasks: m.getTasks(), GetExecutors: m.getExecutors(), GetFrameworks: m.getFrameworks(), GetAgents: m.getAgents(),
	}
}

func (m *Master) opGetAgents() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_AGENTS.Enum(), GetAgents: m.getAgents()}
}

func (m *Master) getAgents() *masterpb.Response_GetAgents {
	r := &masterpb.Response_GetAgents{}
	for _, id := range sortedKeys(m.agents) {
		r.Agents = append(r.Agents, m.agentPB(m.agents[id]))
	}
	for _, id := range sortedKeys(m.recovered) {
		r.RecoveredAgents = append(r.RecoveredAgents, m.recovered[id].info)
	}
	return r
}

func (m *Master) agentPB(a *agent) *masterpb.Response_GetAgents_Agent {
	p := &masterpb.Response_GetAgents_Agent{
		AgentInfo:        a.info,
		Active:           proto.Bool(a.active()),
		Version:          proto.String(a.desc.Version),
		Pid:              proto.String(a.desc.PID),
		RegisteredTime:   timeInfo(a.registered),
		ReregisteredTime: timeInfo(a.reregistered),
		TotalResources:   resources.Endpoint(a.desc.Total),
		DrainInfo:        a.drain,
	}
	deactivated := a.deactivated
	p.Deactivated = &deactivated
	var used, offered resources.Pool
	for _, f := range sortedKeys(a.used) {
		used.AddPool(a.used[f])
	}
	for _, id := range sortedKeys(a.offers) {
		offered.Add(a.offers[id].resources)
	}
	p.AllocatedResources = resources.Endpoint(used.Resources())
	p.OfferedResources = resources.Endpoint(offered.Resources())
	for _, c := range a.desc.Capabilities {
		p.Capabilities = append(p.Capabilities, &mesospb.AgentInfo_Capability{Type: c.Enum()})
	}
	if a.drain != nil {
		p.EstimatedDrainStartTime = timeInfo(a.drainStart.Truncate(time.Second))
	}
	return p
}

func (m *Master) opGetFrameworks() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_FRAMEWORKS.Enum(), GetFrameworks: m.getFrameworks()}
}

func (m *Master) getFrameworks() *masterpb.Response_GetFrameworks {
	r := &masterpb.Response_GetFrameworks{}
	used := m.used()
	for _, f := range m.visible() {
		r.Frameworks = append(r.Frameworks, m.frameworkPB(f, used[f.id]))
	}
	for _, f := range m.visibleCompleted() {
		r.CompletedFrameworks = append(r.CompletedFrameworks, m.frameworkPB(f, nil))
	}
	return r
}

// used sums what frameworks use on all agents.
func (m *Master) used() map[string]*resources.Pool {
	sums := map[string]*resources.Pool{}
	for _, id := range sortedKeys(m.agents) {
		for f, p := range m.agents[id].used {
			if sums[f] == nil {
				sums[f] = resources.NewPool()
			}
			sums[f].AddPool(p)
		}
	}
	return sums
}

// usedBy sums what one framework uses.
func (m *Master) usedBy(framework string) *resources.Pool {
	sum := resources.NewPool()
	for _, id := range sortedKeys(m.agents) {
		if p := m.agents[id].used[framework]; p != nil {
			sum.AddPool(p)
		}
	}
	return sum
}

// offeredTo sums what is offered to a framework.
func offeredTo(f *framework) []*mesospb.Resource {
	var sum resources.Pool
	for _, id := range sortedKeys(f.offers) {
		sum.Add(f.offers[id].resources)
	}
	return sum.Resources()
}

func (m *Master) frameworkPB(f *framework, used *resources.Pool) *masterpb.Response_GetFrameworks_Framework {
	active, connected, recovered := f.active, f.connected, f.recovered
	p := &masterpb.Response_GetFrameworks_Framework{
		FrameworkInfo:    f.info,
		Active:           &active,
		Connected:        &connected,
		Recovered:        &recovered,
		RegisteredTime:   timeInfo(f.registered),
		ReregisteredTime: timeInfo(f.reregistered),
		UnregisteredTime: timeInfo(f.unregistered),
		OfferedResources: resources.Endpoint(offeredTo(f)),
		OfferConstraints: f.constraints,
	}
	if p.OfferConstraints == nil {
		p.OfferConstraints = &schedulerpb.OfferConstraints{}
	}
	if used != nil {
		p.AllocatedResources = resources.Endpoint(used.Resources())
	}
	for _, id := range sortedKeys(f.offers) {
		p.Offers = append(p.Offers, f.offers[id].pb)
	}
	for _, id := range sortedKeys(f.inverseOffers) {
		p.InverseOffers = append(p.InverseOffers, f.inverseOffers[id].pb)
	}
	return p
}

func (m *Master) opGetExecutors() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_EXECUTORS.Enum(), GetExecutors: m.getExecutors()}
}

func (m *Master) getExecutors() *masterpb.Response_GetExecutors {
	r := &masterpb.Response_GetExecutors{}
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		for _, f := range sortedKeys(a.executors) {
			for _, e := range sortedKeys(a.executors[f]) {
				if info := a.executors[f][e]; m.seesExecutor(f, info) {
					r.Executors = append(r.Executors, &masterpb.Response_GetExecutors_Executor{ExecutorInfo: info, AgentId: a.info.Id})
				}
			}
		}
	}
	return r
}

func (m *Master) opGetOperations() *masterpb.Response {
	r := &masterpb.Response_GetOperations{}
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		for _, u := range sortedKeys(a.ops) {
			r.Operations = append(r.Operations, a.ops[u].pb())
		}
	}
	return &masterpb.Response{Type: masterpb.Response_GET_OPERATIONS.Enum(), GetOperations: r}
}

func (m *Master) opGetTasks() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_TASKS.Enum(), GetTasks: m.getTasks()}
}

// getTasks lists tasks. Those of frameworks that were removed are missing in protobuf: there Mesos tests the wrong way round whether they may
// be seen.
func (m *Master) getTasks() *masterpb.Response_GetTasks {
	r := &masterpb.Response_GetTasks{}
	for f := range m.allFrameworks {
		if m.caller.protobuf && m.frameworks[f.id] != f {
			continue
		}
		for _, t := range m.tasksOf(f) {
			r.Tasks = append(r.Tasks, t.pb())
		}
		for _, t := range m.visibleTasks(f.unreachable.list) {
			r.UnreachableTasks = append(r.UnreachableTasks, t.pb())
		}
		for _, t := range m.visibleTasks(f.completedTasks.list) {
			r.CompletedTasks = append(r.CompletedTasks, t.pb())
		}
	}
	return r
}

// allFrameworks yields frameworks that are there, then those that were removed.
func (m *Master) allFrameworks(yield func(*framework) bool) {
	for _, id := range sortedKeys(m.frameworks) {
		if !yield(m.frameworks[id]) {
			return
		}
	}
	for _, f := range m.completed {
		if !yield(f) {
			return
		}
	}
}

func (m *Master) opGetRoles() *masterpb.Response {
	r := &masterpb.Response_GetRoles{}
	for _, s := range m.roleSummaries() {
		role := &mesospb.Role{Name: proto.String(s.name), Weight: proto.Float64(s.weight)}
		for _, id := range s.frameworks {
			role.Frameworks = append(role.Frameworks, &mesospb.FrameworkID{Value: proto.String(id)})
		}
		role.Resources = resources.Filter(resources.Flatten(slices.Concat(s.allocated.Resources(), s.offered.Resources())), func(r *mesospb.Resource) bool {
			return r.GetType() == mesospb.Value_SCALAR // Mesos counts no others here
		})
		r.Roles = append(r.Roles, role)
	}
	return &masterpb.Response{Type: masterpb.Response_GET_ROLES.Enum(), GetRoles: r}
}

func (m *Master) opGetWeights() *masterpb.Response {
	r := &masterpb.Response{Type: masterpb.Response_GET_WEIGHTS.Enum()}
	weights := m.alloc.Weights()
	for _, role := range sortedKeys(weights) {
		if !m.seesRole(role) {
			continue
		}
		if r.GetWeights == nil {
			r.GetWeights = &masterpb.Response_GetWeights{}
		}
		r.GetWeights.WeightInfos = append(r.GetWeights.WeightInfos, &mesospb.WeightInfo{Role: proto.String(role), Weight: proto.Float64(weights[role])})
	}
	return r
}

func (m *Master) opGetMaster() *masterpb.Response {
	return &masterpb.Response{Type: masterpb.Response_GET_MASTER.Enum(), GetMaster: &masterpb.Response_GetMaster{
		MasterInfo: m.Info(), StartTime: proto.Float64(seconds(m.started)), ElectedTime: proto.Float64(seconds(m.elected)),
	}}
}
