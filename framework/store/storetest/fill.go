package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/mesokit/mesokit/framework/store"
)

// Fill puts n records tasks/000000… of the given size into a store, for benchmarks.
func Fill(t testing.TB, s store.Store, n, size int) {
	t.Helper()
	value := bytes.Repeat([]byte("x"), size)
	for start := 0; start < n; start += 1000 {
		var batch store.Batch
		for i := start; i < min(n, start+1000); i++ {
			batch.Ops = append(batch.Ops, store.Put(fmt.Sprintf("tasks/%06d", i), value))
		}
		if _, err := s.Commit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
}
