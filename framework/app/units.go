package app

import "time"

// Duration is a time.Duration. In JSON: a string in Go's notation (1m30s) or Mesos' (15secs, 1.5hrs), or a number of seconds.
type Duration time.Duration

// MB is an amount of memory or disk in megabytes, as Mesos counts them (1 MB is 1024×1024 bytes). In JSON: a number of megabytes, or a string with a
// unit such as 512MB, 1.5 GiB or 2T.
type MB float64

// Ports are the ports of a task. In JSON: how many (any that are free), or an array of numbers (0: any), names or objects.
type Ports []Port

// Disks is the disk of a task. In JSON: a size, an object, or an array of these.
type Disks []Disk
