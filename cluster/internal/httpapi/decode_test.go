package httpapi

import (
	"errors"
	"testing"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestCallsAreRefusedInTheWordsOfMesosParser(t *testing.T) {
	for body, want := range map[string]string{
		`{"framework_id":"x"}`:                                                          "Failed to convert JSON into Call protobuf: Not expecting a JSON string for field 'framework_id'",
		`{"framework_id":[{"value":"x"}]}`:                                              "Failed to convert JSON into Call protobuf: Not expecting a JSON array for field 'framework_id'",
		`{"framework_id":{"value":{}}}`:                                                 "Failed to convert JSON into Call protobuf: Not expecting a JSON object for field 'value'",
		`{"framework_id":{"value":true}}`:                                               "Failed to convert JSON into Call protobuf: Not expecting a JSON boolean for field 'value'",
		`{"accept":{"offer_ids":["x"]}}`:                                                "Failed to convert JSON into Call protobuf: Not expecting a JSON string for field 'offer_ids'",
		`{"accept":{"operations":[1]}}`:                                                 "Failed to convert JSON into Call protobuf: Not expecting a JSON number for field 'operations'",
		`{"decline":{"offer_ids":[],"filters":{"refuse_seconds":"soon"}}}`:              "Failed to convert JSON into Call protobuf: Failed to parse 'soon' as a JSON number for field 'refuse_seconds'",
		`{"subscribe":{"framework_info":{"user":"u","name":"n","checkpoint":"maybe"}}}`: "Failed to convert JSON into Call protobuf: Failed to parse 'maybe' as a JSON boolean for field 'checkpoint'",
		`{"accept":{"operations":[{"type":"LAUNCH","create_disk":{"source":{"name":"disk","type":"NOPE"},"target_type":"RAW"}}]}}`: "Failed to convert JSON into Call protobuf: Failed to find enum for 'NOPE'",
		`{"message":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":"a-b"}}`:                                          "Failed to convert JSON into Call protobuf: Failed to base64 decode bytes field 'data': Invalid character '-'",
		`["x"]`:                   "Failed to convert JSON into Call protobuf: Expecting a JSON object",
		`{"kill":{"task_id":{}}}`: "Failed to convert JSON into Call protobuf: Missing required fields: kill.task_id.value",
		`nonsense`:                "Failed to parse body into JSON: syntax error at line 1 near: nonsense",
		"":                        "Failed to parse body into JSON: syntax error at line 1 near: ",
	} {
		var call schedulerpb.Call
		err := codec.JSON.Unmarshal([]byte(body), &call)
		if err == nil {
			t.Errorf("%s was taken", body)
			continue
		}
		if got := decodeError([]byte(body), err); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestListsAreRefusedInTheWordsOfMesosParser(t *testing.T) {
	for body, want := range map[string]string{
		`[{"hostname":"h"}]`:   "",
		`{"hostname":"h"}`:     "Unexpected JSON type parsed",
		`[1]`:                  "Expecting a JSON object",
		`[{"hostname":["h"]}]`: "Not expecting a JSON array for field 'hostname'",
		`[{"hostname":"h"`:     "syntax error at line 1 near: ",
		``:                     "syntax error at line 1 near: ",
		`nope`:                 "syntax error at line 1 near: ope",
	} {
		_, err := DecodeJSONList([]byte(body), func() *mesospb.MachineID { return new(mesospb.MachineID) })
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	var id mesospb.MachineID
	if _, ok := errors.AsType[*ParseError](DecodeJSON([]byte(`[]`), &id)); !ok {
		t.Error("a list was taken for an object")
	}
	if _, ok := errors.AsType[*ConversionError](DecodeJSON([]byte(`{"ip":1}`), &id)); !ok {
		t.Error("a number was taken for a string")
	}
}
