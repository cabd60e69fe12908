package bolt

// Syncs returns the number of transactions so far; no commit may be under way.
func (s *Store) Syncs() int64 { return s.syncs }
