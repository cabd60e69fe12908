package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

func newMasterEvents(o *operating) *cobra.Command {
	var types []string
	var count int
	var heartbeats bool
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "events", Short: "Follow what happens in the cluster", Args: cobra.NoArgs,
		Long: `events shows the events of the operator API as they come, until it is interrupted. The first, SUBSCRIBED, has the state of the cluster;
it comes again after the connection was lost or another master took over, as nobody knows what happened meanwhile.`,
		Example: "  mesokit master events --type TASK_ADDED,TASK_UPDATED -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted := map[masterpb.Event_Type]bool{}
			for _, name := range types {
				n, ok := masterpb.Event_Type_value[name]
				if !ok || n == 0 {
					return usagef("--type %q: want SUBSCRIBED, TASK_ADDED, TASK_UPDATED, AGENT_ADDED, AGENT_REMOVED, FRAMEWORK_ADDED, FRAMEWORK_UPDATED, FRAMEWORK_REMOVED or HEARTBEAT", name)
				}
				wanted[masterpb.Event_Type(n)] = true
			}
			if count < 0 {
				return usagef("--count %d: want 0 or more", count)
			}
			return o.masterRun(true, func(cmd *cobra.Command, m *operator.Master, _ []string) error {
				return followEvents(cmd, m, count, func(e *masterpb.Event) bool {
					if len(wanted) > 0 {
						return wanted[e.GetType()]
					}
					return heartbeats || e.GetType() != masterpb.Event_HEARTBEAT
				})
			})(cmd, args)
		},
	}
	cmd.Flags().StringSliceVar(&types, "type", nil, "events of these types only, such as TASK_UPDATED")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many events; 0 for never")
	cmd.Flags().BoolVar(&heartbeats, "heartbeats", false, "show HEARTBEAT, too")
	return cmd
}

// followEvents prints events. Who cannot be reached at first is an error; who is lost later comes back.
func followEvents(cmd *cobra.Command, m *operator.Master, count int, wanted func(*masterpb.Event) bool) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	connected, seen := false, 0
	var unreached error
	disconnected := func(err error) {
		if connected {
			fmt.Fprintf(cmd.ErrOrStderr(), "mesokit: %v; trying again\n", cmp.Or(err, operator.ErrStreamEnded))
			return
		}
		unreached = err
		stop()
	}
	for e, err := range m.Watch(ctx, operator.WatchConfig{Disconnected: disconnected}) {
		if unreached != nil {
			return unreached
		}
		if _, odd := errors.AsType[*transport.DecodeError](err); odd {
			fmt.Fprintln(cmd.ErrOrStderr(), "mesokit:", err)
			continue
		}
		if err != nil {
			return err
		}
		connected = true
		if !wanted(e) {
			continue
		}
		if err := emitMessage(cmd, e, func() string { return visible.Line(clusterEventLine(time.Now(), e)) }); err != nil {
			return err
		}
		if seen++; seen == count {
			return nil
		}
	}
	return nil
}

// clusterEventLine is an event for people.
func clusterEventLine(at time.Time, e *masterpb.Event) string {
	parts := []string{at.Format("15:04:05.000"), e.GetType().String()}
	add := func(texts ...string) {
		for _, s := range texts {
			if s != "" {
				parts = append(parts, s)
			}
		}
	}
	switch e.GetType() {
	case masterpb.Event_SUBSCRIBED:
		s := e.GetSubscribed().GetGetState()
		add(fmt.Sprintf("%d agents", len(s.GetGetAgents().GetAgents())), fmt.Sprintf("%d frameworks", len(s.GetGetFrameworks().GetFrameworks())),
			fmt.Sprintf("%d tasks", len(s.GetGetTasks().GetTasks())))
	case masterpb.Event_TASK_ADDED:
		t := e.GetTaskAdded().GetTask()
		add(t.GetTaskId().GetValue(), t.GetState().String(), "on "+t.GetAgentId().GetValue(), "of "+t.GetFrameworkId().GetValue())
	case masterpb.Event_TASK_UPDATED:
		u := e.GetTaskUpdated()
		status := u.GetStatus()
		add(status.GetTaskId().GetValue(), u.GetState().String())
		if status.Reason != nil {
			add(status.GetReason().String())
		}
		add(status.GetMessage(), "of "+u.GetFrameworkId().GetValue())
	case masterpb.Event_AGENT_ADDED:
		a := e.GetAgentAdded().GetAgent()
		add(a.GetAgentInfo().GetHostname(), agentAddress(a), a.GetAgentInfo().GetId().GetValue())
	case masterpb.Event_AGENT_REMOVED:
		add(e.GetAgentRemoved().GetAgentId().GetValue())
	case masterpb.Event_FRAMEWORK_ADDED:
		f := e.GetFrameworkAdded().GetFramework()
		add(f.GetFrameworkInfo().GetName(), stateOfFramework(f), f.GetFrameworkInfo().GetId().GetValue())
	case masterpb.Event_FRAMEWORK_UPDATED:
		f := e.GetFrameworkUpdated().GetFramework()
		add(f.GetFrameworkInfo().GetName(), stateOfFramework(f), f.GetFrameworkInfo().GetId().GetValue())
	case masterpb.Event_FRAMEWORK_REMOVED:
		f := e.GetFrameworkRemoved().GetFrameworkInfo()
		add(f.GetName(), f.GetId().GetValue())
	}
	return strings.Join(parts, "  ")
}
