package resources

import (
	"testing"
)

// offers are like those in shared benchmarks: 8 resources, some reserved, all allocated.
func offers(n int) []list {
	out := make([]list, n)
	for i := range out {
		out[i] = Allocate(list{
			NewCPUs(float64(i % 16)), NewMem(2048), NewDisk(4096), NewGPUs(1),
			NewRanges("ports", Ranges{{31000, 31500}, {31600, 32000}}),
			NewCPUs(1, WithReservation("eng", "ops")), NewMem(256, WithReservation("eng", "ops")),
			NewDisk(64, WithReservation("eng", "ops"), WithVolume("v", "ops", "data")),
		}, "eng")
	}
	return out
}

var (
	small = list{NewCPUs(2), NewMem(512), NewDisk(100), NewPorts(31010, 31011)}
	exact = Allocate(small, "eng")
)

// TestHotPathsAllocateNothing counts allocations, as timings depend on the machine.
func TestHotPathsAllocateNothing(t *testing.T) {
	all := offers(1000)
	var (
		f     Finder
		free  = make([]*Pool, len(all))
		alloc = NewPool(exact)
		total Quantities
	)
	for i := range all {
		free[i] = NewPool(all[i])
	}
	wish := &Wish{Resources: small, Ports: 2, Role: "eng"}
	tooMuch := &Wish{Resources: list{NewCPUs(100), NewMem(1), NewPorts(31010, 31011)}, Ports: 1}
	tooManyPorts := &Wish{Ports: 5000}
	run := func(what string, loop func(i int)) {
		if n := testing.AllocsPerRun(5, func() {
			for i := range all {
				loop(i)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations for %d offers", what, n, len(all))
		}
	}
	hits := 0
	run("Contains", func(i int) {
		if Contains(all[i], exact) {
			hits++
		}
	})
	run("Pool.Contains", func(i int) { free[i].Contains(exact) })
	run("Finder.Find", func(i int) {
		if _, ok := f.Find(all[i], wish); ok {
			hits++
		}
	})
	run("Find without success", func(i int) {
		if _, ok := FindWish(all[i], tooMuch); ok {
			t.Error("found too much")
		}
		if _, ok := FindWish(all[i], tooManyPorts); ok {
			t.Error("found too many ports")
		}
	})
	run("Pool.Take and Add", func(i int) {
		if free[i].Take(exact) {
			free[i].Add(exact)
		}
	})
	run("Pool.SubtractPool and AddPool", func(i int) {
		if free[i].ContainsPool(alloc) {
			free[i].SubtractPool(alloc)
			free[i].AddPool(alloc)
		}
	})
	run("Quantities", func(i int) {
		total.Add(all[i])
		total.AddPool(free[i])
		total.Subtract(all[i])
	})
	run("getters", func(i int) {
		if CPUs(all[i])+Mem(all[i])+Disk(all[i])+GPUs(all[i])+free[i].Scalar("cpus") < 0 {
			t.Error("negative")
		}
	})
	if hits == 0 {
		t.Error("nothing was ever found")
	}
}

func BenchmarkContains1000Offers(b *testing.B) {
	all := offers(1000)
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range all {
			Contains(o, exact)
		}
	}
}

func BenchmarkFind1000Offers(b *testing.B) {
	all := offers(1000)
	wish := &Wish{Resources: small, Ports: 2, Role: "eng"}
	var f Finder
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range all {
			f.Find(o, wish)
		}
	}
}

func BenchmarkFindMiss1000Offers(b *testing.B) {
	all := offers(1000)
	need := list{NewCPUs(100), NewMem(512)}
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range all {
			Find(o, need, "eng")
		}
	}
}

func BenchmarkFindOne(b *testing.B) {
	o := offers(10)[9]
	b.ReportAllocs()
	for b.Loop() {
		Find(o, small, "eng")
	}
}

func BenchmarkAdd(b *testing.B) {
	o := offers(10)[9]
	b.ReportAllocs()
	for b.Loop() {
		Add(o, exact)
	}
}

func BenchmarkSubtract(b *testing.B) {
	o := offers(10)[9]
	b.ReportAllocs()
	for b.Loop() {
		Subtract(o, exact)
	}
}

func BenchmarkPoolTakeAndAdd(b *testing.B) {
	p := NewPool(offers(10)[9])
	b.ReportAllocs()
	for b.Loop() {
		if p.Take(exact) {
			p.Add(exact)
		}
	}
}

func BenchmarkPoolOfferTo(b *testing.B) {
	p := Pool{IgnoreAllocation: true}
	p.Add(offers(10)[9])
	b.ReportAllocs()
	for b.Loop() {
		p.OfferTo("eng")
	}
}

func BenchmarkCloneList(b *testing.B) {
	o := offers(10)[9]
	b.ReportAllocs()
	for b.Loop() {
		CloneList(o)
	}
}

func BenchmarkFragmentedPorts(b *testing.B) {
	var rs Ranges
	for i := range uint64(5000) {
		rs = append(rs, Range{31000 + 3*i, 31000 + 3*i})
	}
	p := NewPool(list{NewRanges("ports", rs)})
	one := list{NewPorts(37000, 37000)}
	b.ReportAllocs()
	for b.Loop() {
		p.Subtract(one)
		p.Add(one)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("cpus:4;mem(eng):2048;disk:4096;ports:[31000-32000, 33000-33999]", "*"); err != nil {
			b.Fatal(err)
		}
	}
}
