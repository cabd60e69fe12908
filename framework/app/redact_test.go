package app

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fillStrings sets every string of a value, in lists of one element, to a URI with a secret in each part that can have one.
func fillStrings(v reflect.Value, text string, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if depth < 12 {
			v.Set(reflect.New(v.Type().Elem()))
			fillStrings(v.Elem(), text, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fillStrings(v.Field(i), text, depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillStrings(v.Index(0), text, depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("name"), reflect.ValueOf(text))
	}
}

// shownPlaces lists the places whose text still has the mark, without numbers and, of tasks of a group, without the group.
func shownPlaces(n *node, at, mark string, into map[string]bool) {
	for _, m := range n.members {
		shownPlaces(m.value, at+"/"+m.name, mark, into)
	}
	for _, item := range n.items {
		shownPlaces(item, at, mark, into)
	}
	if strings.Contains(n.text, mark) {
		into[strings.TrimPrefix(strings.TrimPrefix(at, "/group"), "/executor")] = true
	}
}

// A new field has to be decided on: is it for everybody, or may it hold a secret? Then add it here, or to eachSecret.
func TestReadersSeeNothingThatMayBeSecret(t *testing.T) {
	const mark = "hush"
	var a App
	fillStrings(reflect.ValueOf(&a).Elem(), "https://user:"+mark+"@example.com/path?token="+mark+"&"+mark, 0)
	tree, bad := readTree(a.Redact().Marshal())
	if bad != nil {
		t.Fatal(bad)
	}
	got := map[string]bool{}
	shownPlaces(tree, "", mark, got)
	want := map[string]bool{}
	for _, place := range strings.Fields(`
		/name /goal /strategy /visibility /labels/name /resources/role /resources/reserve /resources/disk/persistence/id /resources/disk/persistence/principal
		/resources/disk/source/type /resources/disk/source/root /resources/disk/source/profile /resources/disk/volume/container_path
		/resources/disk/volume/host_path /resources/disk/volume/mode /resources/disk/volume/source/type /resources/disk/volume/source/host_path
		/resources/disk/volume/source/docker_volume/driver /resources/disk/volume/source/docker_volume/name
		/resources/disk/volume/source/sandbox_path/type /resources/disk/volume/source/sandbox_path/path
		/resources/ports/name /resources/ports/protocol /resources/ports/labels/name
		/command/cmd /command/argv /command/arguments /command/user /command/uris/output_file
		/container/type /container/image /container/tag /container/hostname /container/parameters/key
		/container/networks/name /container/networks/groups /container/networks/labels/name /container/networks/ip_addresses/ip
		/container/networks/ip_addresses/protocol /container/networks/port_mappings/host_port /container/networks/port_mappings/protocol
		/container/volumes/container_path /container/volumes/host_path /container/volumes/mode /container/volumes/source/type
		/container/volumes/source/host_path /container/volumes/source/docker_volume/driver /container/volumes/source/docker_volume/name
		/container/volumes/source/sandbox_path/type /container/volumes/source/sandbox_path/path
		/health_check/type /health_check/endpoint /health_check/command/cmd /health_check/command/argv /health_check/command/arguments
		/health_check/command/user /health_check/command/uris/output_file /health_check/http/scheme /health_check/http/port /health_check/http/path
		/health_check/tcp/port
		/check/type /check/command/cmd /check/command/argv /check/command/arguments /check/command/user /check/command/uris/output_file
		/check/http/scheme /check/http/port /check/http/path /check/tcp/port
		/constraints/field /constraints/operator /constraints/value /filters/name /filters/type /filters/value /filters/values /affinities/app /affinities/field
		/fault_domain/spread /fault_domain/regions /fault_domain/zones /fault_domain/region /fault_domain/zone /readiness/by /visibility`) {
		want[place] = true
	}
	for place := range got {
		if !want[place] {
			t.Errorf("shown: %s", place)
		}
	}
	if len(got) < 60 {
		t.Errorf("only %d places are looked at", len(got))
	}
}

const secretApp = `{
	"name": "web", "command": {"cmd": "serve", "env": {"PASSWORD": "hush", "EMPTY": ""}, "uris": [{"uri": "https://ci:hush@example.com/a.tgz?sig=hush&v"}, {"uri": "http://example.com/b"}]},
	"container": {"type": "docker", "image": "web", "parameters": [{"key": "env", "value": "X=hush"}]}, "resources": {"cpus": 0.1, "mem": 32}
}`

func TestWhatWasRedactedCannotOverwriteTheSecret(t *testing.T) {
	a := mustParse(t, secretApp)
	before := a.Hash()
	shown := a.Redact()
	text := string(shown.Marshal())
	for _, want := range []string{`"PASSWORD":"[redacted]"`, `"EMPTY":""`, `"https://[redacted]@example.com/a.tgz?sig=[redacted]&[redacted]"`, `"http://example.com/b"`, `"cmd":"serve"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(text, "hush") || a.Hash() != before {
		t.Errorf("shown %s; the application itself: %s", text, a.Marshal())
	}
	_, err := Parse([]byte(text))
	all, _ := errors.AsType[Errors](err)
	var places []string
	for _, e := range all {
		places = append(places, e.Path)
		if !strings.Contains(e.Error(), "was not shown") {
			t.Error(e)
		}
	}
	want := []string{"/container/parameters/0/value", "/command/environment/PASSWORD", "/command/uris/0/uri"}
	sorted := cmp.Transformer("set", func(list []string) map[string]bool {
		set := map[string]bool{}
		for _, s := range list {
			set[s] = true
		}
		return set
	})
	if diff := cmp.Diff(want, places, sorted); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}

func TestDifferencesShowNoSecrets(t *testing.T) {
	a, b := mustParse(t, secretApp), mustParse(t, strings.ReplaceAll(secretApp, "hush", "hush2"))
	list := Diff(a, b)
	for _, d := range append(list, Diff(a, mustParse(t, minimal()))...) {
		if strings.Contains(d.String(), "hush") {
			t.Error(d)
		}
	}
	if len(list) != 3 {
		t.Errorf("%d differences, want 3: %v", len(list), list)
	}
}
