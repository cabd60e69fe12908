package agent

import "github.com/mesokit/mesokit/mesos/mesospb"

// rlimitNumbers are the numbers of setrlimit(2), which differ between systems.
var rlimitNumbers = map[mesospb.RLimitInfo_RLimit_Type]int{
	mesospb.RLimitInfo_RLimit_RLMT_CPU:        0,
	mesospb.RLimitInfo_RLimit_RLMT_FSIZE:      1,
	mesospb.RLimitInfo_RLimit_RLMT_DATA:       2,
	mesospb.RLimitInfo_RLimit_RLMT_STACK:      3,
	mesospb.RLimitInfo_RLimit_RLMT_CORE:       4,
	mesospb.RLimitInfo_RLimit_RLMT_RSS:        5,
	mesospb.RLimitInfo_RLimit_RLMT_NPROC:      6,
	mesospb.RLimitInfo_RLimit_RLMT_NOFILE:     7,
	mesospb.RLimitInfo_RLimit_RLMT_MEMLOCK:    8,
	mesospb.RLimitInfo_RLimit_RLMT_AS:         9,
	mesospb.RLimitInfo_RLimit_RLMT_LOCKS:      10,
	mesospb.RLimitInfo_RLimit_RLMT_SIGPENDING: 11,
	mesospb.RLimitInfo_RLimit_RLMT_MSGQUEUE:   12,
	mesospb.RLimitInfo_RLimit_RLMT_NICE:       13,
	mesospb.RLimitInfo_RLimit_RLMT_RTPRIO:     14,
	mesospb.RLimitInfo_RLimit_RLMT_RTTIME:     15,
}
