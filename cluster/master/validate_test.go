package master

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// parse reads a message in text format.
func parse[M proto.Message](t *testing.T, m M, text string) M {
	t.Helper()
	if err := (prototext.UnmarshalOptions{AllowPartial: true}).Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func expectError(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v, want no error", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

func TestChecksOfTasks(t *testing.T) {
	for text, want := range map[string]string{
		`type: COMMAND command { command { value: "x" } }`: "",
		`type: HTTP http { port: 1 path: "/x" }`:           "",
		`type: TCP tcp { port: 1 }`:                        "",
		``:                                                 "CheckInfo must specify 'type'",
		`type: UNKNOWN`:                                    "'UNKNOWN' is not a valid check type",
		`type: COMMAND`:                                    "Expecting 'command' to be set for COMMAND check",
		`type: COMMAND command { command {} }`:             "must contain 'shell command'",
		`type: COMMAND command { command { shell: false } }`:                                       "must contain 'executable path'",
		`type: COMMAND command { command { value: "x" environment { variables { name: "V" } } } }`: "must have a value set",
		`type: HTTP`:                                      "Expecting 'http' to be set",
		`type: HTTP http { port: 1 path: "x" }`:           "must start with '/'",
		`type: TCP tcp { port: 1 } delay_seconds: -1`:     "Expecting 'delay_seconds' to be non-negative",
		`type: TCP tcp { port: 1 } interval_seconds: nan`: "Expecting 'interval_seconds' to be non-negative",
	} {
		expectError(t, "check "+text, validateCheck(parse(t, &mesospb.CheckInfo{}, text)), want)
	}
	for text, want := range map[string]string{
		`type: COMMAND command { value: "x" }`:                  "",
		`type: HTTP http { port: 1 scheme: "https" path: "/" }`: "",
		`type: TCP tcp { port: 1 }`:                             "",
		`type: UNKNOWN`:                                         "not a valid health check type",
		`type: COMMAND`:                                         "Expecting 'command' to be set for COMMAND health check",
		`type: HTTP`:                                            "Expecting 'http' to be set for HTTP health check",
		`type: HTTP http { port: 1 scheme: "ftp" }`:             "Unsupported HTTP health check scheme: 'ftp'",
		`type: TCP`:                                             "Expecting 'tcp' to be set for TCP health check",
		`type: TCP tcp { port: 1 } grace_period_seconds: -1`:    "Expecting 'grace_period_seconds' to be non-negative",
	} {
		expectError(t, "health check "+text, validateHealthCheck(parse(t, &mesospb.HealthCheck{}, text)), want)
	}
}

func TestCommandsAndContainersOfTasks(t *testing.T) {
	for text, want := range map[string]string{
		`name: "V" value: ""`:                                                                       "",
		`name: "V" type: VALUE value: "x"`:                                                          "",
		`name: "V" type: UNKNOWN`:                                                                   "of type 'UNKNOWN' is not allowed",
		`name: "V" value: "x" secret { type: VALUE }`:                                               "must not have a secret set",
		`name: "V" type: SECRET secret { type: VALUE value { data: "x" } }`:                         "",
		`name: "V" type: SECRET secret { type: REFERENCE reference { name: "x" } }`:                 "",
		`name: "V" type: SECRET value: "x" secret { type: VALUE value { data: "x" } }`:              "must not have a value set",
		`name: "V" type: SECRET secret { type: REFERENCE }`:                                         "type REFERENCE must have",
		`name: "V" type: SECRET secret { type: VALUE value { data: "x" } reference { name: "x" } }`: "Secret of type VALUE must not have the 'reference' field set",
		`name: "V" type: SECRET secret {}`:                                                          "",
	} {
		c := &mesospb.CommandInfo{Environment: &mesospb.Environment{Variables: []*mesospb.Environment_Variable{parse(t, &mesospb.Environment_Variable{}, text)}}}
		expectError(t, "variable "+text, validateCommand(c), want)
	}
	for text, want := range map[string]string{
		`type: MESOS volumes { mode: RW container_path: "x" host_path: "/x" }`:                                                       "",
		`type: MESOS volumes { mode: RW container_path: "x" source { type: SANDBOX_PATH sandbox_path { type: PARENT path: "x" } } }`: "",
		`type: MESOS volumes { mode: RW container_path: "x" source { type: SANDBOX_PATH } }`:                                         "'source.sandbox_path' is not set",
		`type: MESOS volumes { mode: RW container_path: "x" source {} }`:                                                             "'source.type' is unknown",
		`type: MESOS volumes { mode: RW container_path: "x" host_path: "/x" source { type: HOST_PATH host_path { path: "x" } } }`:    "Only one of them",
		`type: DOCKER docker { image: "x" parameters { key: "name" value: "x" } }`:                                                   "must not be 'name'",
		`type: DOCKER docker { image: "x" parameters { key: "other" value: "x" } }`:                                                  "",
	} {
		expectError(t, "container "+text, validateContainer(parse(t, &mesospb.ContainerInfo{}, text)), want)
	}
}

func TestRoleNamesAreRefusedInMesosWords(t *testing.T) {
	for role, want := range map[string]string{
		"a": "", "*": "", "a/b": "",
		"": "Role names cannot be the empty string", "/a": "cannot start with a slash", "a/": "cannot end with a slash", "a//b": "two adjacent slashes",
		"a/./b": "cannot include '.' as a component", "a/*": "cannot include '*'", "a/-b": "starts with a dash", "a b": "backspace or whitespace",
	} {
		expectError(t, "role "+role, validateRole(role), want)
	}
	for id, want := range map[string]string{
		"a": "", "a.b": "", "a b": "", strings.Repeat("x", 255): "",
		"": "must not be empty", ".": "'.' is disallowed", "a\x01": "invalid characters", `a\b`: "invalid characters", strings.Repeat("x", 256): "greater than 255",
	} {
		expectError(t, "id "+id, validateID(id), want)
	}
}

func TestVolumesThatCannotGrowOrShrink(t *testing.T) {
	vol := func(opts ...resources.Option) *mesospb.Resource {
		return resources.NewDisk(10, append([]resources.Option{resources.WithRole("eng"), resources.WithVolume("v", "", "d")}, opts...)...)
	}
	more := resources.NewDisk(1, resources.WithRole("eng"))
	for _, tc := range []struct {
		name   string
		volume *mesospb.Resource
		want   string
	}{
		{"good", vol(), ""},
		{"not a volume", resources.NewDisk(10, resources.WithRole("eng")), "does not have DiskInfo"},
		{"shared", vol(resources.WithShared()), "shared persistent volume"},
		{"a provider's", vol(resources.WithProvider("x")), "resource provider"},
	} {
		expectError(t, "grow "+tc.name, validateGrow(tc.volume, more), tc.want)
		expectError(t, "shrink "+tc.name, validateShrink(tc.volume, 1), tc.want)
	}
	expectError(t, "shrink MOUNT", validateShrink(vol(resources.WithMountDisk("/x")), 1), "MOUNT")
	expectError(t, "shrink by nothing", validateShrink(vol(), 0), "greater than zero")
}

func TestResourcesAreRefusedInMesosWords(t *testing.T) {
	for _, tc := range []struct {
		text, want string
	}{
		{`name: "" type: SCALAR scalar { value: 1 }`, "Empty resource name"},
		{`name: "cpus" type: SCALAR scalar { value: -1 }`, "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"},
		{`name: "cpus" type: SCALAR scalar { value: nan }`, "value is not a number"},
		{`name: "cpus" type: SCALAR`, "Invalid scalar resource"},
		{`name: "ports" type: RANGES ranges { range { begin: 2 end: 1 } }`, "Invalid ranges resource"},
		{`name: "x" type: SET set { item: "a" item: "a" }`, "Invalid set resource"},
		{`name: "cpus" type: SCALAR scalar { value: 1 } reservations { type: DYNAMIC role: "*" }`, "cannot be reserved"},
	} {
		expectError(t, tc.text, checkResources([]*mesospb.Resource{parse(t, &mesospb.Resource{}, tc.text)}), tc.want)
	}
}
