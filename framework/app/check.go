package app

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/resources"
)

// The lengths leave room in Mesos' 255 bytes for what is added to make ids of tasks and volumes.
const (
	maxName       = 128
	maxMemberName = 63
	maxMesosID    = 255
	maxGroup      = 100 // a typing error, or a program gone wrong
)

func (a *App) check(p *problems) {
	checkName(p, "/name", a.Name, maxName)
	switch {
	case a.Instances < 0:
		p.add("/instances", fmt.Sprintf("is %d", a.Instances), "give 0 or more")
	case a.Daemon && a.Instances > 0:
		p.add("/instances", fmt.Sprintf("is %d for a daemon", a.Instances), "leave instances out: a daemon runs once on each agent")
	case a.Instances > 10_000_000:
		p.add("/instances", fmt.Sprintf("is %d", a.Instances), "give at most 10000000")
	}
	oneOf(p, "/goal", a.Goal, GoalRunning, GoalFinish, GoalOnce)
	oneOf(p, "/strategy", a.Strategy, StrategyColocate, StrategyNone, StrategyUnique, StrategySpread, StrategyPack)
	if a.Daemon && a.Strategy == StrategyColocate {
		p.add("/strategy", "mux contradicts daemon", "leave strategy out: a daemon runs once on each agent")
	}
	oneOf(p, "/resources/reserve", a.Resources.Reserve, ReserveVolumes, ReserveAll)
	if role := a.Resources.Role; role != "" {
		if err := resources.ValidateRole(role); err != nil {
			p.add("/resources/role", err.Error(), "give one of the framework's roles")
		} else if role == resources.Unreserved && (a.Resources.Reserve == ReserveAll || a.HasVolumes()) {
			p.add("/resources/role", "nothing can be reserved for *", "give a role of its own: persistent volumes are reserved")
		}
	}
	if len(a.Group) == 0 {
		a.Task.check(p, "", taskOfApp, a)
	} else {
		a.checkGroup(p)
	}
	a.checkPorts(p)
	a.checkVolumeIDs(p)
	if a.Executor != nil {
		a.Executor.check(p, a)
	}
	a.checkPlacement(p)
	a.checkPolicies(p)
	a.checkRedacted(p)
}

// checkName applies Mesos' rules for ids, so that names can be part of them.
func checkName(p *problems, path, name string, most int) {
	const fix = "give letters, digits, dots, hyphens and the like"
	switch {
	case name == "":
		p.add(path, "missing", "give a name")
	case len(name) > most:
		p.add(path, fmt.Sprintf("%s is %d bytes long", quoteShort(name), len(name)), fmt.Sprintf("give at most %d", most))
	case name == "." || name == "..":
		p.add(path, quoteShort(name)+" cannot be part of a path", fix)
	case strings.TrimSpace(name) != name:
		p.add(path, quoteShort(name)+" begins or ends with a space", "remove it")
	default:
		for _, r := range name {
			if r < ' ' || r == 0x7f || r == '/' || r == '\\' || r == '~' {
				p.add(path, fmt.Sprintf("%s contains %q", quoteShort(name), r), fix)
				return
			}
		}
	}
}

// oneOf checks words, and suggests the nearest.
func oneOf[T ~string](p *problems, path string, value T, known ...T) {
	if slices.Contains(known, value) {
		return
	}
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	if value == "" {
		p.add(path, "missing", "give one of "+strings.Join(words, ", "))
		return
	}
	fix := "give one of " + strings.Join(words, ", ")
	if near := nearest(string(value), words); near != "" {
		fix = "did you mean " + near + "?"
	}
	p.add(path, "is "+quoteShort(string(value)), fix)
}

func (a *App) checkGroup(p *problems) {
	const path = "/group"
	t := &a.Task
	refuse := func(given bool, where, name string) {
		if given {
			p.add("/"+where, "given beside group", "move "+name+" into the tasks of the group")
		}
	}
	refuse(t.Command != nil, "command", "it")
	refuse(t.HealthCheck != nil, "health_check", "it")
	refuse(t.Check != nil, "check", "it")
	refuse(t.Data != "", "data", "it")
	own := t.Resources
	own.Role, own.Reserve = "", ""
	refuse(own.CPUs != 0 || own.Mem != 0 || own.GPUs != 0 || own.Disk != nil || own.Ports != nil, "resources", "all but role and reserve")
	if c := t.Container; c != nil {
		if c.Image != "" || c.Type != ContainerMesos {
			p.add("/container", "an image for a group", "move it into the tasks of the group: only networks and volumes are common to them")
		}
		c.check(p, "/container", t, a)
	}
	checkLabels(p, "/labels", t.Labels)
	if t.MaxCompletionTime < 0 {
		p.add("/max_completion_time", "is negative", "give 0 for no limit")
	}
	if len(a.Group) > maxGroup {
		p.add(path, fmt.Sprintf("has %d tasks", len(a.Group)), fmt.Sprintf("give at most %d", maxGroup))
		return
	}
	names := map[string]bool{}
	for i := range a.Group {
		m := &a.Group[i]
		at := element(path, i)
		checkName(p, at+"/name", m.Name, maxMemberName)
		if names[m.Name] && m.Name != "" {
			p.add(at+"/name", quoteShort(m.Name)+" is the name of another task of the group", "give each task a name of its own")
		}
		names[m.Name] = true
		if m.Resources.Role != "" || m.Resources.Reserve != "" {
			p.add(at+"/resources", "role or reserve in a task of a group", "move them to the application's resources: a pod has one role")
		}
		m.Task.check(p, at, taskOfGroup, a)
	}
}

