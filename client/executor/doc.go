// Package executor is a client of the executor API of a Mesos agent: POST /api/v1/executor.
//
// It is for authors of custom executors, the programs that an agent starts to run tasks of a framework. It has
// two levels. A Client makes one subscription and single calls, with no hidden behaviour. A Session stays
// subscribed for the life of the executor, keeps what is not acknowledged, and hands everything that happens to
// a Handler, one thing at a time:
//
//	cfg, err := executor.FromEnvironment()
//	...
//	err = executor.Run(ctx, cfg, executor.Handler{
//		Launch: func(s *executor.Session, task *mesospb.TaskInfo) error {
//			return s.Update(ctx, &mesospb.TaskStatus{TaskId: task.TaskId, State: mesospb.TaskState_TASK_RUNNING.Enum()})
//		},
//	})
//
// # What the agent expects
//
// An agent marks as failed every delivered task that it has no update of and that a subscription does not list
// as unacknowledged, and it forgets updates that it has not acknowledged when it crashes. A Session therefore
// lists both with every subscription: tasks from their arrival to the first acknowledgement of an update of
// theirs, updates until they are acknowledged.
//
// If the framework checkpoints, tasks outlive the agent: when the connection breaks the session subscribes
// again, at random intervals between zero and Config.SubscriptionBackoffMax, for as long as
// Config.RecoveryTimeout. Otherwise the agent has given the executor up, and the session ends: Handler.Shutdown
// may stop the tasks within Config.ShutdownGracePeriod, then Run returns an *AgentLostError.
//
// Behaviour follows docs/behaviour.md#transport, #executors (Mesos: src/executor/executor.cpp,
// src/slave/http.cpp).
package executor
