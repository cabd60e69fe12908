// Package bolt is a store in one local file, the default backend.
//
//	s, err := bolt.Open("state.db", bolt.Config{})
//	if errors.Is(err, store.ErrLocked) { … another process has it … }
//	defer s.Close()
//
// A commit is on the disk when it returns (go.etcd.io/bbolt, copy on write: a crash at any moment leaves the state before or after it).
// Commits that come while another one is being written share the next fsync. One process has the file at a time; a lock on
// the file sees to that.
//
// When the disk is full a commit is refused with store.ErrFull, and the store goes on: the same commit passes when there is space
// again. Any other failure to write ends the store for all callers, as nobody knows any more what the disk has: open it again.
// Every record has a checksum, so that a damaged file gives a *store.CorruptError and not wrong records.
package bolt
