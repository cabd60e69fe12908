//go:build !linux

package cluster

// listening tells nothing here.
func listening(uint64, uint64) []uint64 { return nil }
