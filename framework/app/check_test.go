package app

import (
	"strings"
	"testing"
)

func TestWhatMesosOrCommonSenseRefuses(t *testing.T) {
	res := func(resources string, more ...string) string {
		doc := `{"name": "web", "resources": {` + resources + `}, "command": {"cmd": "x"}`
		for _, m := range more {
			doc += ", " + m
		}
		return doc + "}"
	}
	bare := func(fields string) string {
		return `{"name": "web", "resources": {"cpus": 1, "mem": 32}, ` + fields + `}`
	}
	pod := func(tasks string, more ...string) string {
		doc := `{"name": "pod", "group": [` + tasks + `]`
		for _, m := range more {
			doc += ", " + m
		}
		return doc + "}"
	}
	const member = `{"name": "a", "resources": {"cpus": 1, "mem": 32}, "command": {"cmd": "x"}}`
	container := func(fields string) string { return minimal(`"container": {` + fields + `}`) }
	disk := func(fields string) string { return res(`"cpus": 1, "mem": 1, "role": "eng", "disk": ` + fields) }
	for _, tc := range []struct{ doc, want string }{
		{minimal(`"instances": 10000001`), "/instances: is 10000001"},
		{`{"name": "web", "resources": {"cpus": 1, "mem": 32}, "command": {"cmd": "x", "user": " "}}`, "/command/user: is \" \""},
		{minimal(`"daemon": true`, `"instances": 1`), "/instances: is 1 for a daemon"},
		{minimal(`"daemon": true`, `"strategy": "mux"`), "/strategy: mux contradicts daemon"},
		{minimal(`"strategy": 1`), "/strategy: is the number 1: give a string"},
		{`{"name": "` + strings.Repeat("a", 129) + `", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}`, "is 129 bytes long: give at most 128"},
		{`{"name": "..", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}`, `/name: ".." cannot be part of a path`},
		{`{"name": "a ", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}`, `/name: "a " begins or ends with a space`},
		{`{"name": "a~b", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}`, `/name: "a~b" contains '~'`},

		{res(`"cpus": 0.0001, "mem": 1`), "/resources/cpus: is 0.0001, which is too small"},
		{res(`"cpus": 1e300, "mem": 1`), "/resources/cpus: is 1e+300"},
		{res(`"cpus": 1e999, "mem": 1`), "/resources/cpus: is the number 1e999: give a smaller number"},
		{res(`"cpus": 1, "mem": -1`), "/resources/mem: is -1"},
		{res(`"cpus": 1, "mem": 1, "gpus": -1`), "/resources/gpus: is -1"},
		{res(`"cpus": 1, "mem": 1, "role": "a//b"`), "/resources/role: "},
		{res(`"cpus": 1, "mem": 1, "role": "*", "reserve": "all"`), "/resources/role: nothing can be reserved for *"},
		{res(`"cpus": 1, "mem": 1, "reserve": "some"`), `/resources/reserve: is "some": give one of volumes, all`},
		{res(`"cpus": 1, "mem": 1, "ports": 1001`), "/resources/ports: is the number 1001"},
		{res(`"cpus": 1, "mem": 1, "ports": "http"`), `/resources/ports: is the string "http": give how many ports`},
		{res(`"cpus": 1, "mem": 1, "ports": [1.5]`), "/resources/ports/0: is the number 1.5"},
		{res(`"cpus": 1, "mem": 1, "ports": [80, 80]`), "/resources/ports/1/port: 80 is taken"},
		{res(`"cpus": 1, "mem": 1, "ports": [65536]`), "/resources/ports/0/port: is 65536"},
		{res(`"cpus": 1, "mem": 1, "ports": ["a-b", "a_b"]`), `/resources/ports/1/name: "a_b" gets the same variable PORT_A_B`},
		{res(`"cpus": 1, "mem": 1, "ports": ["ä"]`), `/resources/ports/0/name: is "ä"`},
		{minimal(`"visibility": "world"`), `/visibility: is "world": give one of framework, cluster, external`},
		{res(`"cpus": 1, "mem": 1, "ports": [{"protocol": "sctp"}]`), `/resources/ports/0/protocol: is "sctp"`},
		{disk(`{"size": 1, "persistence": {}}`), "/resources/disk/volume: missing"},
		{disk(`{"size": 1, "volume": {"container_path": "a"}}`), "/resources/disk/persistence: missing"},
		{disk(`{"size": 1, "source": {"type": "path"}}`), "/resources/disk/source/root: missing"},
		{disk(`[1, 2]`), "/resources/disk/1: disk of this kind is asked for already"},
		{disk(`-1`), "/resources/disk/size: is -1"},
		{disk(`[true]`), "/resources/disk/0: is true, no size"},
		{disk(`{"size": 1, "persistence": {}, "volume": {"container_path": "a:b"}}`), `/resources/disk/volume/container_path: is "a:b"`},
		{disk(`{"size": 1, "persistence": {}, "volume": {"container_path": "a", "host_path": "b"}}`), "/resources/disk/volume: a host path"},
		{disk(`{"size": 1, "persistence": {"id": "a/b"}, "volume": {"container_path": "a"}}`), `/resources/disk/persistence/id: "a/b" contains '/'`},
		{disk(`[{"size": 1, "persistence": {}, "volume": {"container_path": "a"}}, {"size": 1, "persistence": {}, "volume": {"container_path": "b"}}]`),
			`/resources/disk/1/persistence/id: "data" is the id of another volume`},
		{strings.Replace(disk(`{"size": 1, "persistence": {}, "volume": {"container_path": "a"}}`), `"eng"`, `"*"`, 1), "/resources/role: nothing can be reserved for *"},

		{bare(`"command": {}`), "/command/cmd: missing"},
		{bare(`"command": {"cmd": "x", "argv": ["x"]}`), "/command/argv: given beside cmd"},
		{bare(`"command": {"argv": [""]}`), "/command/argv/0: is empty"},
		{bare(`"command": {"cmd": "x", "arguments": ["a"]}`), "/command/arguments: without the entry point of an image"},
		{bare(`"command": {"cmd": "x", "uris": [{"uri": "a'b"}]}`), `/command/uris/0/uri: is "a'b"`},
		{bare(`"command": {"cmd": "x", "uris": [{}]}`), "/command/uris/0/uri: missing"},
		{bare(`"command": {"cmd": "x", "uris": [{"uri": "a", "output_file": "../a"}]}`), `/command/uris/0/output_file: is "../a"`},
		{bare(`"command": {"cmd": "x", "environment": {"A=B": "c"}}`), "/command/environment/A=B: no variable"},
		{minimal(`"data": "x"`), "/data: data without an executor"},
		{minimal(`"labels": {"": "x"}`), "/labels: a label without a name"},
		{minimal(`"labels": 1`), "/labels: is the number 1: give an object of strings"},
		{minimal(`"kill_grace_period": -1`), "/kill_grace_period: is -1s"},
		{minimal(`"kill_grace_period": 1e300`), "/kill_grace_period: is the number 1e300, no duration"},

		{container(`"type": "docker"`), "/container/image: missing"},
		{container(`"image": "a b"`), `/container/image: is "a b"`},
		{container(`"tag": "a"`), "/container/tag: a tag without image"},
		{container(`"image": "h:1/a:b", "tag": "c"`), "/container/tag: the image has a tag already"},
		{container(`"privileged": true`), "/container/type: privileged and parameters are for docker"},
		{container(`"type": "docker", "image": "a", "parameters": [{"key": "name", "value": "x"}]`), `/container/parameters/0/key: is "name"`},
		{container(`"type": "docker", "image": "a", "networks": [{"name": "a"}, {"name": "b"}]`), "/container/networks: are several"},
		{container(`"networks": [{"ip_addresses": [{"ip": "10.0.0"}]}]`), `/container/networks/0/ip_addresses/0/ip: "10.0.0" is no address`},
		{container(`"networks": [{"ip_addresses": [{"ip": "::1", "protocol": "ipv4"}]}]`), "/container/networks/0/ip_addresses/0/protocol: ::1 is no ipv4 address"},
		{container(`"networks": [{"port_mappings": [{"container_port": 1}]}]`), "/container/networks/0/port_mappings/0/host_port: missing"},
		{container(`"networks": [{"port_mappings": [{"container_port": 0, "host_port": 1}]}]`), "/container/networks/0/port_mappings/0/container_port: is 0"},
		{container(`"networks": [{"port_mappings": [{"container_port": 1, "host_port": true}]}]`), "/container/networks/0/port_mappings/0/host_port: is true: give the number or the name"},
		{container(`"volumes": [{"container_path": "a"}]`), "/container/volumes/0/host_path: missing"},
		{container(`"volumes": [{"container_path": "a", "host_path": "b", "source": {"host_path": "c"}}]`), "/container/volumes/0/host_path: given beside source"},
		{container(`"volumes": [{"container_path": "a", "source": {"type": "sandbox_path"}}]`), "/container/volumes/0/source/sandbox_path: missing"},
		{container(`"volumes": [{"container_path": "a", "source": {"sandbox_path": {"path": "b"}, "docker_volume": {"name": "c"}}}]`), "/container/volumes/0/source/sandbox_path: given for the type docker_volume"},
		{container(`"volumes": [{"container_path": "a", "source": {"docker_volume": {}}}]`), "/container/volumes/0/source/docker_volume/name: missing"},
		{container(`"volumes": [{"container_path": "a", "source": {"sandbox_path": {"path": "../x"}}}]`), `/container/volumes/0/source/sandbox_path/path: is "../x"`},

		{minimal(`"health_check": {"endpoint": "example.org:80"}`), `/health_check/endpoint: is "example.org:80"`},
		{minimal(`"health_check": {"endpoint": "ftp://localhost:80"}`), `/health_check/endpoint: is "ftp://localhost:80"`},
		{minimal(`"health_check": {}`), "/health_check/type: missing"},
		{minimal(`"health_check": {"type": "http", "tcp": {"port": 1}}`), "/health_check/tcp: given for the type http"},
		{minimal(`"health_check": {"type": "http"}`), "/health_check/http: missing"},
		{minimal(`"health_check": {"tcp": {"port": 1}, "failures": -1}`), "/health_check/failures: is -1"},
		{minimal(`"health_check": {"tcp": {"port": 1}, "interval": -1}`), "/health_check/interval: is -1s: give a duration above 0"},
		{minimal(`"health_check": {"command": {"cmd": "x", "uris": [{"uri": "a"}]}}`), "/health_check/command/uris: files to fetch"},
		{minimal(`"health_check": {"http": {"port": 1, "statuses": [42]}}`), "/health_check/http/statuses/0: is 42"},
		{minimal(`"check": {"http": {"port": 1, "statuses": [200]}}`), "/check/http/statuses: statuses in a check"},
		{minimal(`"check": {"http": {"port": 1, "scheme": "https"}}`), "/check/http/scheme: https in a check"},

		{pod(member + "," + member), `/group/1/name: "a" is the name of another task`},
		{pod(member, `"command": {"cmd": "x"}`), "/command: given beside group: move it into the tasks"},
		{pod(member, `"resources": {"cpus": 1}`), "/resources: given beside group: move all but role and reserve"},
		{pod(member, `"container": {"image": "a"}`), "/container: an image for a group"},
		{pod(member, `"max_completion_time": -1`), "/max_completion_time: is negative"},
		{pod(strings.Repeat(member+",", 100) + member), "/group: has 101 tasks: give at most 100"},
		{pod(`{"name": "a", "resources": {"cpus": 1, "mem": 32, "role": "x"}, "command": {"cmd": "x"}}`), "/group/0/resources: role or reserve in a task"},
		{pod(`{"name": "a", "resources": {"cpus": 1, "mem": 32}, "container": {"type": "docker", "image": "x"}}`), "/group/0/container/type: docker in a group"},
		{pod(`{"name": "a", "resources": {"cpus": 1, "mem": 32}, "container": {"networks": [{}], "image": "x"}}`), "/group/0/container/networks: networks of a task in a group"},
		{pod(`{"name": "a", "resources": {"cpus": 1, "mem": 32, "ports": 600}, "command": {"cmd": "x"}}, {"name": "b", "resources": {"cpus": 1, "mem": 32, "ports": 600}, "command": {"cmd": "x"}}`),
			"/resources/ports: are 1200 in all"},
		{pod(member, `"executor": {"command": {"cmd": "x"}, "resources": {"cpus": 0.001, "mem": 1}}`), "/executor/resources/cpus: is 0.001"},
		{pod(member, `"executor": {"command": {"cmd": "x"}, "resources": {"cpus": 0.1, "mem": 1}}`), "/executor/resources/mem: is 1"},
		{minimal(`"executor": {"command": {"cmd": "x"}}`), "/command: a command for a custom executor"},
		{bare(`"executor": {}`), "/executor/command: missing"},
		{bare(`"executor": {"command": {"cmd": "x"}, "resources": {"ports": 1}}`), "/executor/resources: ports, role or reserve of an executor"},
		{bare(`"executor": {"command": {"cmd": "x"}, "resources": {"disk": {"size": 1, "persistence": {}, "volume": {"container_path": "x"}}}}`), "/executor/resources/disk/persistence: a persistent volume of an executor"},

		{minimal(`"constraints": [["a", "UNIQUE", "b"]]`), "/constraints/0/2: UNIQUE takes no value"},
		{minimal(`"constraints": [["a", "LIKE"]]`), "/constraints/0/value: missing: give a regular expression"},
		{minimal(`"constraints": [["a", "MAX_PER", "x"]]`), `/constraints/0/2: is "x": give a whole number above 0`},
		{minimal(`"constraints": [["a", "IS"]]`), "/constraints/0/value: missing"},
		{minimal(`"constraints": [["", "IS", "a"]]`), "/constraints/0/0: missing"},
		{minimal(`"constraints": [["@rack", "IS", "a"]]`), `/constraints/0/0: is "@rack": give one of @agent, @zone, @region`},
		{minimal(`"constraints": [{"field": "a", "operator": "UNIQUE", "weight": 2}]`), "/constraints/0/weight: a weight without soft"},
		{minimal(`"constraints": [{"field": "a", "operator": "UNIQUE", "soft": true, "weight": -2}]`), "/constraints/0/weight: is -2"},
		{minimal(`"filters": [{"type": "SCALAR", "value": "x"}]`), `/filters/0/value/0: "x" is no number`},
		{minimal(`"filters": [{"value": []}]`), "/filters/0/value: missing"},
		{minimal(`"affinities": [{"app": "web"}]`), "/affinities/0/app: an affinity to itself"},
		{minimal(`"fault_domain": {"required": true}`), "/fault_domain/required: nothing is required"},
		{minimal(`"fault_domain": {"regions": [""], "zones": [""]}`), "/fault_domain/regions/0: is empty"},
		{minimal(`"fault_domain": {"regions": 1}`), "/fault_domain/regions: is the number 1: give an array of strings"},

		{minimal(`"readiness": {"by": "healthy"}`), "/readiness/by: healthy without a health check"},
		{minimal(`"readiness": {"by": "check"}`), "/readiness/by: check without a check"},
		{minimal(`"readiness": {"for": "1h"}`), "/readiness/for: 1h is not less than the timeout 10m"},
		{minimal(`"retry": {"time": "1m", "max_time": "1s"}`), "/retry/max_time: 1s is less than time, 1m"},
		{minimal(`"retry": {"total_retries": -1}`), "/retry/total_retries: is -1"},
		{minimal(`"update": {"min_healthy": 1.5}`), "/update/min_healthy: is 1.5"},
		{minimal(`"update": {"batch_size": -1}`), "/update/batch_size: is -1"},
		{minimal(`"update": {"canary": 2}`), "/update/canary: is 2"},
		{minimal(`"update": {"max_failures": -1}`), "/update/max_failures: is -1"},
		{minimal(`"unreachable": {"wait": true, "replace_after": 5}`), "/unreachable/wait: contradicts replace_after"},
		{minimal(`"unreachable": {"replace_after": -5}`), "/unreachable/replace_after: is -5s"},
	} {
		a, err := Parse([]byte(tc.doc))
		switch {
		case err == nil:
			t.Errorf("accepted:\n%s\nas %s\nwant %s", tc.doc, a.Marshal(), tc.want)
		case !strings.Contains(err.Error(), tc.want):
			t.Errorf("%s\ngives\n%v\nwant %s", tc.doc, err, tc.want)
		}
	}
}

func TestGoApplicationsAreCheckedWithoutLines(t *testing.T) {
	a := New("", "")
	a.Retry = &Retry{Time: -1}
	a.Update = &Update{MinHealthy: new(nan())}
	err := a.Complete()
	const want = "/name: missing: give a name\n/command/cmd: missing: say what to run: cmd for the shell, or argv\n/retry/time: is -1ns: give a duration above 0\n" +
		"/update/min_healthy: is NaN: give a share from 0 to 1"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if form := a.Marshal(); form != nil {
		t.Errorf("what JSON cannot say is written as %s", form)
	}
}

func nan() float64 { var zero float64; return zero / zero }
