package replay

import (
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Input is a core.Input in a log. Kind is its type; the other fields depend on that.
type Input struct {
	Kind  string          `json:"kind"`
	Event json.RawMessage `json:"event,omitempty"` // scheduler.Event of a MesosEvent
	Call  json.RawMessage `json:"call,omitempty"`  // scheduler.Call of a CallFailed
	App   json.RawMessage `json:"app,omitempty"`   // definition of a Submit
	Data  json.RawMessage `json:"data,omitempty"`  // everything else
}

// kinds makes an empty input of every kind that is nothing but data.
var kinds = map[string]func(json.RawMessage) (core.Input, error){
	"disconnected":     plain[core.Disconnected],
	"torn-down":        plain[core.TornDown],
	"wall-clock":       plain[core.WallClock],
	"agent-draining":   plain[core.AgentDraining],
	"executors-seen":   plain[core.ExecutorsSeen],
	"framework-known":  plain[core.FrameworkKnown],
	"scale":            plain[core.Scale],
	"restart":          plain[core.Restart],
	"restart-instance": plain[core.RestartInstance],
	"replace":          plain[core.Replace],
	"remove":           plain[core.Remove],
	"pause":            plain[core.Pause],
	"resume":           plain[core.Resume],
	"promote":          plain[core.Promote],
	"rollback":         plain[core.Rollback],
	"adopt":            plain[core.Adopt],
	"kill-orphan":      plain[core.KillOrphan],
	"resolve":          plain[core.Resolve],
	"uninstall":        plain[core.Uninstall],
}

func plain[T core.Input](data json.RawMessage) (core.Input, error) {
	var v T
	if len(data) == 0 {
		return v, nil
	}
	err := json.Unmarshal(data, &v)
	return v, err
}

func kindOf(in core.Input) string {
	switch in.(type) {
	case core.Disconnected:
		return "disconnected"
	case core.TornDown:
		return "torn-down"
	case core.WallClock:
		return "wall-clock"
	case core.AgentDraining:
		return "agent-draining"
	case core.ExecutorsSeen:
		return "executors-seen"
	case core.FrameworkKnown:
		return "framework-known"
	case core.SubmitAll:
		return "submit-all"
	case core.Scale:
		return "scale"
	case core.Restart:
		return "restart"
	case core.RestartInstance:
		return "restart-instance"
	case core.Replace:
		return "replace"
	case core.Remove:
		return "remove"
	case core.Pause:
		return "pause"
	case core.Resume:
		return "resume"
	case core.Promote:
		return "promote"
	case core.Rollback:
		return "rollback"
	case core.Adopt:
		return "adopt"
	case core.KillOrphan:
		return "kill-orphan"
	case core.Resolve:
		return "resolve"
	case core.Uninstall:
		return "uninstall"
	}
	return ""
}

type submitData struct {
	KeepInstances bool `json:"keep_instances,omitempty"`
	Force         bool `json:"force,omitempty"`
	Standing      bool `json:"standing,omitempty"`
	// App is that of an element of submit-all; a submit has it beside its data.
	App json.RawMessage `json:"app,omitempty"`
}

func submitDataOf(in core.Submit) submitData {
	d := submitData{KeepInstances: in.KeepInstances, Force: in.Force, Standing: in.Standing}
	if in.App != nil {
		d.App = in.App.Marshal()
	}
	return d
}

func (d *submitData) submit() (core.Submit, error) {
	in := core.Submit{KeepInstances: d.KeepInstances, Force: d.Force, Standing: d.Standing}
	if len(d.App) == 0 {
		return in, nil
	}
	var err error
	in.App, err = app.Parse(d.App)
	return in, err
}

type failedData struct {
	Refused bool   `json:"refused,omitempty"`
	Error   string `json:"error,omitempty"`
}

func inputOf(in core.Input) (Input, error) {
	var out Input
	var data any
	var err error
	switch in := in.(type) {
	case core.MesosEvent:
		out.Kind = "event"
		out.Event, err = codec.JSON.Append(nil, in.Event)
		return out, err
	case core.CallFailed:
		out.Kind = "call-failed"
		if out.Call, err = codec.JSON.Append(nil, in.Call); err != nil {
			return out, err
		}
		data = failedData{in.Refused, in.Error}
	case core.Submit:
		out.Kind = "submit"
		d := submitDataOf(in)
		out.App, d.App = d.App, nil
		data = d
	case core.SubmitAll:
		out.Kind = "submit-all"
		all := []submitData{}
		for _, one := range in.All {
			all = append(all, submitDataOf(one))
		}
		data = all
	default:
		if out.Kind = kindOf(in); out.Kind == "" {
			return out, fmt.Errorf("input %T can't be recorded", in)
		}
		data = in
	}
	out.Data, err = json.Marshal(data)
	return out, err
}

// Input makes the core's input of a recorded one.
func (i *Input) Input() (core.Input, error) {
	switch i.Kind {
	case "event":
		e := new(schedulerpb.Event)
		if err := codec.JSON.Unmarshal(i.Event, e); err != nil {
			return nil, err
		}
		return core.MesosEvent{Event: e}, nil
	case "call-failed":
		c := new(schedulerpb.Call)
		if err := codec.JSON.Unmarshal(i.Call, c); err != nil {
			return nil, err
		}
		var d failedData
		if err := json.Unmarshal(i.Data, &d); err != nil {
			return nil, err
		}
		return core.CallFailed{Call: c, Refused: d.Refused, Error: d.Error}, nil
	case "submit":
		var d submitData
		if err := json.Unmarshal(i.Data, &d); err != nil {
			return nil, err
		}
		d.App = i.App
		return d.submit()
	case "submit-all":
		var list []submitData
		if err := json.Unmarshal(i.Data, &list); err != nil {
			return nil, err
		}
		var all core.SubmitAll
		for _, d := range list {
			one, err := d.submit()
			if err != nil {
				return nil, err
			}
			all.All = append(all.All, one)
		}
		return all, nil
	}
	parse := kinds[i.Kind]
	if parse == nil {
		return nil, fmt.Errorf("unknown kind of input %.40q", i.Kind)
	}
	return parse(i.Data)
}

// Effects are a core.Effects in a log: enough to see whether others are the same.
type Effects struct {
	Writes  []string          `json:"writes,omitempty"` // "put KEY CHECKSUM" or "delete KEY"
	Calls   []json.RawMessage `json:"calls,omitempty"`
	Replies []string          `json:"replies,omitempty"`
	Notes   int               `json:"notes,omitempty"`
}

func effectsOf(out *core.Effects) (*Effects, error) {
	e := &Effects{Notes: len(out.Notes)}
	for _, op := range out.Writes {
		if op.Kind == store.OpDelete {
			e.Writes = append(e.Writes, "delete "+op.Key)
		} else {
			e.Writes = append(e.Writes, fmt.Sprintf("put %s %08x", op.Key, crc32.Checksum(op.Value, castagnoli)))
		}
	}
	for _, c := range out.Calls {
		b, err := codec.JSON.Append(nil, c)
		if err != nil {
			return nil, err
		}
		e.Calls = append(e.Calls, b)
	}
	for _, r := range out.Replies {
		text := r.Text
		if r.Err != nil {
			text = "error: " + r.Err.Error()
		}
		e.Replies = append(e.Replies, fmt.Sprintf("%d %s", r.Input, text))
	}
	return e, nil
}
