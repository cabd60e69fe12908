package resources

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// FuzzWire calls everything with whatever a peer may send: no panic, no change of arguments, and sane answers.
func FuzzWire(f *testing.F) {
	for _, l := range []list{
		{NewCPUs(1), NewPorts(1, 5), NewDisk(5, WithRole("eng"), WithVolume("v", "", "d"), WithShared())},
		{NewCPUs(1, WithReservation("eng", "p"), withLabels("a", "b")), NewSet("s", []string{"a"})},
		{NewDisk(1, WithProvider("rp"), withRaw("id")), NewRanges("ports", Ranges{{0, top}})},
	} {
		b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(&mesospb.Offer{Resources: l})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var o mesospb.Offer
		if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(data, &o); err != nil {
			return
		}
		was := cloneByProto(o.Resources)
		everyFunction(o.Resources, o.Resources)
		if !sameList(o.Resources, was) {
			t.Fatal("an argument was changed")
		}
		for _, r := range o.Resources {
			if r != nil && malformed(r) {
				return
			}
		}
		if !Contains(o.Resources, o.Resources) || !Equivalent(Sum(o.Resources), o.Resources) || !IsEmpty(Subtract(o.Resources, o.Resources)) {
			t.Fatalf("not itself: %s", Describe(o.Resources))
		}
	})
}
