package agent

// The reading operator calls. They run on the loop and clone what may change after.

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func protoName(s string) protoreflect.Name { return protoreflect.Name(s) }

func (a *Agent) getHealth(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_HEALTH.Enum(), GetHealth: &agentpb.Response_GetHealth{Healthy: proto.Bool(true)}}, nil
}

func (a *Agent) getFlags(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_FLAGS.Enum(), GetFlags: &agentpb.Response_GetFlags{Flags: a.flags()}}, nil
}

func (a *Agent) getVersion(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_VERSION.Enum(), GetVersion: &agentpb.Response_GetVersion{VersionInfo: versionInfo()}}, nil
}

func (a *Agent) getMetrics(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_METRICS.Enum(), GetMetrics: &agentpb.Response_GetMetrics{Metrics: metricList(a.metrics())}}, nil
}

// pruneImages has nothing to do: there are no images.
func (a *Agent) pruneImages(*agentpb.Call) (*agentpb.Response, *problem) { return nil, nil }

func (a *Agent) getState(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_STATE.Enum(), GetState: &agentpb.Response_GetState{
		GetTasks: a.taskLists(), GetExecutors: a.executorLists(), GetFrameworks: a.frameworkLists(),
	}}, nil
}

func (a *Agent) getTasks(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_TASKS.Enum(), GetTasks: a.taskLists()}, nil
}

func (a *Agent) getExecutors(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_EXECUTORS.Enum(), GetExecutors: a.executorLists()}, nil
}

func (a *Agent) getFrameworks(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_FRAMEWORKS.Enum(), GetFrameworks: a.frameworkLists()}, nil
}

func (a *Agent) getAgent(*agentpb.Call) (*agentpb.Response, *problem) {
	info := clone(a.info)
	info.Resources = resources.CloneList(a.total) // without the older fields, unlike other endpoints
	get := &agentpb.Response_GetAgent{AgentInfo: info}
	if a.drain != nil {
		get.DrainConfig = a.drainConfig()
		get.EstimatedDrainStartTime = &mesospb.TimeInfo{Nanoseconds: proto.Int64(a.drainedFrom.UnixNano())}
	}
	return &agentpb.Response{Type: agentpb.Response_GET_AGENT.Enum(), GetAgent: get}, nil
}

// getOperations lists those that frameworks have not acknowledged: operations are applied by the master.
func (a *Agent) getOperations(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_OPERATIONS.Enum(), GetOperations: &agentpb.Response_GetOperations{
		Operations: slices.Clone(a.operations),
	}}, nil
}

func (a *Agent) getResourceProviders(*agentpb.Call) (*agentpb.Response, *problem) {
	return &agentpb.Response{Type: agentpb.Response_GET_RESOURCE_PROVIDERS.Enum(), GetResourceProviders: &agentpb.Response_GetResourceProviders{}}, nil
}

// allFrameworks calls f for each framework that may be seen, those of the past included.
func (a *Agent) allFrameworks(f func(fw *framework, completed bool)) {
	for _, fw := range sorted(a.frameworks) {
		if a.sees(fw) {
			f(fw, false)
		}
	}
	for _, fw := range a.completed {
		if a.sees(fw) {
			f(fw, true)
		}
	}
}

func (a *Agent) taskLists() *agentpb.Response_GetTasks {
	get := &agentpb.Response_GetTasks{}
	a.allFrameworks(func(f *framework, _ bool) {
		for _, e := range append(sorted(f.executors), f.completed...) {
			for _, t := range a.visibleTasks(f, sorted(e.tasks)) {
				wire := clone(t.wire)
				switch t.stage {
				case taskQueued:
					get.QueuedTasks = append(get.QueuedTasks, wire)
				case taskLaunched:
					get.LaunchedTasks = append(get.LaunchedTasks, wire)
				default:
					get.TerminatedTasks = append(get.TerminatedTasks, wire)
				}
			}
			for _, t := range a.visibleTasks(f, e.completed) {
				get.CompletedTasks = append(get.CompletedTasks, clone(t.wire))
			}
		}
	})
	return get
}

func (a *Agent) executorLists() *agentpb.Response_GetExecutors {
	get := &agentpb.Response_GetExecutors{}
	a.allFrameworks(func(f *framework, _ bool) {
		for _, e := range a.visibleExecutors(sorted(f.executors)) {
			get.Executors = append(get.Executors, &agentpb.Response_GetExecutors_Executor{ExecutorInfo: e.info})
		}
		for _, e := range a.visibleExecutors(f.completed) {
			get.CompletedExecutors = append(get.CompletedExecutors, &agentpb.Response_GetExecutors_Executor{ExecutorInfo: e.info})
		}
	})
	return get
}

func (a *Agent) frameworkLists() *agentpb.Response_GetFrameworks {
	get := &agentpb.Response_GetFrameworks{}
	a.allFrameworks(func(f *framework, completed bool) {
		entry := &agentpb.Response_GetFrameworks_Framework{FrameworkInfo: f.info}
		if completed {
			get.CompletedFrameworks = append(get.CompletedFrameworks, entry)
		} else {
			get.Frameworks = append(get.Frameworks, entry)
		}
	})
	return get
}

// drainConfig describes the draining that goes on.
func (a *Agent) drainConfig() *mesospb.DrainConfig {
	c := &mesospb.DrainConfig{MarkGone: proto.Bool(a.drain.MarkGone)}
	if d := a.drain.MaxGrace; d != nil {
		c.MaxGracePeriod = &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(*d))}
	}
	return c
}
