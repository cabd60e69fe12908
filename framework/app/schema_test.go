package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaObject is one object of schema.json.
type schemaObject struct {
	Ref                  string `json:"$ref"`
	Title, Description   string
	Type                 any
	Properties           map[string]*schemaObject
	AdditionalProperties any
	AnyOf                []*schemaObject `json:"anyOf"`
	Items                *schemaObject
	Enum                 []any
	Default              any
	Deprecated           bool
	Required             []string
	Defs                 map[string]*schemaObject `json:"$defs"`
}

func readSchema(t testing.TB) *schemaObject {
	t.Helper()
	s := &schemaObject{}
	if err := json.Unmarshal(Schema(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// validator checks documents against the schema.
func validator(t testing.TB) func([]byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("application.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("application.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(data []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

// schemaNames are the definitions of structs that are not called like them.
var schemaNames = map[reflect.Type]string{reflect.TypeFor[Constraint](): "constraint_object"}

func schemaName(t reflect.Type) string {
	if name, ok := schemaNames[t]; ok {
		return name
	}
	var b strings.Builder
	name := []rune(t.Name())
	for i, r := range name {
		// A word begins where lower case ends, and before the last capital of several.
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(name[i-1]) || i+1 < len(name) && unicode.IsLower(name[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestSchemaAndStructsHaveTheSameFields(t *testing.T) {
	root := readSchema(t)
	defs := map[string]*schemaObject{"app": root}
	for name, d := range root.Defs {
		if d.Properties != nil {
			defs[name] = d
		}
	}
	for typ, fields := range fieldTable() {
		name := schemaName(typ)
		d := defs[name]
		if d == nil {
			t.Errorf("%v has no definition %s", typ, name)
			continue
		}
		delete(defs, name)
		if d.AdditionalProperties != false {
			t.Errorf("%s takes unknown fields", name)
		}
		want, got := map[string]bool{}, map[string]bool{}
		for _, f := range fields {
			want[f.name] = false
			for _, alias := range f.aliases {
				want[alias] = true
			}
		}
		for p, o := range d.Properties {
			got[p] = o.Deprecated && p != "endpoint" // which is old, but no other name of anything
			if o.Description == "" {
				t.Errorf("%s.%s has no description", name, p)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v and its definition %s differ (true: another name)\n%s", typ, name, diff)
		}
	}
	for name := range defs {
		t.Errorf("the definition %s is of no struct", name)
	}
}

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	validate := validator(t)
	files, _ := filepath.Glob("testdata/valid/*.json")
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(doc, []byte("null")) {
			continue // fields that are not given need not be there, says the schema
		}
		if err := validate(doc); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := validate(mustParse(t, string(doc)).Marshal()); err != nil {
			t.Errorf("the canonical form of %s: %v", file, err)
		}
	}
}

func TestSchemaAndParseRefuseTheSame(t *testing.T) {
	validate := validator(t)
	for _, doc := range []string{
		`[]`, `{}`, minimal(`"instnaces": 1`), minimal(`"instances": -1`), minimal(`"instances": "1"`), minimal(`"goal": "runing"`), minimal(`"labels": {"a": 1}`),
		minimal(`"kill_grace_period": {}`), minimal(`"daemon": 1`), minimal(`"group": [{}]`), minimal(`"group": {}`), minimal(`"strategy": {"typ": "mux"}`),
		minimal(`"constraints": [["a"]]`), minimal(`"constraints": [{"field": "a"}]`), minimal(`"constraints": [{"field": "a", "operator": "IZ"}]`),
		minimal(`"filters": [{"value": 1}]`), minimal(`"retry": {"total_retries": -1}`), minimal(`"update": {"min_healthy": 2}`), minimal(`"update": {"batch_size": 0}`),
		minimal(`"health_check": {"http": {"port": 99999}}`), minimal(`"health_check": {"http": {"port": 80, "path": "x"}}`), minimal(`"health_check": {"tcp": {"port": ""}}`),
		minimal(`"container": {"volumes": [{}]}`), minimal(`"container": {"networks": [{"port_mappings": [{"host_port": 1}]}]}`), minimal(`"affinities": [{}]`),
		minimal(`"container": {"type": "rkt"}`), minimal(`"fault_domain": {"spread": "x"}`),
		`{"name": "a/b", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}`,
		`{"name": "a", "resources": {"cpus": true, "mem": 1}, "command": {"cmd": "x"}}`,
		`{"name": "a", "resources": {"cpus": 1, "mem": 1, "ports": 1.5}, "command": {"cmd": "x"}}`,
		`{"name": "a", "resources": {"cpus": 1, "mem": 1, "ports": [70000]}, "command": {"cmd": "x"}}`,
		`{"name": "a", "resources": {"cpus": 1, "mem": 1, "disk": {}}, "command": {"cmd": "x", "uris": [{}]}}`,
		`{"name": "a", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x", "argv": "x"}}`,
	} {
		if validate([]byte(doc)) == nil {
			t.Errorf("the schema accepts %s", doc)
		}
		if _, err := Parse([]byte(doc)); err == nil {
			t.Errorf("Parse accepts %s", doc)
		}
	}
}

// everyObject has every object that has defaults, with as few fields as possible.
const everyObject = `{"name": "a", "resources": {"cpus": 1, "mem": 1, "role": "r", "disk": {"size": 1, "persistence": {}, "volume": {"container_path": "x"}}, "ports": [{"name": "w"}]},
	"container": {"image": "i", "networks": [{"port_mappings": [{"host_port": "w", "container_port": 1}], "ip_addresses": [{}]}],
		"volumes": [{"container_path": "a", "source": {"sandbox_path": {"path": "b"}}}]},
	"command": {"cmd": "x", "uris": [{"uri": "u"}]}, "health_check": {"http": {}}, "check": {"tcp": {}},
	"constraints": [{"field": "a", "operator": "UNIQUE"}], "filters": [{"value": "x"}], "affinities": [{"app": "b"}], "fault_domain": {},
	"readiness": {}, "retry": {}, "update": {}, "unreachable": {}}`

func TestDefaultsOfTheSchemaAreThoseOfParse(t *testing.T) {
	root := readSchema(t)
	var given, got any
	if err := json.Unmarshal([]byte(everyObject), &given); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(mustParse(t, everyObject).Marshal(), &got); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var compare func(path string, s *schemaObject, given, got any)
	compare = func(path string, s *schemaObject, given, got any) {
		if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
			compare(path, root.Defs[name], given, got)
			return
		}
		for _, one := range s.AnyOf {
			compare(path, one, given, got)
		}
		if list, ok := got.([]any); ok && s.Items != nil {
			from, _ := given.([]any)
			for i := range list {
				var g any = map[string]any{}
				if i < len(from) {
					g = from[i]
				}
				compare(element(path, i), s.Items, g, list[i])
			}
		}
		object, ok := got.(map[string]any)
		if !ok {
			return
		}
		from, _ := given.(map[string]any)
		for name, p := range s.Properties {
			g, isGiven := from[name]
			if isGiven {
				compare(pointer(path, name), p, g, object[name])
			}
			if p.Default == nil || isGiven {
				continue
			}
			seen++
			value, there := object[name]
			if !there && (p.Default == false || p.Default == 0.0 || p.Default == "0s") {
				continue // as is everything that is not there
			}
			if !reflect.DeepEqual(value, p.Default) {
				t.Errorf("%s becomes %v, the schema says %v", pointer(path, name), value, p.Default)
			}
		}
	}
	compare("", root, given, got)
	if seen < 45 {
		t.Errorf("only %d defaults were compared", seen)
	}
}

// schemaOrder lists the definitions as schema.json does, and their properties.
func schemaOrder(t testing.TB) (defs []string, properties map[string][]string) {
	t.Helper()
	root, bad := readTree(Schema())
	if bad != nil {
		t.Fatal(bad)
	}
	properties = map[string][]string{}
	list := func(name string, n *node) {
		defs = append(defs, name)
		if p := n.member("properties"); p != nil {
			for _, m := range p.members {
				properties[name] = append(properties[name], m.name)
			}
		}
	}
	list("application", root)
	for _, m := range root.member("$defs").members {
		list(m.name, m.value)
	}
	return defs, properties
}

const docsFile = "../../docs/applications.md"

// reference writes the tables of docs/applications.md.
func reference(t testing.TB) string {
	root := readSchema(t)
	defs, properties := schemaOrder(t)
	var b strings.Builder
	for _, name := range defs {
		d := root
		if name != "application" {
			d = root.Defs[name]
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", name, d.Description)
		if d.Properties == nil {
			continue
		}
		b.WriteString("\n| field | value | default | meaning |\n|---|---|---|---|\n")
		for _, field := range properties[name] {
			p := d.Properties[field]
			if p.Deprecated && field != "endpoint" {
				continue
			}
			need := ""
			if p.Default != nil {
				v, err := encode(p.Default)
				if err != nil {
					t.Fatal(err)
				}
				need = "`" + string(v) + "`"
			} else if slices.Contains(d.Required, field) {
				need = "required"
			}
			text := p.Description
			if old := otherNames(d, field); old != "" {
				text += " Also: " + old + "."
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", field, kindOf(p), need, strings.ReplaceAll(text, "|", `\|`))
		}
	}
	return b.String()
}

// otherNames lists the deprecated properties that stand for a field.
func otherNames(d *schemaObject, field string) string {
	var list []string
	for name, p := range d.Properties {
		if p.Deprecated && p.Description == "Another name of "+field+"." {
			list = append(list, "`"+name+"`")
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// kindOf describes what a property takes.
func kindOf(s *schemaObject) string {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		return "[" + name + "](#" + name + ")"
	}
	switch {
	case s.Enum != nil:
		var words []string
		for _, w := range s.Enum {
			word := strings.ToLower(fmt.Sprint(w))
			if fmt.Sprint(s.Enum[0]) == strings.ToUpper(word) {
				word = strings.ToUpper(word)
			}
			if word = "`" + word + "`"; !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
		return strings.Join(words, ", ")
	case s.AnyOf != nil:
		var kinds []string
		for _, one := range s.AnyOf {
			kinds = append(kinds, kindOf(one))
		}
		return strings.Join(kinds, " or ")
	case s.Items != nil:
		return "array of " + kindOf(s.Items)
	case s.Type == "object" && s.Properties == nil:
		return "object of strings"
	}
	return fmt.Sprint(s.Type)
}

func TestTheReferenceIsThatOfTheSchema(t *testing.T) {
	const begin, end = "<!-- reference: written by the tests of framework/app from schema.json -->\n", "<!-- end of reference -->"
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	got, after, okEnd := strings.Cut(rest, end)
	if !ok || !okEnd {
		t.Fatalf("%s has no place for the reference", docsFile)
	}
	want := reference(t) + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(docsFile, []byte(before+begin+want+end+after), 0o666); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s is not what the schema says; UPDATE=1 go test writes it\n%s", docsFile, d)
	}
}

// The documents on the page are read as they stand there.
func TestTheExamplesOfThePageAreApplications(t *testing.T) {
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	validate := validator(t)
	parts := strings.Split(string(page), "```json\n")
	for _, part := range parts[1:] {
		doc, _, _ := strings.Cut(part, "```")
		mustParse(t, doc)
		if err := validate([]byte(doc)); err != nil {
			t.Error(err)
		}
	}
	if len(parts) < 5 {
		t.Errorf("only %d examples", len(parts)-1)
	}
}
