package app_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func ExampleParse() {
	a, err := app.Parse([]byte(`{
		"name": "web",
		"instances": 3,
		"resources": {"cpus": 0.5, "mem": "256MB", "ports": ["http"]},
		"command": {"cmd": "./server --port $PORT_HTTP"},
		"health_check": {"http": {"port": "http", "path": "/health"}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Name, a.Instances, a.Resources.Mem, a.HealthCheck.Interval, a.Readiness.By)
	// Output: web 3 256 10s healthy
}

func ExampleParse_errors() {
	_, err := app.Parse([]byte(`{
	"name": "web",
	"instnaces": 3,
	"resources": {"cpu": -1, "mem": "lots"},
	"command": {"cmd": "./server"}
}`))
	fmt.Println(err)
	if list, ok := errors.AsType[app.Errors](err); ok {
		fmt.Println(len(list), "errors, the first at", list[0].Path)
	}
	// Output:
	// line 3, column 2: /instnaces: unknown field: did you mean instances?
	// line 4, column 23: /resources/cpu: is -1: give a number of cpus above 0, such as 0.1
	// line 4, column 34: /resources/mem: is the string "lots", no size: write a number of megabytes or a size such as "512MB" or "1.5GB"
	// 3 errors, the first at /instnaces
}

func ExampleApp_Complete() {
	a := app.New("sleeper", "sleep 1000")
	a.Instances = 5
	a.Strategy = app.StrategyUnique
	a.KillGracePeriod = new(app.Duration(30 * time.Second))
	a.Constraints = []app.Constraint{{Field: "rack", Operator: app.OpGroupBy}}
	if err := a.Complete(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Retry.Time, *a.Retry.Backoff, a.Unreachable.ReplaceAfter)
	// Output: 1s true 5m
}

func ExampleApp_Operations() {
	a := app.New("hello", "echo hello from $HOST:$PORT0")
	a.Resources.Ports = app.Ports{{}}
	if err := a.Complete(); err != nil {
		fmt.Println(err)
		return
	}
	ops, err := a.Operations(app.Launch{
		TaskIDs: []string{"hello-1"}, FrameworkID: "fw", AgentID: "agent", Hostname: "host1", // from the offer
		Resources: []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32), resources.NewPorts(31000, 31000)}, // from the placement
		Ports:     []uint64{31000},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	task := ops[0].GetLaunch().GetTaskInfos()[0]
	fmt.Println(ops[0].GetType(), task.GetName(), task.GetCommand().GetValue(), resources.Describe(task.GetResources()))
	// Output: LAUNCH hello echo hello from $HOST:$PORT0 cpus:0.1; mem:32; ports:[31000-31000]
}

func ExampleDiff() {
	old := app.New("web", "serve v1")
	changed := app.New("web", "serve v2")
	changed.Instances = 3
	for _, a := range []*app.App{old, changed} {
		if err := a.Complete(); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(app.Compare(old, changed))
	for _, d := range app.Diff(old, changed) {
		fmt.Println(d, "takes a", d.Change)
	}
	// Output:
	// version
	// /instances: 1 -> 3 takes a scale
	// /command/cmd: "serve v1" -> "serve v2" takes a version
}

// A document of the old SDK, as it was.
func ExampleParse_oldSDK() {
	a, err := app.Parse([]byte(`{
		"name": "old", "instances": 1,
		"resources": {"cpu": 0.5, "mem": 128.0, "disk": {"size": 64}, "role": "*"},
		"command": {"cmd": "/bin/sleep 4000", "uris": [{"uri": "file:///etc/hosts", "extract": false, "execute": false}]},
		"container": {"image": "debian", "tag": "latest", "network": [{"group": ["a"], "labels": [{"x": "1"}], "ipaddress": [{"ip": "10.2.1.1", "protocol": "ipv4"}]}]},
		"healthcheck": {"endpoint": "localhost:8080", "interval": 15, "fails": 2},
		"labels": [{"purpose": "Testing"}],
		"retry": {"time": "2s", "exp_backoff": true, "total_retries": 5}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Resources.CPUs, a.Container.Networks[0].IPAddresses[0].IP, a.HealthCheck.TCP.Port, a.Labels["purpose"])
	// Output: 0.5 10.2.1.1 8080 Testing
}
