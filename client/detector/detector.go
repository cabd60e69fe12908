// Package detector finds out which Mesos master leads.
//
// A Detector is made by Parse from what users write after --master: an address, a list of addresses, a
// ZooKeeper URL, a file that holds one of these. Watch then tells who leads and every change of it:
//
//	masters, err := detector.Parse("zk://zk1:2181,zk2:2181/mesos", detector.Config{})
//	...
//	for now, err := range masters.Watch(ctx) {
//		if err != nil {
//			return err // the detector cannot go on, for instance ZooKeeper refuses the credentials
//		}
//		fmt.Println(now.Candidates)
//	}
//
// Who only needs a master to ask once uses Leader. A durable scheduler session takes a Detector as it is.
//
// Behaviour follows docs/behaviour.md#master-detection (Mesos: src/master/detector, include/mesos/zookeeper/url.hpp).
package detector

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Masters is what a detector knows at one moment.
type Masters struct {
	// Candidates are the base URLs to try (scheme and host, perhaps a path prefix), the likeliest leader
	// first. It is exactly one where the detector knows the leader, several where it knows masters of
	// which any may lead (the others answer with a redirect), and empty while nobody leads.
	Candidates []string
	// Info describes the leader; nil if the detector does not know it.
	Info *mesospb.MasterInfo
}

// Equal says whether m and other name the same masters in the same order.
func (m Masters) Equal(other Masters) bool {
	return slices.Equal(m.Candidates, other.Candidates) && proto.Equal(m.Info, other.Info)
}

// String lists the candidates.
func (m Masters) String() string {
	if len(m.Candidates) == 0 {
		return "no master"
	}
	return strings.Join(m.Candidates, ", ")
}

// Detector tells who leads. It is safe for concurrent use and holds nothing: connections live as long as the
// loops over Watch that need them.
type Detector interface {
	// Watch yields what is known as soon as it is known, and then every change. It survives whatever may
	// pass (a ZooKeeper ensemble that restarts, a file that is missing for a moment) and yields an error
	// only as its last element, for what will not pass by itself. The sequence ends with ctx.
	Watch(ctx context.Context) iter.Seq2[Masters, error]
	// String describes the detector without its secrets.
	String() string
}

// ErrEnded is returned by Leader if the detector stops watching although its context has not ended.
var ErrEnded = errors.New("the detector ended without a leader")

// Leader waits until at least one candidate is known and returns what is known then.
func Leader(ctx context.Context, d Detector) (Masters, error) {
	for now, err := range d.Watch(ctx) {
		if err != nil {
			return Masters{}, err
		}
		if len(now.Candidates) > 0 {
			return now, nil
		}
	}
	if ctx.Err() != nil {
		return Masters{}, context.Cause(ctx)
	}
	return Masters{}, ErrEnded
}