// checkPorts looks at the ports of an instance together.
func (a *App) checkPorts(p *problems) {
	if n := len(a.AllPorts()); n > maxPorts {
		p.add("/resources/ports", fmt.Sprintf("are %d in all", n), fmt.Sprintf("give at most %d", maxPorts))
		return
	}
	numbers, variables := map[int]bool{}, map[string]bool{}
	for path, t := range a.tasks() {
		for i, port := range t.Resources.Ports {
			at := element(path+"/resources/ports", i)
			switch {
			case port.Number < 0 || port.Number > math.MaxUint16:
				p.add(at+"/port", fmt.Sprintf("is %d", port.Number), "give a port from 1 to 65535, or 0 for any")
			case port.Number > 0 && numbers[port.Number]:
				p.add(at+"/port", fmt.Sprintf("%d is taken by another port of the application", port.Number), "give another one, or 0 for any")
			}
			numbers[port.Number] = true
			oneOf(p, at+"/protocol", port.Protocol, "tcp", "udp")
			checkLabels(p, at+"/labels", port.Labels)
			if port.Name == "" {
				continue
			}
			variable := portVariable(port.Name)
			if strings.Trim(variable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || len(port.Name) > 63 {
				p.add(at+"/name", "is "+quoteShort(port.Name), "give up to 63 letters, digits, - and _: it becomes part of a variable's name")
			}
			if variables[variable] {
				p.add(at+"/name", fmt.Sprintf("%s gets the same variable %s as another port", quoteShort(port.Name), variable), "give each port a name of its own")
			}
			variables[variable] = true
		}
	}
}

// checkVolumeIDs makes sure that Mesos can tell the volumes apart.
func (a *App) checkVolumeIDs(p *problems) {
	ids, all := map[string]bool{}, a.VolumeIDs(math.MaxInt32, "")
	for path, t := range a.tasks() {
		for i, d := range t.Resources.Disk {
			if d.Persistence == nil {
				continue
			}
			at := element(path+"/resources/disk", i) + "/persistence/id"
			checkName(p, at, d.Persistence.ID, maxMemberName)
			id := all[0]
			all = all[1:]
			if len(id) > maxMesosID {
				p.add(at, fmt.Sprintf("%s is too long together with the names before it", quoteShort(d.Persistence.ID)), "shorten one of them")
			}
			if ids[id] {
				p.add(at, fmt.Sprintf("%s is the id of another volume", quoteShort(d.Persistence.ID)), "give each volume an id of its own")
			}
			ids[id] = true
		}
	}
}

// HasVolumes reports whether instances have persistent volumes.
func (a *App) HasVolumes() bool { return len(a.PersistentDisks()) > 0 }

func (a *App) checkPlacement(p *problems) {
	for i, c := range a.Constraints {
		c.check(p, element("/constraints", i))
	}
	for i, f := range a.Filters {
		at := element("/filters", i)
		oneOf(p, at+"/type", f.Type, "TEXT", "SCALAR")
		if len(f.Value) == 0 {
			p.add(at+"/value", "missing", "give at least one value")
		}
		for j, v := range f.Value {
			if _, err := strconv.ParseFloat(v, 64); f.Type == "SCALAR" && err != nil {
				p.add(element(at+"/value", j), quoteShort(v)+" is no number", "give a number, or type TEXT")
			}
		}
	}
	for i, f := range a.Affinities {
		at := element("/affinities", i)
		checkName(p, at+"/app", f.App, maxName)
		checkField(p, at+"/field", f.Field)
		checkWeight(p, at+"/weight", f.Soft, f.Weight)
		if f.App == a.Name && !f.Anti {
			p.add(at+"/app", "an affinity to itself", "use the strategy mux to keep instances together, or a constraint with CLUSTER")
		}
	}
	if d := a.FaultDomain; d != nil {
		if d.Spread != "" {
			oneOf(p, "/fault_domain/spread", d.Spread, "zone", "region")
		}
		if d.Required && len(d.Regions)+len(d.Zones) == 0 {
			p.add("/fault_domain/required", "nothing is required", "give regions or zones")
		}
		for i, r := range d.Regions {
			if r == "" {
				p.add(element("/fault_domain/regions", i), "is empty", "give the name of a region")
			}
		}
		for i, z := range d.Zones {
			if z == "" {
				p.add(element("/fault_domain/zones", i), "is empty", "give the name of a zone")
			}
		}
	}
}

func checkField(p *problems, path, field string) {
	switch {
	case field == "":
		p.add(path, "missing", "give hostname, @agent, @zone, @region or the name of an attribute")
	case strings.HasPrefix(field, "@"):
		oneOf(p, path, field, "@agent", "@zone", "@region")
	}
}

func checkWeight(p *problems, path string, soft bool, weight float64) {
	switch {
	case !soft && weight != 0:
		p.add(path, "a weight without soft", `add "soft": true: conditions have no weight`)
	case soft && !(weight > 0 && weight <= 1e6):
		p.add(path, fmt.Sprintf("is %v", weight), "give a number above 0, at most 1000000")
	}
}

func (c *Constraint) check(p *problems, at string) {
	found := len(*p)
	checkField(p, at+"/field", c.Field)
	oneOf(p, at+"/operator", c.Operator, OpUnique, OpCluster, OpGroupBy, OpLike, OpUnlike, OpMaxPer, OpIs, OpIsNot)
	checkWeight(p, at+"/weight", c.Soft, c.Weight)
	defer func() {
		// The placement has the last word, in case it learns more than is checked here.
		if err := c.wire().Validate(); err != nil && len(*p) == found {
			p.add(at, err.Error(), "")
		}
	}()
	value := at + "/value"
	switch c.Operator {
	case OpUnique:
		if c.Value != "" {
			p.add(value, "UNIQUE takes no value", "remove it, or use IS")
		}
	case OpLike, OpUnlike:
		if c.Value == "" {
			p.add(value, "missing", "give a regular expression")
		} else if _, err := regexp.Compile(c.Value); err != nil {
			p.add(value, err.Error(), "give a regular expression in RE2 syntax")
		}
	case OpMaxPer, OpGroupBy:
		if c.Operator == OpGroupBy && c.Value == "" {
			break
		}
		if n, err := strconv.Atoi(c.Value); err != nil || n < 1 {
			p.add(value, "is "+quoteShort(c.Value), "give a whole number above 0")
		}
	case OpIs, OpIsNot:
		if c.Value == "" {
			p.add(value, "missing", "give the value to compare with")
		}
	}
}

func (a *App) checkPolicies(p *problems) {
	r := a.Readiness
	oneOf(p, "/readiness/by", r.By, ReadyRunning, ReadyHealthy, ReadyCheck)
	health, check := false, false
	for _, t := range a.tasks() {
		health = health || t.HealthCheck != nil
		check = check || t.Check != nil
	}
	if r.By == ReadyHealthy && !health {
		p.add("/readiness/by", "healthy without a health check", "add health_check, or give running")
	}
	if r.By == ReadyCheck && !check {
		p.add("/readiness/by", "check without a check", "add check, or give running")
	}
	notNegative(p, "/readiness/for", r.For)
	positive(p, "/readiness/timeout", r.Timeout)
	if r.For >= r.Timeout && r.Timeout > 0 {
		p.add("/readiness/for", fmt.Sprintf("%v is not less than the timeout %v", r.For, r.Timeout), "give a shorter time, or a longer timeout")
	}

	positive(p, "/retry/time", a.Retry.Time)
	positive(p, "/retry/max_time", a.Retry.MaxTime)
	positive(p, "/retry/reset_after", a.Retry.ResetAfter)
	if a.Retry.MaxTime > 0 && a.Retry.MaxTime < a.Retry.Time {
		p.add("/retry/max_time", fmt.Sprintf("%v is less than time, %v", a.Retry.MaxTime, a.Retry.Time), "give a longer one")
	}
	if n := a.Retry.TotalRetries; n != nil && *n < 0 {
		p.add("/retry/total_retries", fmt.Sprintf("is %d", *n), "give 0 or more, or leave it out for any number")
	}

	u := a.Update
	if v := *u.MinHealthy; !(v >= 0 && v <= 1) {
		p.add("/update/min_healthy", fmt.Sprintf("is %v", v), "give a share from 0 to 1")
	}
	if u.BatchSize < 1 {
		p.add("/update/batch_size", fmt.Sprintf("is %d", u.BatchSize), "give 1 or more")
	}
	if u.Canary < 0 || !a.Daemon && u.Canary > 0 && u.Canary > a.Instances && a.Instances > 0 {
		p.add("/update/canary", fmt.Sprintf("is %d", u.Canary), "give 0 for none, and at most the number of instances")
	}
	if *u.MaxFailures < 0 {
		p.add("/update/max_failures", fmt.Sprintf("is %d", *u.MaxFailures), "give 0 or more")
	}
	notNegative(p, "/unreachable/replace_after", a.Unreachable.ReplaceAfter)
	if a.Unreachable.Wait && a.Unreachable.ReplaceAfter != 0 {
		p.add("/unreachable/wait", "contradicts replace_after", "give one of them")
	}
}

func positive(p *problems, path string, d Duration) {
	if d <= 0 {
		p.add(path, fmt.Sprintf("is %v", d), "give a duration above 0")
	}
}

func notNegative(p *problems, path string, d Duration) {
	if d < 0 {
		p.add(path, fmt.Sprintf("is %v", d), "give 0 or more")
	}
}
