// Command custom-placement puts tasks where they are cheapest: agents have an attribute price, such as price:0.25, and a scorer of its own
// ranks them by it. Everything else of the placement stays as it is: offers are combined, constraints hold, explanations work.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
)

func main() {
	master := flag.String("master", "127.0.0.1:5050", "the Mesos master")
	instances := flag.Int("instances", 3, "number of tasks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log.Println(run(ctx, *master, *instances))
}

// unpriced is what agents without a price are taken to cost.
const unpriced = 1

// price of an agent; mesos-agent --attributes='price:0.25' makes it a scalar.
func price(a *placement.Agent) float64 {
	for _, at := range a.Attributes {
		if at.GetName() == "price" && at.Scalar != nil {
			return max(0, at.GetScalar().GetValue())
		}
	}
	return unpriced
}

// cheap is 1 for what costs nothing and falls with the price. A scorer looks at nothing but its arguments.
func cheap(_ *placement.Demand, c *placement.Candidate) float64 { return 1 / (1 + price(c.Agent)) }

func run(ctx context.Context, master string, instances int) error {
	web := app.New("web", "exec sleep 1000")
	web.Instances = instances
	f, err := framework.New(framework.Config{
		Name:   "cheap",
		Master: master,
		Apps:   []*app.App{web},
		Core: core.Config{Placement: placement.Config{
			// Of equally cheap agents the fuller one, so that others can be given back.
			Scorer: placement.Mix(placement.Weighted{Scorer: placement.ScorerFunc(cheap), Weight: 10}, placement.Weighted{Scorer: placement.BinPack(), Weight: 1}),
		}},
	})
	if err != nil {
		return err
	}
	return f.Run(ctx)
}
