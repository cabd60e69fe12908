package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func pretty(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

// launchOf makes up what the placement would have found for instance 1 of an application.
func launchOf(a *App) Launch {
	role := a.Resources.Role
	if role == "" {
		role = "eng"
	}
	l := Launch{
		Instance: 1, FrameworkID: "fw", AgentID: "agent-1", Hostname: "host1", Principal: "ops", ReservationRefinement: true,
		Resources: resources.Allocate(a.amounts(), role),
	}
	for i := range a.Tasks() {
		l.TaskIDs = append(l.TaskIDs, fmt.Sprint("task-", i))
	}
	for _, v := range a.Volumes(nil) {
		r := resources.NewDisk(v.MB, resources.WithAllocation(role))
		if v.Type != mesospb.Resource_DiskInfo_Source_UNKNOWN {
			resources.WithDiskSource((&DiskSource{Type: map[bool]string{true: "mount", false: "path"}[v.Type == mesospb.Resource_DiskInfo_Source_MOUNT],
				Root: "/mnt/" + fmt.Sprint(len(l.Volumes)), Profile: v.Profile}).wire())(r)
		}
		l.Volumes = append(l.Volumes, r)
		l.Resources = append(l.Resources, r)
	}
	taken := map[int]bool{}
	for _, p := range a.AllPorts() {
		taken[p.Number] = true
	}
	next := 31000
	for _, p := range a.AllPorts() {
		number := p.Number
		for number == 0 {
			if !taken[next] {
				number = next
			}
			next++
		}
		l.Ports = append(l.Ports, uint64(number))
		l.Resources = append(l.Resources, resources.NewPorts(uint64(number), uint64(number), resources.WithAllocation(role)))
	}
	return l
}
