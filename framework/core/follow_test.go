package core_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestAChangeThatVolumesCannotFollowIsRefusedBeforeAnythingIsKilled(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		want     []string
	}{
		"role":        {`"eng"`, `"ops"`, []string{`resources.role: the volumes of 1 instances are reserved for role "eng"`}},
		"id":          {`{"id":"data"}`, `{"id":"base"}`, []string{"resources.disk: volume 1 is data, not base"}},
		"principal":   {`{"id":"data"}`, `{"id":"data","principal":"x"}`, []string{"created by principal"}},
		"source":      {`"persistence"`, `"source":{"type":"path"},"persistence"`, []string{"another kind of disk"}},
		"no volume":   {`,"disk":[{"size":100,"persistence":{"id":"data"},"volume":{"container_path":"data"}}]`, ``, []string{"get persistent volumes or lose them"}},
		"more":        {`[{"size":100`, `[{"size":1,"persistence":{"id":"log"},"volume":{"container_path":"log"}},{"size":100`, []string{"1 persistent volumes, not 2"}},
		"daemon":      {`"name":"db"`, `"name":"db","daemon":true`, []string{"daemon: "}},
		"constraints": {`"name":"db"`, `"name":"db","constraints":[["hostname","IS","elsewhere"]]`, []string{"constraints: instance 0 has its volumes on agent a1"}},
		"several":     {`"eng"},"command"`, `"ops"},"daemon":true,"command"`, []string{"daemon: ", "resources.role: "}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := dbConfig()
			cfg.Roles = append(cfg.Roles, "ops")
			s := sim.NewScript(t, cfg)
			s.Register("fw")
			s.Submit(db)
			s.Offer("a1", "cpus:4;mem:1024;disk:1000")
			s.ExpectLaunches(1)
			s.Run()
			changed := strings.Replace(db, tc.old, tc.new, 1)
			if changed == db {
				t.Fatal("nothing is changed")
			}
			def, err := app.Parse([]byte(changed))
			if err != nil {
				t.Fatal(err)
			}
			out := s.Step(core.Submit{App: def, Force: true})
			var change *core.ChangeError
			if err := out.Replies[0].Err; !errors.As(err, &change) || !errors.Is(err, core.ErrCannotFollow) || len(change.Reasons) != len(tc.want) {
				t.Fatalf("answered with %v", err)
			}
			for k, want := range tc.want {
				if !strings.Contains(change.Reasons[k], want) {
					t.Errorf("reason %q, want %q", change.Reasons[k], want)
				}
			}
			s.ExpectKills()
			if a := s.Core.Snapshot().App("db"); a.Version != 1 {
				t.Errorf("version %d", a.Version)
			}
		})
	}
}

// Where a volume is mounted, and what runs on it, may change.
func TestAChangeThatVolumesCanFollowIsDeployed(t *testing.T) {
	s, v := startDB(t)
	task := s.TaskOf("db/0")
	s.Submit(strings.NewReplacer(`"container_path":"data"`, `"container_path":"elsewhere"`, `"run"`, `"run faster"`).Replace(db))
	s.ExpectKills(task)
	s.TaskStatus(task, killed)
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	launched := s.ExpectLaunches(1)[0]
	for _, r := range launched.GetResources() {
		if resources.IsPersistentVolume(r) && r.GetDisk().GetVolume().GetContainerPath() != "elsewhere" {
			t.Errorf("mounted at %s", r.GetDisk().GetVolume().GetContainerPath())
		}
	}
}

func TestAnAppWithoutARoleIsRefusedWhereTheFrameworkHasSeveral(t *testing.T) {
	s := sim.NewScript(t, core.Config{Roles: []string{"eng", "ops"}})
	s.Register("fw")
	def, err := app.Parse([]byte(`{"name":"web","resources":{"cpus":1,"mem":64},"command":{"cmd":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	out := s.Step(core.Submit{App: def})
	if err := out.Replies[0].Err; !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "eng") || !strings.Contains(err.Error(), "ops") {
		t.Errorf("answered with %v, want both roles named", err)
	}
	s.Submit(`{"name":"web","resources":{"cpus":1,"mem":64,"role":"ops"},"command":{"cmd":"x"}}`)
}
