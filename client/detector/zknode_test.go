package detector

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestLowestSequenceLeadsAcrossLabels(t *testing.T) {
	for _, test := range []struct {
		children []string
		want     masterNode
		none     bool
	}{
		{children: []string{"json.info_0000000012", "json.info_0000000003", "info_0000000007"}, want: masterNode{"json.info_0000000003", "json.info", 3}},
		{children: []string{"info_0000000002", "json.info_0000000003", "log_replicas"}, want: masterNode{"info_0000000002", "info", 2}},
		{children: []string{"0000000001", "json.info_0000000003"}, want: masterNode{"0000000001", "", 1}},
		{children: []string{"json.info_-2147483648", "json.info_2147483647"}, want: masterNode{"json.info_-2147483648", "json.info", -2147483648}},
		{children: []string{"log_replicas", "x", "", "_", "json.info_", "json.info_99999999999"}, none: true},
		{none: true},
	} {
		got, ok := leadingNode(test.children)
		if ok == test.none || got != test.want {
			t.Errorf("%q: got %+v, %v", test.children, got, ok)
		}
	}
}

// The nodes that two real masters made.
func TestNodesOfARealMasterAreUnderstood(t *testing.T) {
	data, err := os.ReadFile("../../test/captures/f18_zookeeper_nodes.json")
	if err != nil {
		t.Fatal(err)
	}
	var nodes map[string]string
	if err := json.Unmarshal(data, &nodes); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range nodes {
		names = append(names, name)
	}
	leader, ok := leadingNode(names)
	if !ok {
		t.Fatal("no leader")
	}
	info, err := ParseMasterNode(leader.label, []byte(nodes[leader.name]))
	if err != nil {
		t.Fatal(err)
	}
	for scheme, want := range map[string]string{"http": "http://127.0.0.1:5150", "https": "https://localhost:5150"} {
		if got, err := mastersOf(info, scheme); err != nil || got.String() != want {
			t.Errorf("got %v, %v; want %s", got, err, want)
		}
	}
	if info.GetId() != "3ea1a653-9734-4c3d-8bd4-ef4038d07216" || info.GetVersion() != "1.12.0" || len(info.GetCapabilities()) != 3 {
		t.Errorf("got %v", info)
	}
}

func TestEveryFormOfNodeLeadsToTheMaster(t *testing.T) {
	binary, err := codec.Protobuf.Append(nil, &mesospb.MasterInfo{Id: proto.String("m"), Ip: proto.Uint32(16777343), Port: proto.Uint32(5051)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ label, data, want string }{
		{"json.info", `{"id":"m","ip":16777343,"port":5050}`, "http://127.0.0.1:5050"},
		{"json.info", `{"id":"m","ip":16777343,"port":5050,"hostname":"h"}`, "http://127.0.0.1:5050"},
		{"json.info", `{"id":"m","ip":16777343,"port":5050,"address":{"ip":"10.1.2.3","port":6060,"hostname":"h"}}`, "http://10.1.2.3:6060"},
		{"json.info", `{"id":"m","ip":0,"port":5050,"address":{"port":6060,"hostname":"h"}}`, "http://h:6060"},
		{"json.info", `{"id":"m","ip":0,"port":5050,"address":{"ip":"0.0.0.0","port":6060,"hostname":"h"}}`, "http://h:6060"},
		{"json.info", `{"id":"m","ip":0,"port":5050,"address":{"ip":"::1","port":6060}}`, "http://[::1]:6060"},
		{"json.info", `{"id":"m","ip":16777343,"port":5050,"capabilities":[{"type":"OF_THE_FUTURE"}],"unknown":{"x":1}}`, "http://127.0.0.1:5050"},
		{"info", string(binary), "http://127.0.0.1:5051"},
		{"", "master@10.0.0.1:5050", "http://10.0.0.1:5050"},
		{"", "master@h:5050\n", "http://h:5050"},
		{"json.info", `{"id":"m","ip":0,"port":5050}`, ""},
		{"json.info", `{"id":"m","ip":16777343,"port":0}`, ""},
		{"json.info", `{"id":"m","ip":16777343,"port":70000}`, ""},
		{"json.info", `{"id":"m","ip":0,"port":1,"address":{"hostname":"evil/path?","port":1}}`, ""},
		{"json.info", `{"ip":1}`, ""},
		{"json.info", ``, ""},
		{"json.info", `null`, ""},
		{"info", "\xff", ""},
		{"", "10.0.0.1:5050", ""},
		{"", "master@10.0.0.1:x", ""},
		{"yaml.info", "id: m", ""},
	} {
		info, err := ParseMasterNode(test.label, []byte(test.data))
		got := ""
		if err == nil {
			var now Masters
			now, err = mastersOf(info, "http")
			got = now.String()
		}
		if (err == nil) != (test.want != "") || err == nil && got != test.want {
			t.Errorf("%q %q: got %q, %v; want %q", test.label, test.data, got, err, test.want)
		}
	}
}

func FuzzMasterNode(f *testing.F) {
	f.Add("json.info_0000000001", []byte(`{"id":"m","ip":16777343,"port":5050,"address":{"ip":"::1","port":1}}`))
	f.Add("info_2", []byte("\x0a\x01m\x10\xff\x80\x80\x08\x18\xba\x27"))
	f.Add("3", []byte("master@h:5050"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		node, ok := leadingNode([]string{name})
		if !ok {
			return
		}
		info, err := ParseMasterNode(node.label, data)
		if err != nil {
			return
		}
		for _, scheme := range []string{"http", "https"} {
			now, err := mastersOf(info, scheme)
			if err != nil {
				continue
			}
			// What is detected is an address that a user could have written.
			if again, err := BaseURL(now.Candidates[0], "http"); err != nil || again != now.Candidates[0] {
				t.Errorf("%q %q gives %q, which gives %q, %v", name, data, now.Candidates[0], again, err)
			}
		}
	})
}

func TestMastersAreEqualIfTheyNameTheSame(t *testing.T) {
	a := Masters{Candidates: []string{"http://a"}, Info: &mesospb.MasterInfo{Id: proto.String("1")}}
	b := Masters{Candidates: []string{"http://a"}, Info: &mesospb.MasterInfo{Id: proto.String("1")}}
	if diff := cmp.Diff(a, b, protocmp.Transform()); !a.Equal(b) || diff != "" {
		t.Error(diff)
	}
	b.Info.Id = proto.String("2")
	if a.Equal(b) || a.Equal(Masters{}) {
		t.Error("another master is equal")
	}
}
