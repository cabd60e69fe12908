package resources

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// TestPoolsCountLikeLists applies the same random steps to a pool, a pool of pools' contents and a list.
func TestPoolsCountLikeLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p, viaPools Pool
		var want list
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			l := drawList(t, "l")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				p.Add(l)
				viaPools.AddPool(NewPool(l))
				want = Add(want, l)
			case 2:
				p.Subtract(l)
				viaPools.SubtractPool(NewPool(l))
				want = Subtract(want, l)
			case 3:
				if took := p.Take(l); took != Contains(want, l) {
					t.Fatalf("took %v", took)
				} else if took {
					viaPools.SubtractPool(NewPool(l))
					want = Subtract(want, l)
				}
			case 4:
				p.Reset()
				viaPools.CopyFrom(&p)
				want = nil
			}
			for _, got := range []*Pool{&p, &viaPools} {
				if d := cmp.Diff(want, got.Resources(), protocmp.Transform(), protocmp.IgnoreFields(&mesospb.Volume{}, "container_path")); d != "" {
					t.Fatal(d)
				}
				if got.IsEmpty() != (len(want) == 0) || got.Scalar("cpus") != CPUs(want) || got.Scalar("disk") != Disk(want) {
					t.Fatalf("%s counts %v cpus and %v disk", Describe(want), got.Scalar("cpus"), got.Scalar("disk"))
				}
			}
		}
		kinds := 0
		for e := range p.All() {
			kinds++
			if e.Copies < 1 || e.Fixed == 0 && len(e.Ranges) == 0 && len(e.Set) == 0 && !Indivisible(e.Kind) {
				t.Errorf("empty entry %+v", e)
			}
		}
		if kinds != p.Len() {
			t.Errorf("%d kinds, Len says %d", kinds, p.Len())
		}
		p.SubtractPool(&p)
		if !p.IsEmpty() {
			t.Error("a pool without itself is not empty")
		}
	})
}

func TestPoolsKeepCopiesApart(t *testing.T) {
	volume := NewDisk(10, WithRole("eng"), WithVolume("v", "", "d"), WithShared())
	two, three := NewPool(list{volume, volume}), NewPool(list{volume, volume, volume})
	if two.ContainsPool(three) || !three.ContainsPool(two) || len(three.Resources()) != 3 {
		t.Error("copies are not counted")
	}
	two.AddPool(three)
	two.SubtractPool(NewPool(list{volume}))
	if got := len(two.Resources()); got != 4 {
		t.Errorf("2+3-1 copies make %d", got)
	}
	for e := range two.All() {
		if e.Copies != 4 || e.Fixed != 10_000 {
			t.Errorf("entry %+v", e)
		}
	}
}

func TestPoolsMayIgnoreAllocations(t *testing.T) {
	p := Pool{IgnoreAllocation: true}
	p.Add(mustParse(t, "cpus:4;cpus(eng):1"))
	p.Subtract(list{NewCPUs(1, WithAllocation("a")), NewCPUs(2, WithAllocation("b"))})
	if s := Describe(p.Resources()); s != "cpus:1; cpus(reservations: [(STATIC,eng)]):1" {
		t.Error(s)
	}
	if !p.Contains(list{NewCPUs(1, WithAllocation("x"))}) || p.Contains(list{NewCPUs(0.6, WithAllocation("x")), NewCPUs(0.6, WithAllocation("y"))}) {
		t.Error("allocations are not ignored")
	}
	if s := Describe(p.OfferTo("sales")); s != "cpus(allocated: sales):1" {
		t.Error(s)
	}
	if s := Describe(p.OfferTo("eng/web")); s != "cpus(allocated: eng/web):1; cpus(allocated: eng/web)(reservations: [(STATIC,eng)]):1" {
		t.Error(s)
	}
	p.Add(list{NewMem(1, WithAllocation("a"))})
	if s := Describe(p.Filter(func(r *mesospb.Resource) bool { return r.GetName() == "mem" })); s != "mem:1" {
		t.Error(s)
	}
	big := make(list, 300)
	for i := range big {
		big[i] = NewCPUs(0.001, WithAllocation("z"))
	}
	if !p.Contains(big) {
		t.Error("allocations are not ignored in long lists")
	}
}

func TestQuantitiesAgreeWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Quantities
		want := map[string]int64{}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			name := rapid.SampledFrom([]string{"cpus", "mem", "x"}).Draw(t, "name")
			v := rapid.Int64Range(0, 5).Draw(t, "v")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				q.Add(list{NewScalar(name, FromFixed(v))})
				want[name] += v
			case 1:
				q.Subtract(list{NewScalar(name, FromFixed(v)), NewPorts(1, 2)})
				want[name] = max(0, want[name]-v)
			case 2:
				q.SetFixed(name, v)
				want[name] = v
			case 3:
				o := QuantitiesOf(list{NewScalar(name, FromFixed(v))})
				if got := q.Contains(o); got != (want[name] >= v) {
					t.Errorf("contains %v: %v", o, got)
				}
				q.SubtractAll(o)
				want[name] = max(0, want[name]-v)
				o = o.Clone()
				q.AddAll(o)
				want[name] += v
			}
			maps.DeleteFunc(want, func(_ string, v int64) bool { return v == 0 })
			if got := maps.Collect(q.All()); !maps.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
		if q.IsZero() != (len(want) == 0) {
			t.Errorf("zero: %v", q.IsZero())
		}
		if back := QuantitiesOf(q.Resources()); !back.Equal(&q) || !q.Equal(back) {
			t.Errorf("as resources: %v, want %v", back, &q)
		}
		var p Quantities
		p.AddPool(NewPool(q.Resources()))
		if !p.Equal(&q) {
			t.Errorf("of a pool: %v, want %v", &p, &q)
		}
		q.Reset()
		if !q.IsZero() || q.String() != "" {
			t.Error("not zero after Reset")
		}
	})
}

func TestQuantitiesCountAllKindsOfAName(t *testing.T) {
	shared := NewDisk(10, WithRole("eng"), WithVolume("v", "", "d"), WithShared())
	l := append(mustParse(t, "cpus:1.5;cpus(eng):2;ports:[1-2];disk:5;mem:0"), shared, shared)
	if got := QuantitiesOf(l).String(); got != "cpus:3.5;disk:15" {
		t.Error(got)
	}
	var q Quantities
	q.AddPool(NewPool(l))
	if got := q.String(); got != "cpus:3.5;disk:15" {
		t.Error("of a pool:", got)
	}
	if got := q.Scalar("cpus"); got != 3.5 {
		t.Error(got)
	}
	q.SetScalar("mem", 64)
	if got := q.Fixed("mem"); got != 64000 {
		t.Error(got)
	}
}

func TestGetters(t *testing.T) {
	l := mustParse(t, "cpus:1.5;cpus(eng):2;mem:64;disk:128;gpus:1;ports:[1-2];ports(eng):[3-4, 9-9];zones:{b};zones(eng):{a,b};x:7")
	if CPUs(l) != 3.5 || Mem(l) != 64 || Disk(l) != 128 || GPUs(l) != 1 {
		t.Error(CPUs(l), Mem(l), Disk(l), GPUs(l))
	}
	if got := Ports(l); !got.Equal(Ranges{{1, 4}, {9, 9}}) {
		t.Error(got)
	}
	if got := NamedSet(l, "zones"); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
	if v, ok := Scalar(l, "x"); v != 7 || !ok {
		t.Error(v, ok)
	}
	if v, ok := Scalar(l, "y"); v != 0 || ok {
		t.Error(v, ok)
	}
	if _, ok := Scalar(l, "ports"); ok {
		t.Error("ports are a scalar")
	}
	if got := Names(l); !slices.Equal(got, []string{"cpus", "mem", "disk", "gpus", "ports", "zones", "x"}) {
		t.Error(got)
	}
}
