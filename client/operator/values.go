package operator

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func agentIDOf(id string) *mesospb.AgentID { return &mesospb.AgentID{Value: proto.String(id)} }

func durationInfo(d time.Duration) *mesospb.DurationInfo {
	return &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(d))}
}

// optionalDuration returns nil for 0.
func optionalDuration(d time.Duration) *mesospb.DurationInfo {
	if d == 0 {
		return nil
	}
	return durationInfo(d)
}

// optionalLength returns nil, which means up to the end, for a negative length.
func optionalLength(n int64) *uint64 {
	if n < 0 {
		return nil
	}
	return proto.Uint64(uint64(n))
}

func flagMap(flags []*mesospb.Flag) map[string]string {
	m := make(map[string]string, len(flags))
	for _, f := range flags {
		m[f.GetName()] = f.GetValue()
	}
	return m
}

// metricMap leaves out metrics without a value, as the text form does.
func metricMap(metrics []*mesospb.Metric) map[string]float64 {
	m := make(map[string]float64, len(metrics))
	for _, x := range metrics {
		if x.Value != nil {
			m[x.GetName()] = x.GetValue()
		}
	}
	return m
}
