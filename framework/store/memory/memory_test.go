package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
	"github.com/mesokit/mesokit/framework/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Backend{New: func(t *testing.T) storetest.Open {
		return func(*testing.T) store.Store { return memory.New() }
	}})
}

// A clone is what a crashed process finds again, so it must be as good as a reopened store.
func TestACloneIsAStoreThatWasOpenedAgain(t *testing.T) {
	storetest.Run(t, storetest.Backend{New: func(t *testing.T) storetest.Open {
		var last *memory.Store
		return func(*testing.T) store.Store {
			if last == nil {
				last = memory.New()
			} else {
				last = last.Clone()
			}
			return last
		}
	}, Durable: true})
}
