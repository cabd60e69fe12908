package codec_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/internal/pbtest"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// parse returns the message of the type of m that is written in text format.
func parse[M proto.Message](t *testing.T, m M, text string) M {
	t.Helper()
	m = m.ProtoReflect().New().Interface().(M)
	if err := (prototext.UnmarshalOptions{AllowPartial: true}).Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestJSONIsReadAsMesosReadsIt(t *testing.T) {
	nest := func(n int) string { return strings.Repeat(`{"parent":`, n) }
	cases := []struct {
		name string
		in   string
		like proto.Message
		want string // in text format
	}{
		{"white space", " \t\r\n{ \"value\" : \"a\" } \n", &mesospb.TaskID{}, `value:"a"`},
		{"unknown fields", `{"x":1,"value":"a","y":{"z":[1,"2",null,{"\u0041":true}]},"z":-1.5e+3}`, &mesospb.TaskID{}, `value:"a"`},
		{"original names only", `{"taskId":{"value":"a"},"task_id":{"value":"b"}}`, &schedulerpb.Call_Kill{}, `task_id{value:"b"}`},
		{"names are case sensitive", `{"Value":"a","value":"b"}`, &mesospb.TaskID{}, `value:"b"`},
		{"escaped names", `{"\u0076alue":"b"}`, &mesospb.TaskID{}, `value:"b"`},
		{"null is unset", `{"type":null,"offers":null,"error":{"message":"m"}}`, &schedulerpb.Event{}, `error{message:"m"}`},
		{"null in a list", `{"roles":["a",null,"b"]}`, &schedulerpb.Call_Revive{}, `roles:"a" roles:"b"`},
		{"the last of several", `{"value":"a","value":"b"}`, &mesospb.TaskID{}, `value:"b"`},
		{"the last of several lists", `{"roles":["a","b"],"roles":["c"],"roles":["d","e"]}`, &schedulerpb.Call_Revive{}, `roles:"d" roles:"e"`},
		{"the last of several objects", `{"text":{"value":"a"},"name":"n","text":{},"name":"m"}`, &mesospb.Attribute{}, `name:"m" text{}`},
		{"null after a value", `{"name":"n","name":null}`, &mesospb.Attribute{}, ``},
		{"value after null", `{"name":null,"name":"n"}`, &mesospb.Attribute{}, `name:"n"`},

		{"quoted numbers", `{"id":"i","ip":"16777343","port":" 5050 "}`, &mesospb.MasterInfo{}, `id:"i" ip:16777343 port:5050`},
		{"quoted doubles", `{"value":"0.5"}`, &mesospb.Value_Scalar{}, `value:0.5`},
		{"quoted exponents", `{"value":"1e3"}`, &mesospb.Value_Scalar{}, `value:1000`},
		{"infinity", `{"value":"Infinity"}`, &mesospb.Value_Scalar{}, `value:inf`},
		{"minus infinity", `{"value":"-Infinity"}`, &mesospb.Value_Scalar{}, `value:-inf`},
		{"not a number", `{"value":"NaN"}`, &mesospb.Value_Scalar{}, `value:nan`},
		{"too large for a double", `{"value":1e999}`, &mesospb.Value_Scalar{}, `value:inf`},
		{"integers as doubles", `{"value":5}`, &mesospb.Value_Scalar{}, `value:5`},
		{"large integers as doubles", `{"value":18446744073709551616}`, &mesospb.Value_Scalar{}, `value:18446744073709551616`},
		{"fractions as integers", `{"begin":1.9,"end":"2.9"}`, &mesospb.Value_Range{}, `begin:1 end:2`},
		{"exponents as integers", `{"begin":1e3,"end":2E+3}`, &mesospb.Value_Range{}, `begin:1000 end:2000`},
		{"negative fractions", `{"nanoseconds":-1.9}`, &mesospb.TimeInfo{}, `nanoseconds:-1`},
		{"64 bits", `{"nanoseconds":-9223372036854775808}`, &mesospb.TimeInfo{}, `nanoseconds:-9223372036854775808`},
		{"unsigned 64 bits", `{"begin":18446744073709551615,"end":9223372036854775809}`, &mesospb.Value_Range{}, `begin:18446744073709551615 end:9223372036854775809`},
		{"more than 64 bits", `{"begin":18446744073709551616,"end":1e30}`, &mesospb.Value_Range{}, `begin:18446744073709551615 end:18446744073709551615`},
		{"less than 64 bits hold", `{"nanoseconds":-1e30}`, &mesospb.TimeInfo{}, `nanoseconds:-9223372036854775808`},
		{"negative as unsigned", `{"begin":-1,"end":-1.5}`, &mesospb.Value_Range{}, `begin:18446744073709551615 end:0`},
		{"more than 32 bits", `{"hostname":"h","port":4294967297}`, &mesospb.Address{}, `hostname:"h" port:1`},
		{"leading zeros", `{"begin":007,"end":1.}`, &mesospb.Value_Range{}, `begin:7 end:1`},

		{"booleans", `{"shell":false}`, &mesospb.CommandInfo{}, `shell:false`},
		{"quoted booleans", `{"shell":"true"}`, &mesospb.CommandInfo{}, `shell:true`},
		{"enums", `{"type":"HEARTBEAT"}`, &schedulerpb.Event{}, `type:HEARTBEAT`},
		{"unknown enums are unset", `{"type":"NO_SUCH"}`, &schedulerpb.Event{}, ``},
		{"unknown enums in lists are skipped", `{"capabilities":["KILL","NO_SUCH","CHOWN"]}`, &mesospb.CapabilityInfo{}, `capabilities:KILL capabilities:CHOWN`},

		{"base64", `{"data":"3q2+7w=="}`, &schedulerpb.Call_Message{}, `data:"\xde\xad\xbe\xef"`},
		{"base64 without padding", `{"data":"3q2+7w"}`, &schedulerpb.Call_Message{}, `data:"\xde\xad\xbe\xef"`},
		{"base64 with white space", `{"data":"3q 2+\n7w=="}`, &schedulerpb.Call_Message{}, `data:"\xde\xad\xbe\xef"`},
		{"base64 ends at the first equals sign", `{"data":"3q2+7w=!!"}`, &schedulerpb.Call_Message{}, `data:"\xde\xad\xbe\xef"`},
		{"base64 with a bit too much", `{"data":"3q2+7"}`, &schedulerpb.Call_Message{}, `data:"\xde\xad\xbe"`},
		{"empty base64", `{"data":""}`, &schedulerpb.Call_Message{}, `data:""`},

		{"a scalar for a list", `{"roles":"a"}`, &schedulerpb.Call_Revive{}, `roles:"a"`},
		{"an object for a list", `{"labels":{"key":"k"}}`, &mesospb.Labels{}, `labels{key:"k"}`},
		{"lists within lists", `{"roles":[["a"],[["b"],"c"],[]]}`, &schedulerpb.Call_Revive{}, `roles:"a" roles:"b" roles:"c"`},
		{"maps", `{"limits":{"cpus":{"value":1},"mem":{"value":"Infinity"}}}`, &mesospb.TaskInfo{}, `limits{key:"cpus" value{value:1}} limits{key:"mem" value{value:inf}}`},
		{"the last of several map keys", `{"limits":{"cpus":{"value":1},"\u0063pus":{"value":2}}}`, &mesospb.TaskInfo{}, `limits{key:"cpus" value{value:2}}`},
		{"null in a map", `{"volume_context":{"a":null,"b":"c"}}`, &mesospb.Volume_Source_CSIVolume_StaticProvisioning{}, `volume_context{key:"a" value:""} volume_context{key:"b" value:"c"}`},
		{"empty containers", `{"limits":{},"resources":[],"name":"n"}`, &mesospb.TaskInfo{}, `name:"n"`},
		{"durations are messages", `{"seconds":5,"nanos":7}`, &durationpb.Duration{}, `seconds:5 nanos:7`},

		{"escapes", `{"value":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, &mesospb.TaskID{}, `value:"\"\\/\b\f\n\r\té😀"`},
		{"lone surrogates", `{"value":"a\ud83db\ude00c\ud83d\u0041\ud83d"}`, &mesospb.TaskID{}, `value:"a\xef\xbf\xbdb\xef\xbf\xbdc\xef\xbf\xbdA\xef\xbf\xbd"`},
		{"two high surrogates", `{"value":"\ud83d\ud83d\ude00"}`, &mesospb.TaskID{}, `value:"\xef\xbf\xbd😀"`},
		{"not UTF-8", "{\"value\":\"a\xff\xfe\"}", &mesospb.TaskID{}, `value:"a\xff\xfe"`},
		{"200 levels", nest(199) + `{"value":"x"}` + strings.Repeat("}", 199), &mesospb.ContainerID{}, strings.Repeat("parent{", 199) + `value:"x"` + strings.Repeat("}", 199)},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := newMessage(tc.like)
			// Required fields are not the point here.
			if err := codec.JSON.Unmarshal([]byte(tc.in), got); err != nil && !errors.Is(err, codec.ErrMissingField) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, tc.like, tc.want), got, protocmp.Transform(), cmp.Comparer(sameFloat)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.in, diff)
			}
		})
	}
}

func sameFloat(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestJSONThatMesosRejectsIsRejected(t *testing.T) {
	nest := func(open, end string, n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(end, n) }
	cases := []struct {
		name   string
		in     string
		like   proto.Message
		kind   error
		path   string
		offset int64
	}{
		{"empty", ``, &mesospb.TaskID{}, codec.ErrSyntax, "", 0},
		{"blank", "  \n", &mesospb.TaskID{}, codec.ErrSyntax, "", 3},
		{"a word", `{nonsense`, &mesospb.TaskID{}, codec.ErrSyntax, "", 1},
		{"an array on top", `[{"value":"a"}]`, &mesospb.TaskID{}, codec.ErrSyntax, "", 0},
		{"a string on top", `"a"`, &mesospb.TaskID{}, codec.ErrSyntax, "", 0},
		{"null on top", `null`, &mesospb.TaskID{}, codec.ErrSyntax, "", 0},
		{"garbage after the object", `{"value":"a"} x`, &mesospb.TaskID{}, codec.ErrSyntax, "", 14},
		{"a second object", `{"value":"a"}{}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 13},
		{"a byte order mark", "\ufeff{}", &mesospb.TaskID{}, codec.ErrSyntax, "", 0},
		{"a cut string", `{"value":"a`, &mesospb.TaskID{}, codec.ErrSyntax, "", 11},
		{"a cut escape", `{"value":"a\`, &mesospb.TaskID{}, codec.ErrSyntax, "", 12},
		{"a cut object", `{"value":"a"`, &mesospb.TaskID{}, codec.ErrSyntax, "", 12},
		{"a trailing comma", `{"value":"a",}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 13},
		{"a trailing comma in a list", `{"roles":["a",]}`, &schedulerpb.Call_Revive{}, codec.ErrSyntax, "", 14},
		{"no comma", `{"value":"a" "x":1}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 13},
		{"no colon", `{"value" "a"}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 9},
		{"a bare name", `{value:"a"}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 1},
		{"a newline in a string", "{\"value\":\"a\nb\"}", &mesospb.TaskID{}, codec.ErrSyntax, "", 11},
		{"an unknown escape", `{"value":"a\x"}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 12},
		{"a short escape", `{"value":"\u12"}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 11},
		{"an escape that is no number", `{"x":"\u12g4"}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 7},
		{"two points", `{"x":1.2.3}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 5},
		{"a minus alone", `{"value":-}`, &mesospb.Value_Scalar{}, codec.ErrSyntax, "", 9},
		{"a plus sign", `{"value":+1}`, &mesospb.Value_Scalar{}, codec.ErrSyntax, "", 9},
		{"bare NaN", `{"value":NaN}`, &mesospb.Value_Scalar{}, codec.ErrSyntax, "", 9},
		{"bare Infinity", `{"value":Infinity}`, &mesospb.Value_Scalar{}, codec.ErrSyntax, "", 9},
		{"bare minus Infinity", `{"value":-Infinity}`, &mesospb.Value_Scalar{}, codec.ErrSyntax, "", 9},
		{"half a word", `{"shell":tru}`, &mesospb.CommandInfo{}, codec.ErrSyntax, "", 9},
		{"201 objects", strings.Repeat(`{"parent":`, 200) + `{}` + strings.Repeat("}", 200), &mesospb.ContainerID{}, codec.ErrSyntax, "", 2000},
		{"201 unknown arrays", `{"x":` + nest("[", "]", 200) + `}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 204},
		{"201 known arrays", `{"roles":` + nest("[", "]", 200) + `}`, &schedulerpb.Call_Revive{}, codec.ErrSyntax, "", 208},
		{"bad syntax after a bad value", `{"value":5, oops}`, &mesospb.TaskID{}, codec.ErrSyntax, "", 12},

		{"a number for a string", `{"tasks":[{},{"task_id":{"value":5}}]}`, &schedulerpb.Call_Reconcile{}, codec.ErrValue, "tasks[1].task_id.value", 33},
		{"a boolean for a string", `{"value":true}`, &mesospb.TaskID{}, codec.ErrValue, "value", 9},
		{"an object for a string", `{"value":{}}`, &mesospb.TaskID{}, codec.ErrValue, "value", 9},
		{"an array for a string", `{"value":["a"]}`, &mesospb.TaskID{}, codec.ErrValue, "value", 9},
		{"an array for an object", `{"task_id":[{"value":"a"}]}`, &schedulerpb.Call_Kill{}, codec.ErrValue, "task_id", 11},
		{"a string for an object", `{"task_id":"a"}`, &schedulerpb.Call_Kill{}, codec.ErrValue, "task_id", 11},
		{"a number for an object", `{"task_id": 1}`, &schedulerpb.Call_Kill{}, codec.ErrValue, "task_id", 12},
		{"a number for an enum", `{"type":1}`, &schedulerpb.Event{}, codec.ErrValue, "type", 8},
		{"an unknown name for a required enum", `{"name":"n","type":"NO_SUCH"}`, &mesospb.Resource{}, codec.ErrValue, "type", 19},
		{"a number for a boolean", `{"shell":1}`, &mesospb.CommandInfo{}, codec.ErrValue, "shell", 9},
		{"a word for a boolean", `{"shell":"yes"}`, &mesospb.CommandInfo{}, codec.ErrValue, "shell", 9},
		{"a word for a number", `{"port":"http"}`, &mesospb.Address{}, codec.ErrValue, "port", 8},
		{"an empty string for a number", `{"port":""}`, &mesospb.Address{}, codec.ErrValue, "port", 8},
		{"infinity for an integer", `{"port":"Infinity"}`, &mesospb.Address{}, codec.ErrValue, "port", 8},
		{"inf for a double", `{"value":"inf"}`, &mesospb.Value_Scalar{}, codec.ErrValue, "value", 9},
		{"a hexadecimal number", `{"value":"0x1p4"}`, &mesospb.Value_Scalar{}, codec.ErrValue, "value", 9},
		{"an underscore in a number", `{"value":"1_000.5"}`, &mesospb.Value_Scalar{}, codec.ErrValue, "value", 9},
		{"a boolean for a number", `{"port":true}`, &mesospb.Address{}, codec.ErrValue, "port", 8},
		{"base64 for URLs", `{"data":"3q2-7w=="}`, &schedulerpb.Call_Message{}, codec.ErrValue, "data", 8},
		{"no base64", `{"data":"a!"}`, &schedulerpb.Call_Message{}, codec.ErrValue, "data", 8},
		{"a number for bytes", `{"data":1}`, &schedulerpb.Call_Message{}, codec.ErrValue, "data", 8},
		{"a string for a map", `{"limits":"a"}`, &mesospb.TaskInfo{}, codec.ErrValue, "limits", 10},
		{"a bad value in a map", `{"limits":{"cpus":{"value":"x"}}}`, &mesospb.TaskInfo{}, codec.ErrValue, `limits["cpus"].value`, 27},

		{"a missing field", `{}`, &mesospb.TaskID{}, codec.ErrMissingField, "value", -1},
		{"a missing field far down", `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"name":"x"}}}`, &schedulerpb.Call{}, codec.ErrMissingField, "subscribe.framework_info.user", -1},
		{"a missing field in a list", `{"tasks":[{"task_id":{"value":"a"}},{}]}`, &schedulerpb.Call_Reconcile{}, codec.ErrMissingField, "tasks[1].task_id", -1},
		{"a missing field in a map", `{"name":"n","task_id":{"value":"a"},"agent_id":{"value":"b"},"limits":{"cpus":{}}}`, &mesospb.TaskInfo{}, codec.ErrMissingField, `limits["cpus"].value`, -1},
		{"null for a required field", `{"value":null}`, &mesospb.TaskID{}, codec.ErrMissingField, "value", -1},
		{"a missing field of an operator call", `{"type":"SET_LOGGING_LEVEL","set_logging_level":{"level":1}}`, &masterpb.Call{}, codec.ErrMissingField, "set_logging_level.duration", -1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			m := newMessage(tc.like)
			err := codec.JSON.Unmarshal([]byte(tc.in), m)
			e, ok := errors.AsType[*codec.DecodeError](err)
			if !ok {
				t.Fatalf("error %v, message %v", err, m)
			}
			if !errors.Is(err, tc.kind) || e.Path != tc.path || e.Offset != tc.offset {
				t.Errorf("got %v at %q byte %d, want %v at %q byte %d: %v", e.Kind, e.Path, e.Offset, tc.kind, tc.path, tc.offset, err)
			}
		})
	}
}

func TestDecodeErrorSaysWhereAndWhat(t *testing.T) {
	cases := []struct {
		c        codec.Codec
		in, want string
	}{
		{codec.JSON, `{nonsense`, `decode mesos.v1.scheduler.Call from application/json: bad JSON: expected a field name, found 'n' (at byte 1)`},
		{codec.JSON, `{"kill":{"task_id":{"value":5}}}`, `decode mesos.v1.scheduler.Call from application/json: field kill.task_id.value: does not take a number (at byte 28)`},
		{codec.JSON, `{"kill":{"task_id":{}},"subscribe":{"framework_info":{}}}`, `decode mesos.v1.scheduler.Call from application/json: missing required fields: subscribe.framework_info.user, subscribe.framework_info.name, kill.task_id.value`},
		{codec.Protobuf, "\x32\x02\x0a\x00", `decode mesos.v1.scheduler.Call from application/x-protobuf: missing required fields: kill.task_id.value`},
		{codec.Protobuf, "\x08\x99", `decode mesos.v1.scheduler.Call from application/x-protobuf: malformed protobuf`},
	}
	for _, tc := range cases {
		for _, like := range []proto.Message{&schedulerpb.Call{}} {
			err := tc.c.Unmarshal([]byte(tc.in), like)
			if fmt.Sprint(err) != tc.want {
				t.Errorf("%q\ngot  %v\nwant %s", tc.in, err, tc.want)
			}
		}
	}
}

func TestJSONIsWrittenAsMesosWritesIt(t *testing.T) {
	cases := []struct {
		name string
		m    proto.Message
		want string
	}{
		{"nothing", &schedulerpb.Event{}, `{}`},
		{"order of the schema", parse(t, &mesospb.FrameworkInfo{}, `roles:"r" role:"x" hostname:"h" user:"u" name:"n"`), `{"user":"u","name":"n","role":"x","roles":["r"],"hostname":"h"}`},
		{"64-bit numbers are bare", parse(t, &mesospb.Value_Range{}, `begin:0 end:18446744073709551615`), `{"begin":0,"end":18446744073709551615}`},
		{"signed 64-bit numbers", parse(t, &mesospb.TimeInfo{}, `nanoseconds:-9223372036854775808`), `{"nanoseconds":-9223372036854775808}`},
		{"enums by name", parse(t, &schedulerpb.Event{}, `type:HEARTBEAT`), `{"type":"HEARTBEAT"}`},
		{"bytes", parse(t, &schedulerpb.Call_Message{}, `agent_id{value:"a"} executor_id{value:"e"} data:"\xff\xfb\x00\x01"`), `{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":"//sAAQ=="}`},
		{"booleans", parse(t, &mesospb.CommandInfo{}, `shell:false value:""`), `{"shell":false,"value":""}`},
		{"maps", parse(t, &mesospb.TaskInfo{}, `name:"n" task_id{value:"t"} agent_id{value:"a"} limits{key:"b" value{value:1}} limits{key:"a" value{value:2}}`), `{"name":"n","task_id":{"value":"t"},"agent_id":{"value":"a"},"limits":{"a":{"value":2.0},"b":{"value":1.0}}}`},
		{"durations", parse(t, &masterpb.Call_DrainAgent{}, `agent_id{value:"a"} max_grace_period{seconds:5 nanos:1}`), `{"agent_id":{"value":"a"},"max_grace_period":{"seconds":5,"nanos":1}}`},
		{"strings", &mesospb.TaskID{Value: proto.String("a\"\\/\b\f\n\r\t\x00\x1f\x7f<é😀\u2028\xff")}, `{"value":"a\"\\/\b\f\n\r\t\u0000\u001F` + "\x7f<é😀\u2028\xff" + `"}`},
		{"an enum without a name", parse(t, &schedulerpb.Event{}, `type:77 error{message:"m"}`), `{"error":{"message":"m"}}`},
		{"enums without a name in a list", &mesospb.CapabilityInfo{Capabilities: []mesospb.CapabilityInfo_Capability{77, mesospb.CapabilityInfo_KILL, 78}}, `{"capabilities":["KILL"]}`},
		{"only enums without a name in a list", &mesospb.CapabilityInfo{Capabilities: []mesospb.CapabilityInfo_Capability{77}}, `{}`},
		{"a oneof", parse(t, &schedulerpb.AttributeConstraint_Predicate{}, `exists{}`), `{"exists":{}}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := codec.JSON.Append(nil, tc.m)
			if string(got) != tc.want || err != nil {
				t.Errorf("error %v\ngot  %s\nwant %s", err, got, tc.want)
			}
		})
	}
}

func TestJSONDoublesAreWrittenAsMesosWritesThem(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", math.Copysign(0, -1): "-0.0", 5: "5.0", -5: "-5.0", 0.1: "0.1", 1.5: "1.5", 100: "100.0",
		1795255471.371625: "1795255471.371625", 1e10: "10000000000.0", 1 << 53: "9007199254740992.0",
		1e20: "100000000000000000000.0", 123456789012345678: "123456789012345680.0", 1e21: "1e21", 1.5e21: "1.5e21",
		-1e300: "-1e300", 1e-6: "0.000001", 1.5e-6: "0.0000015", 1e-7: "1e-7", 1.25e-7: "1.25e-7",
		math.MaxFloat64: "1.7976931348623157e308", math.SmallestNonzeroFloat64: "5e-324",
		math.Inf(1): `"Infinity"`, math.Inf(-1): `"-Infinity"`, math.NaN(): `"NaN"`,
	} {
		got, err := codec.JSON.Append(nil, &mesospb.Value_Scalar{Value: proto.Float64(v)})
		if want = `{"value":` + want + `}`; string(got) != want || err != nil {
			t.Errorf("%v: got %s, want %s, error %v", v, got, want, err)
		}
	}
}

func TestServerJSONWritesDefaults(t *testing.T) {
	cases := []struct {
		m              proto.Message
		client, server string
	}{
		{
			parse(t, &mesospb.FrameworkInfo{}, `user:"u" name:"n"`),
			`{"user":"u","name":"n"}`,
			`{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}`, // but not role, which is deprecated
		},
		{&mesospb.Filters{}, `{}`, `{"refuse_seconds":5.0}`},
		{parse(t, &mesospb.Filters{}, `refuse_seconds:7`), `{"refuse_seconds":7.0}`, `{"refuse_seconds":7.0}`},
		{parse(t, &mesospb.Environment_Variable{}, `name:"n"`), `{"name":"n"}`, `{"name":"n","type":"VALUE"}`},
		{parse(t, &schedulerpb.Call{}, `accept{filters{}}`), `{"accept":{"filters":{}}}`, `{"accept":{"filters":{"refuse_seconds":5.0}}}`},
		{&schedulerpb.Event{}, `{}`, `{}`},
	}
	for _, tc := range cases {
		client, err1 := codec.JSON.Append(nil, tc.m)
		server, err2 := codec.ServerJSON.Append(nil, tc.m)
		if string(client) != tc.client || string(server) != tc.server || err1 != nil || err2 != nil {
			t.Errorf("got %s and %s (%v, %v)\nwant %s and %s", client, server, err1, err2, tc.client, tc.server)
		}
	}
}

func TestAppendNamesWhatIsMissing(t *testing.T) {
	m := parse(t, &schedulerpb.Call{}, `type:KILL kill{task_id{}} subscribe{framework_info{user:"u"}}`)
	for _, c := range []codec.Codec{codec.JSON, codec.ServerJSON, codec.Protobuf} {
		got, err := c.Append([]byte("x"), m)
		want := "encode mesos.v1.scheduler.Call: missing required fields: subscribe.framework_info.name, kill.task_id.value"
		if fmt.Sprint(err) != want || !errors.Is(err, codec.ErrMissingField) || string(got) != "x" {
			t.Errorf("%s: got %q, %v", c.MediaType(), got, err)
		}
	}
	_, err := codec.JSON.Append(nil, &mesospb.Resource{Name: proto.String("n"), Type: mesospb.Value_Type(77).Enum()})
	if err == nil || !strings.Contains(err.Error(), "enum number 77 has no name") {
		t.Errorf("required enum without a name: %v", err)
	}
}

func TestJSONDamageNeverPanics(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 8))
		m := random(r, pbtest.Options{})
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			continue // a Duration out of range
		}
		for range 20 {
			bad := []byte(string(text))
			switch i := r.IntN(len(bad)); r.IntN(3) {
			case 0:
				bad[i] = byte(r.Uint32())
			case 1:
				bad = bad[:i]
			case 2:
				bad = append(bad[:i], bad[r.IntN(len(bad)):]...)
			}
			checkText(t, m, bad)
		}
	}
}

// checkText decodes text, and whatever it holds must survive a round trip.
func checkText(t *testing.T, like proto.Message, text []byte) {
	t.Helper()
	m := newMessage(like)
	err := codec.JSON.Unmarshal(text, m)
	if err == nil {
		roundTrip(t, codec.JSON, m)
		return
	}
	if e, ok := errors.AsType[*codec.DecodeError](err); !ok || e.Kind == nil || e.Offset > int64(len(text)) {
		t.Fatalf("error %#v for %q", err, text)
	}
}

func FuzzJSON(f *testing.F) {
	for i := range roots {
		for seed := range uint64(4) {
			m := newMessage(roots[i])
			pbtest.Random(rand.New(rand.NewPCG(seed, 9)), m, pbtest.Options{OddFloats: true})
			text, err := codec.JSON.Append(nil, m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), text)
		}
	}
	for _, s := range []string{
		`{"type":null,"update":{"status":{"task_id":{"value":"\ud83d\ude00"},"state":"TASK_LOST","timestamp":"1e9"}}}`,
		`{"a":[[[{"b":1.5e-7}]]],"type":"x","type":"HEARTBEAT"}`, `{"message":{"data":"a b\n=="}}`,
		`{"offers":{"offers":[{"resources":{"scalar":{"value":"-Infinity"}}}]}}`,
	} {
		f.Add(uint8(0), []byte(s))
	}
	f.Fuzz(func(t *testing.T, root uint8, text []byte) {
		checkText(t, roots[int(root)%len(roots)], text)
	})
}
