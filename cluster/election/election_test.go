package election

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestLocalElection(t *testing.T) {
	var contest Local
	var heard []string
	enter := func(id string) Candidate {
		return contest.Enter(master(id, 5050), func(l *mesospb.MasterInfo) { heard = append(heard, id+" hears "+l.GetId()) })
	}
	hears := func(want ...string) {
		t.Helper()
		if !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		heard = nil
	}
	a, b, c := enter("a"), enter("b"), enter("c")
	hears("a hears a", "b hears a", "c hears a")
	b.Leave()
	hears()
	a.Leave()
	hears("c hears c")
	a.Leave()
	hears()
	enter("a again").Leave()
	hears("a again hears c")
	c.Leave()
	hears()
	enter("b again")
	hears("b again hears b again")
}

func TestNodesAreWrittenAsMesosWritesThem(t *testing.T) {
	recorded, err := os.ReadFile("../../test/captures/f18_zookeeper_nodes.json")
	if err != nil {
		t.Fatal(err)
	}
	var nodes map[string]string
	if err := json.Unmarshal(recorded, &nodes); err != nil {
		t.Fatal(err)
	}
	infos := map[string]*mesospb.MasterInfo{
		"json.info_0000000000": master("3ea1a653-9734-4c3d-8bd4-ef4038d07216", 5150),
		"json.info_0000000001": master("83f26cc2-8ba4-4b99-9206-a65be5368694", 5160),
	}
	for name, want := range nodes {
		got, err := encodeInfo(infos[name])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s, byte for byte (-want +got):\n%s", name, diff)
		}
		back, err := decodeInfo(labelJSON, []byte(want))
		if diff := cmp.Diff(infos[name], back, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s read: %v\n%s", name, err, diff)
		}
	}
}

func TestLeadingNode(t *testing.T) {
	for _, test := range []struct {
		children    []string
		name, label string
	}{
		{nil, "", ""},
		{[]string{"log_replicas", "_", "", "x_99999999999"}, "", ""},
		{[]string{"json.info_0000000012", "json.info_0000000003", "log_replicas"}, "json.info_0000000003", "json.info"},
		{[]string{"json.info_0000000012", "info_0000000011", "0000000010"}, "0000000010", ""},
		{[]string{"json.info_-2147483648", "json.info_0000000001"}, "json.info_-2147483648", "json.info"},
	} {
		if name, label := leading(test.children); name != test.name || label != test.label {
			t.Errorf("%q: %q %q, want %q %q", test.children, name, label, test.name, test.label)
		}
	}
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"zk://a:1,b:2/mesos":             "zk://a:1,b:2/mesos",
		" zk://a/mesos/x/ ":              "zk://a:2181/mesos/x",
		"zk://u:p@ss@a:1/mesos":          "zk://u:***@a:1/mesos",
		"zk://[::1]:99,[::2]/m":          "zk://[::1]:99,[::2]:2181/m",
		"http://a:1/mesos":               "begin with zk://",
		"zk://a:1":                       "path is missing",
		"zk://a:1/":                      "path is missing",
		"zk://a:1//m":                    "component",
		"zk://a:1/m/../n":                "component",
		"zk://a:0/m":                     "host:port",
		"zk://,/m":                       "host:port",
		"zk://secret@a:1/m":              "user:password",
		"zk://user:secret@a:1":           "path is missing",
		"zk://user:secret@h:70000/mesos": "host:port",
	} {
		u, err := ParseURL(text)
		got := fmt.Sprintf("%v", u)
		if err != nil {
			got = err.Error()
			if _, ok := err.(*URLError); !ok {
				t.Errorf("%s: %T", text, err)
			}
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if strings.Contains(fmt.Sprintf("%+v %#v %q", u, u, got), "secret") || strings.Contains(got, "p@ss") {
			t.Errorf("%s: the password is shown: %s", text, got)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"zk://a:1,b:2/mesos", "zk://u:p@a/m/n", "zk://[::1]:2/m", "zk:///", "zk://@/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURL(text)
		if err != nil || u.Path != strings.TrimSpace(u.Path) { // white space would be cut off below
			return
		}
		if len(u.Servers) == 0 || len(u.Path) < 2 || strings.HasSuffix(u.Path, "/") {
			t.Errorf("%q: %v", text, u)
		}
		again, err := ParseURL("zk://" + strings.Join(u.Servers, ",") + u.Path)
		if err != nil || !slices.Equal(again.Servers, u.Servers) || again.Path != u.Path {
			t.Errorf("%q: %v is read as %v, %v", text, u, again, err)
		}
	})
}

func FuzzNode(f *testing.F) {
	f.Add("json.info", []byte(`{"id":"a","ip":1,"port":5050}`))
	f.Add("info", []byte{0x0a, 0x01, 'a', 0x10, 0x01, 0x18, 0x02})
	f.Fuzz(func(t *testing.T, label string, data []byte) {
		info, err := decodeInfo(label, data)
		if err != nil {
			return
		}
		if _, err := encodeInfo(info); err != nil && label == labelJSON {
			t.Errorf("%s: %v", data, err)
		}
		leading([]string{label, string(data), label + "_" + string(data)})
	})
}
