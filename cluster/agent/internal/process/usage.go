package process

import "time"

// Usage is what processes use.
type Usage struct {
	Processes, Threads int
	UserTime           time.Duration // of the processes that live
	SystemTime         time.Duration
	RSS                uint64 // bytes of memory that are resident
	Anonymous          uint64 // those of them that are not backed by files
}

// Measure returns what each group of trees uses. A process that is in several trees of a group counts
// once. Everything is 0 where processes cannot be measured.
func Measure(groups [][]*Process) []Usage { return measure(groups) }
