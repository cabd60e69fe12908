package resources

import (
	"testing"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

type list = []*mesospb.Resource

func TestAddMergesEqualKinds(t *testing.T) {
	got := Add(list{NewCPUs(0.1), NewPorts(1, 2), NewMem(32)}, list{NewCPUs(0.2), NewPorts(3, 4), NewCPUs(1, WithRole("eng"))})
	if s := Describe(got); s != "cpus:0.3; ports:[1-4]; mem:32; cpus(reservations: [(STATIC,eng)]):1" {
		t.Error(s)
	}
}

func TestFindPrefersReservations(t *testing.T) {
	offer := Allocate(list{NewCPUs(4), NewCPUs(1, WithReservation("eng", "p")), NewMem(100), NewPorts(31000, 31009)}, "eng")
	got, ok := FindWish(offer, &Wish{Resources: list{NewCPUs(2), NewMem(50)}, Ports: 2})
	if s := Describe(got); !ok || s != "cpus(allocated: eng)(reservations: [(DYNAMIC,eng,p)]):1; cpus(allocated: eng):1; mem(allocated: eng):50; ports(allocated: eng):[31000-31001]" {
		t.Error(ok, s)
	}
	if !Contains(offer, got) {
		t.Error("not contained")
	}
}

func TestReserveThenUnreserve(t *testing.T) {
	pool := list{NewDisk(100), NewCPUs(2)}
	want := list{NewDisk(64, WithReservation("eng", "p"))}
	cs, err := Reserve(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Apply(pool, cs...)
	if err != nil || !Contains(got, want) || Disk(got) != 100 {
		t.Fatal(Describe(got), err)
	}
	cs, _ = Unreserve(want)
	got, err = Apply(got, cs...)
	if err != nil || !Equivalent(got, pool) {
		t.Fatal(Describe(got), err)
	}
}
