package mesos_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/allocatorpb"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resourceproviderpb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// files are all .proto files of the wire; durationpb is the library's.
var files = []protoreflect.FileDescriptor{
	durationpb.File_google_protobuf_duration_proto,
	mesospb.File_mesos_mesospb_mesos_proto,
	schedulerpb.File_mesos_schedulerpb_scheduler_proto,
	executorpb.File_mesos_executorpb_executor_proto,
	masterpb.File_mesos_masterpb_master_proto,
	agentpb.File_mesos_agentpb_agent_proto,
	maintenancepb.File_mesos_maintenancepb_maintenance_proto,
	quotapb.File_mesos_quotapb_quota_proto,
	allocatorpb.File_mesos_allocatorpb_allocator_proto,
	resourceproviderpb.File_mesos_resourceproviderpb_resource_provider_proto,
}

func TestEveryProtoFileIsCompared(t *testing.T) {
	want, err := filepath.Glob("*/*.proto")
	if err != nil || len(want) == 0 {
		t.Fatalf("found %v, error %v", want, err)
	}
	var got []string
	for _, fd := range files[1:] {
		got = append(got, strings.TrimPrefix(fd.Path(), "mesos/"))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-in the tree +compared):\n%s", diff)
	}
}

func TestMessagesAreThoseOfTheWire(t *testing.T) {
	var rows []string
	for _, fd := range files {
		rows = append(rows, messageRows(fd.Messages())...)
	}
	compare(t, "testdata/wire/fields.csv", rows)
}

func TestEnumsAreThoseOfTheWire(t *testing.T) {
	var rows []string
	for _, fd := range files {
		rows = append(rows, enumRows(fd.Enums())...)
		rows = append(rows, nestedEnumRows(fd.Messages())...)
	}
	compare(t, "testdata/wire/enums.csv", rows)
}

// TestFieldsAreInTheOrderOfMesos holds the order of declaration, which is that of Mesos' JSON.
func TestFieldsAreInTheOrderOfMesos(t *testing.T) {
	order := func(rows []string) map[string]string {
		names := map[string]string{}
		for _, row := range rows {
			cells := strings.Split(row, "|")
			names[cells[0]+"."+cells[1]] += " " + cells[5]
		}
		return names
	}
	var rows []string
	for _, fd := range files {
		rows = append(rows, messageRows(fd.Messages())...)
	}
	if diff := cmp.Diff(order(table(t, "testdata/wire/fields.csv")), order(rows)); diff != "" {
		t.Errorf("order of fields (-Mesos +ours):\n%s", diff)
	}
}

// compare reports the rows that only the table has, and those that only we have.
func compare(t *testing.T, file string, ours []string) {
	t.Helper()
	theirs := table(t, file)
	if len(theirs) < 400 {
		t.Fatalf("%s has only %d rows", file, len(theirs))
	}
	count := map[string]int{}
	for _, row := range ours {
		count[row]++
	}
	for _, row := range theirs {
		if count[row]--; count[row] < 0 {
			t.Errorf("missing or different here: %s", row)
		}
	}
	for row, n := range count {
		if n > 0 {
			t.Errorf("not in %s: %s", file, row)
		}
	}
}

// table returns the rows of a file without its head, the cells joined with bars.
func table(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range records[1:] {
		rows = append(rows, strings.Join(r, "|"))
	}
	return rows
}

func messageRows(messages protoreflect.MessageDescriptors) (rows []string) {
	for i := range messages.Len() {
		md := messages.Get(i)
		if md.IsMapEntry() {
			continue
		}
		pkg, name := split(md)
		if md.Fields().Len() == 0 {
			rows = append(rows, strings.Join([]string{pkg, name, "", "", "", "", "", "", "", ""}, "|"))
		}
		for j := range md.Fields().Len() {
			rows = append(rows, strings.Join(append([]string{pkg, name}, fieldCells(md.Fields().Get(j))...), "|"))
		}
		rows = append(rows, messageRows(md.Messages())...)
	}
	return rows
}

// fieldCells returns the cells of a field from its number on.
func fieldCells(fd protoreflect.FieldDescriptor) []string {
	label, typ := fd.Cardinality().String(), typeName(fd)
	if fd.IsMap() {
		label = "map"
		value := "message"
		if fd.MapValue().Message() == nil {
			value = fd.MapValue().Kind().String()
		}
		typ = fd.MapKey().Kind().String() + "," + value
	}
	var def, oneof, deprecated, packed string
	if fd.HasDefault() {
		switch v := fd.Default(); fd.Kind() {
		case protoreflect.EnumKind:
			def = string(fd.DefaultEnumValue().Name())
		case protoreflect.DoubleKind:
			def = strconv.FormatFloat(v.Float(), 'g', -1, 64)
		default:
			def = v.String()
		}
	}
	if o := fd.ContainingOneof(); o != nil {
		oneof = string(o.Name())
	}
	options, _ := fd.Options().(*descriptorpb.FieldOptions)
	if options.GetDeprecated() {
		deprecated = "deprecated"
	}
	if options.GetPacked() {
		packed = "packed"
	}
	return []string{strconv.Itoa(int(fd.Number())), label, typ, string(fd.Name()), def, oneof, deprecated, packed}
}

func typeName(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.Message() != nil:
		return string(fd.Message().FullName())
	case fd.Enum() != nil:
		return string(fd.Enum().FullName())
	}
	return fd.Kind().String()
}

func nestedEnumRows(messages protoreflect.MessageDescriptors) (rows []string) {
	for i := range messages.Len() {
		rows = append(rows, enumRows(messages.Get(i).Enums())...)
		rows = append(rows, nestedEnumRows(messages.Get(i).Messages())...)
	}
	return rows
}

func enumRows(enums protoreflect.EnumDescriptors) (rows []string) {
	for i := range enums.Len() {
		pkg, name := split(enums.Get(i))
		values := enums.Get(i).Values()
		for j := range values.Len() {
			v, deprecated := values.Get(j), ""
			if options, _ := v.Options().(*descriptorpb.EnumValueOptions); options.GetDeprecated() {
				deprecated = "deprecated"
			}
			rows = append(rows, strings.Join([]string{pkg, name, strconv.Itoa(int(v.Number())), string(v.Name()), deprecated}, "|"))
		}
	}
	return rows
}

// split returns the package and the dotted name within it.
func split(d protoreflect.Descriptor) (pkg, name string) {
	pkg = string(d.ParentFile().Package())
	return pkg, strings.TrimPrefix(string(d.FullName()), pkg+".")
}
