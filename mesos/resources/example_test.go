package resources_test

import (
	"errors"
	"fmt"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// An offer of a framework in role eng, for which one cpu is reserved.
func exampleOffer() []*mesospb.Resource {
	return resources.Allocate([]*mesospb.Resource{
		resources.NewCPUs(4),
		resources.NewCPUs(1, resources.WithReservation("eng", "ops")),
		resources.NewMem(2048),
		resources.NewPorts(31000, 32000),
	}, "eng")
}

// Find answers two questions at once: does it fit, and how must the task name what it takes? The cpu that is
// reserved for the role is used up first.
func ExampleFind() {
	offer := exampleOffer()
	need := []*mesospb.Resource{resources.NewCPUs(1.5), resources.NewMem(512)}
	picked, ok := resources.Find(offer, need, "eng")
	fmt.Println(ok)
	for _, r := range picked {
		fmt.Println(resources.Describe([]*mesospb.Resource{r}))
	}
	rest := resources.Subtract(offer, picked)
	fmt.Println(resources.CPUs(rest), "cpus and", resources.Mem(rest), "MB are left")
	// Output:
	// true
	// cpus(allocated: eng)(reservations: [(DYNAMIC,eng,ops)]):1
	// cpus(allocated: eng):0.5
	// mem(allocated: eng):512
	// 3.5 cpus and 1536 MB are left
}

// A Finder looks through many offers without allocating; two ports are wanted, whichever they are.
func ExampleFinder() {
	offers := [][]*mesospb.Resource{{resources.NewCPUs(0.5)}, exampleOffer()}
	wish := &resources.Wish{Resources: []*mesospb.Resource{resources.NewCPUs(1)}, Ports: 2, Role: "eng"}
	var f resources.Finder
	for i, offer := range offers {
		if found, ok := f.Find(offer, wish); ok {
			fmt.Println("offer", i, "has ports", resources.Ports(found))
		}
	}
	// Output: offer 1 has ports [31000-31001]
}

func ExampleContains() {
	offer := []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewCPUs(0.2), resources.NewPorts(8000, 8099)}
	fmt.Println(resources.Contains(offer, []*mesospb.Resource{resources.NewCPUs(0.3)}))
	fmt.Println(resources.Contains(offer, []*mesospb.Resource{resources.NewPorts(8099, 8100)}))
	// Output:
	// true
	// false
}

func ExampleParse() {
	list, err := resources.Parse("cpus:4; mem(eng):2048; ports:[31000-31009, 31010-32000]", "*")
	fmt.Println(resources.Describe(list), err)
	text, _ := resources.Format(list)
	fmt.Println(text)

	_, err = resources.Parse("cpus:4;mem:lots", "*")
	fmt.Println(err)
	// Output:
	// cpus:4; mem(reservations: [(STATIC,eng)]):2048; ports:[31000-32000] <nil>
	// cpus:4;mem(eng):2048;ports:[31000-32000]
	// cannot parse "mem:lots": "lots" is not a number, [ranges] or a {set}
}

func ExampleParseAttributes() {
	attributes, err := resources.ParseAttributes("rack:r1;zone:eu-1;cores:64")
	fmt.Println(len(attributes), err)
	fmt.Println(resources.HasAttribute(attributes, "zone", "eu-1"), resources.HasAttribute(attributes, "zone", "us-1"))
	// Output:
	// 3 <nil>
	// true false
}

func ExampleValidate() {
	err := resources.Validate([]*mesospb.Resource{
		resources.NewCPUs(1),
		resources.NewMem(64, resources.WithRole("eng"), resources.WithReservation("sales/emea", "ops")),
	})
	var invalid *resources.ValidationError
	if errors.As(err, &invalid) {
		fmt.Println(invalid.Index, invalid.Field)
		fmt.Println(invalid.Reason)
	}
	// Output:
	// 1 reservations[1].role
	// "sales/emea" is not a subrole of "eng"
}

// What a RESERVE and a CREATE will leave of an offer can be known before they are sent.
func ExampleApply() {
	offer := []*mesospb.Resource{resources.NewDisk(1000)}
	reserved := resources.NewDisk(100, resources.WithReservation("eng", "ops"))
	volume := resources.NewDisk(100, resources.WithReservation("eng", "ops"), resources.WithVolume("v1", "ops", "data"))

	reserve, err := resources.Reserve(nil, []*mesospb.Resource{reserved})
	if err != nil {
		fmt.Println(err)
		return
	}
	create, err := resources.Create([]*mesospb.Resource{volume})
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := resources.Apply(offer, append(reserve, create...)...)
	fmt.Println(resources.Describe(after), err)

	_, err = resources.Apply(offer, create...)
	fmt.Println(err)
	// Output:
	// disk:900; disk(reservations: [(DYNAMIC,eng,ops)])[v1:data]:100 <nil>
	// disk:1000 does not contain disk(reservations: [(DYNAMIC,eng,ops)]):100
}

// A pool is what an allocator keeps per agent.
func ExamplePool() {
	free := resources.Pool{IgnoreAllocation: true}
	free.Add([]*mesospb.Resource{resources.NewCPUs(8), resources.NewMem(4096), resources.NewCPUs(2, resources.WithRole("sales"))})
	used := resources.Allocate([]*mesospb.Resource{resources.NewCPUs(3)}, "eng")
	fmt.Println(free.Take(used), free.Scalar("cpus"))
	fmt.Println(resources.Describe(free.OfferTo("eng")))
	free.Add(used)
	fmt.Println(free.Scalar("cpus"))
	// Output:
	// true 7
	// cpus(allocated: eng):5; mem(allocated: eng):4096
	// 10
}

func ExampleRanges() {
	ports := resources.NewRangeList(resources.Range{Begin: 31000, End: 31009}, resources.Range{Begin: 31010, End: 31019})
	two, _ := ports.Take(2)
	fmt.Println(ports, ports.Size(), two, ports.Subtract(two))
	// Output: [31000-31019] 20 [31000-31001] [31002-31019]
}

// A framework without RESERVATION_REFINEMENT gets the older format.
func ExampleDowngrade() {
	older, err := resources.Downgrade([]*mesospb.Resource{resources.NewCPUs(1, resources.WithReservation("eng", "ops"))})
	fmt.Println(older[0].GetReservation().GetPrincipal(), len(older[0].GetReservations()), err)
	_, err = resources.Downgrade([]*mesospb.Resource{resources.NewCPUs(1, resources.WithRole("eng"), resources.WithReservation("eng/web", "ops"))})
	fmt.Println(err)
	// Output:
	// ops 0 <nil>
	// cpus has 2 reservations: the pre-refinement format holds one; give the framework the capability RESERVATION_REFINEMENT
}
