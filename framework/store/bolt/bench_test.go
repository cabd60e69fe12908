package bolt_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/storetest"
)

var payload = make([]byte, 600) // about a task's record

// Group commit against one transaction, and so one fsync, per write, which is what bbolt's Update gives: both with the same
// 64 writers. The ratio of their ns/op is what sharing is worth.
func BenchmarkCommit(b *testing.B) {
	const writers = 64
	b.Run("batched", func(b *testing.B) {
		s := open(b, b.TempDir()+"/state.db")
		var n atomic.Int64
		b.SetParallelism(writers)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Commit(context.Background(), store.Batch{Ops: []store.Op{store.Put(fmt.Sprintf("tasks/%d", n.Add(1)), payload)}}); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(s.Syncs())/float64(b.N), "fsyncs/op")
	})
	b.Run("naive", func(b *testing.B) {
		db, err := bbolt.Open(b.TempDir()+"/state.db", 0o600, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		var n atomic.Int64
		b.SetParallelism(writers)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				err := db.Update(func(tx *bbolt.Tx) error {
					bucket, err := tx.CreateBucketIfNotExists([]byte("records"))
					if err != nil {
						return err
					}
					return bucket.Put(fmt.Appendf(nil, "tasks/%d", n.Add(1)), payload)
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(1, "fsyncs/op")
	})
	// What the engine does: one writer with batches.
	b.Run("1 writer 200 puts", func(b *testing.B) {
		s := open(b, b.TempDir()+"/state.db")
		var ops []store.Op
		for i := range 200 {
			ops = append(ops, store.Put(fmt.Sprintf("tasks/%d", i), payload))
		}
		for b.Loop() {
			commit(b, s, ops...)
		}
	})
}

func BenchmarkList100000(b *testing.B) {
	s := open(b, b.TempDir()+"/state.db")
	storetest.Fill(b, s, 100_000, len(payload))
	b.ReportAllocs()
	for b.Loop() {
		records, _, err := s.List(b.Context(), "tasks/")
		if err != nil || len(records) != 100_000 {
			b.Fatal(len(records), err)
		}
	}
}
