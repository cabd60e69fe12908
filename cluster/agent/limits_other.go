//go:build !linux

package agent

import "github.com/mesokit/mesokit/mesos/mesospb"

// rlimitNumbers is empty: limits of another process can be set on Linux only.
var rlimitNumbers = map[mesospb.RLimitInfo_RLimit_Type]int{}
