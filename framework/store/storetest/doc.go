// Package storetest is the conformance suite of framework/store: what a backend must do to be one.
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, storetest.Backend{
//			New: func(t *testing.T) storetest.Open {
//				path := filepath.Join(t.TempDir(), "state.db")
//				return func(t *testing.T) store.Store { … open path … }
//			},
//			Durable: true,
//		})
//	}
//
// Crash is the part that needs a process of its own, which it kills: see there. Hooked makes a store fail when a test wants it.
package storetest
