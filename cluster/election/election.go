// Package election decides which of several masters leads (docs/behaviour.md#master-detection): in this process, or through a real ZooKeeper
// with the nodes that Apache Mesos masters keep, so that clients find the leader by a zk:// address.
//
//	c := contest.Enter(master.Info(), func(leader *mesospb.MasterInfo) { … })
//	defer c.Leave()
//	<-c.Lost() // the master must not lead any more
//
// A candidacy is one life of a master: when it is lost the master of Mesos ends its process, and the one that is
// started in its place enters as somebody new.
package election

import (
	"slices"
	"sync"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Contest is an election. Its methods are safe for concurrent use.
type Contest interface {
	// Enter makes a candidate of a master. told is called with the leader whenever that changes, and with nil when nobody
	// is known to lead; calls follow one another. It may be called before Enter returns and not after Leave has
	// returned, and must not use the contest. Infos must not be changed.
	Enter(info *mesospb.MasterInfo, told func(leader *mesospb.MasterInfo)) Candidate
}

// Candidate is a master that stands for election.
type Candidate interface {
	// Lost is closed when the candidacy has ended without Leave. The master does not lead any more, whatever was told.
	Lost() <-chan struct{}
	// Err returns why the candidacy was lost, if standing again would be of no use; nil otherwise.
	Err() error
	// Leave ends the candidacy, and waits for that; the next in the row leads. Leaving again does nothing.
	Leave()
}

// Local is the election among masters of one process: who entered first leads. The zero value is ready to use.
type Local struct {
	mu         sync.Mutex
	candidates []*localCandidate // in the order of entering
}

type localCandidate struct {
	contest *Local
	info    *mesospb.MasterInfo
	told    func(*mesospb.MasterInfo)
}

// Enter implements Contest. Candidacies are never lost.
func (l *Local) Enter(info *mesospb.MasterInfo, told func(leader *mesospb.MasterInfo)) Candidate {
	c := &localCandidate{l, info, told}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.candidates = append(l.candidates, c)
	told(l.candidates[0].info)
	return c
}

func (c *localCandidate) Lost() <-chan struct{} { return nil }

func (c *localCandidate) Err() error { return nil }

func (c *localCandidate) Leave() {
	l := c.contest
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.candidates, c)
	if i < 0 {
		return
	}
	l.candidates = slices.Delete(l.candidates, i, i+1)
	if i > 0 {
		return
	}
	for _, other := range l.candidates { // the new leader hears of it first
		other.told(l.candidates[0].info)
	}
}
