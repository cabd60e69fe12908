package faults

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/mesokit/mesokit/cluster"
)

// line is what is between a client and the cluster's network. It can go dead, as when a firewall forgets connections or a machine loses its
// power: what is sent on the connections of that moment is lost without a word, and neither side learns that the other one hangs
// up. New connections are as good as ever.
type line struct {
	network *cluster.Network

	mu    sync.Mutex
	links []*link
	pumps sync.WaitGroup
}

// link carries one connection: near is the end of a pipe to the client, far the connection to the server.
type link struct {
	near, far net.Conn
	dead      atomic.Bool
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	far, err := l.network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	k := &link{near: near, far: far}
	l.mu.Lock()
	l.links = append(l.links, k)
	l.mu.Unlock()
	l.pumps.Go(func() { k.pump(far, near) })
	l.pumps.Go(func() { k.pump(near, far) })
	return client, nil
}

func (k *link) pump(to, from net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if !k.dead.Load() && n > 0 {
			_, writeErr := to.Write(buf[:n])
			if err == nil {
				err = writeErr
			}
		}
		if err != nil {
			if !k.dead.Load() { // or nobody learns of the end
				_ = to.Close()
				_ = from.Close()
			}
			return
		}
	}
}

// cut has all connections of this moment go dead, and says how many these are.
func (l *line) cut() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, k := range l.links {
		if !k.dead.Swap(true) {
			n++
		}
	}
	return n
}

// close ends what is left.
func (l *line) close() {
	l.mu.Lock()
	for _, k := range l.links {
		_ = k.near.Close()
		_ = k.far.Close()
	}
	l.mu.Unlock()
	l.pumps.Wait()
}
