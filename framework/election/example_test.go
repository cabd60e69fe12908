package election_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
)

// A scheduler that acts only while it leads, and whose writes are refused once another one has begun.
func ExampleLead() {
	state := memory.New()
	defer state.Close()
	var elector election.Local // or one of framework/election/etcd or zookeeper
	done := errors.New("all done")
	err := election.Lead(context.Background(), &elector, election.Info{ID: "scheduler-1", URL: "http://10.0.0.1:8080"},
		func(s election.Status) { fmt.Println("leading:", s.Leading()) },
		func(ctx context.Context, term *election.Term) error {
			s, err := store.WithFence(ctx, state, term.Token)
			if err != nil {
				return err
			}
			if _, err := s.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("hello", []byte("world"))}}); err != nil {
				return err
			}
			return done // usually: work until ctx ends
		})
	fmt.Println(err)
	// Output:
	// leading: true
	// all done
}
