package core_test

import (
	"strings"
	"testing"
)

const sharingPod = `{"name":"pod","group":[
	{"name":"a","command":{"cmd":"cat shared/x"},"resources":{"cpus":0.1,"mem":32},
	 "container":{"volumes":[{"container_path":"shared","source":{"sandbox_path":{"type":"parent","path":"shared"}}}]}}]}`

// Mesos makes the directory that tasks of a pod share only on agents with an isolator, and says nothing on others.
func TestAFailingPodWhoseTasksShareADirectoryIsExplainedByTheIsolator(t *testing.T) {
	s := start(t, sharingPod, 1)
	s.TaskStatus(s.Instance("pod/0").Task.Members[0].ID, failed)
	now := s.Core.Snapshot()
	list := now.Conditions(now.App("pod"))
	if len(list) == 0 || !strings.Contains(list[0].Next, "volume/sandbox_path") {
		t.Errorf("conditions of a failing pod: %+v", list)
	}
}
