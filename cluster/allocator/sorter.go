package allocator

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// sorter keeps roles in a tree by their names and orders siblings by weighted dominant share. A node's
// share counts everything below it. Clients (frameworks in a role) are ordered within their node.
//
// Order between siblings: lower share first, then fewer allocations, then the name. Below a role that
// has both frameworks and subroles, its own frameworks compete with the subroles as if they
// were in one more subrole, which Mesos calls ".".
type sorter struct {
	root    *node
	nodes   map[string]*node
	weights map[string]float64
	total   Quantities // of all agents
	stale   bool       // totals or weights changed: all shares are to be computed again
}

// node is a role, the root, or the "." of a role that has frameworks.
type node struct {
	path     string // role; for "." nodes that of the parent
	name     string // last component
	parent   *node
	children []*node // sorted
	own      *node   // the "." child; nil before the first client
	ready    []*client
	clients  int // of this leaf, ready or not

	weight float64
	held   Quantities
	count  uint64
	share  float64
	wants  int // listed clients at and below this node
}

func (s *sorter) init(weights map[string]float64) {
	s.weights = weights
	if s.weights == nil {
		s.weights = map[string]float64{}
	}
	s.root = &node{weight: 1, held: Quantities{}}
	s.nodes = map[string]*node{}
	s.total = Quantities{}
}

// node returns the leaf that holds the clients of a role, making the way to it.
func (s *sorter) node(role string) *node {
	n := s.role(role)
	if n.own == nil {
		n.own = &node{path: role, name: ".", parent: n, weight: 1, held: Quantities{}}
		n.children = append(n.children, n.own)
		n.settle(n.own)
	}
	return n.own
}

// leave notes that a leaf has a client less. Roles without clients, subroles and anything held are forgotten, with the way to them.
func (s *sorter) leave(leaf *node) {
	if leaf.clients--; leaf.clients > 0 || !leaf.held.isZero() {
		return
	}
	leaf.parent.own = nil
	for n := leaf; n.parent != nil; {
		parent := n.parent
		parent.children = slices.DeleteFunc(parent.children, func(k *node) bool { return k == n })
		if n != leaf {
			delete(s.nodes, n.path)
		}
		n.parent = nil
		if len(parent.children) > 0 {
			break
		}
		n = parent
	}
}

func (s *sorter) role(path string) *node {
	if n := s.nodes[path]; n != nil {
		return n
	}
	parent, name := s.root, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent, name = s.role(path[:i]), path[i+1:]
	}
	n := &node{path: path, name: name, parent: parent, weight: s.weightOf(path), held: Quantities{}}
	s.nodes[path] = n
	parent.children = append(parent.children, n)
	parent.settle(n)
	return n
}

func (s *sorter) weightOf(role string) float64 {
	if w, ok := s.weights[role]; ok && w > 0 {
		return w
	}
	return 1
}

func (s *sorter) setWeight(role string, weight float64) {
	s.weights[role] = weight
	if n := s.nodes[role]; n != nil {
		n.weight = weight
	}
	s.stale = true
}

func (s *sorter) addTotal(q Quantities, sign int64) {
	s.total.add(q, sign)
	s.stale = true
}

// share is the dominant share of an amount in the cluster.
func (s *sorter) share(q Quantities) float64 {
	var most float64
	for name, v := range q {
		if t := s.total[name]; t > 0 {
			most = max(most, float64(v)/float64(t))
		}
	}
	return most
}

// hold adds what a client got (sign 1) or gave back (-1), up to the root. q must not be c.held.
func (s *sorter) hold(c *client, q Quantities, sign int64) {
	c.held.add(q, sign)
	if sign > 0 {
		c.count++
	}
	if c.listed && !s.stale {
		c.share = s.share(c.held)
		c.role.settleClient(c)
	}
	for n := c.role; n != nil; n = n.parent {
		n.held.add(q, sign)
		if sign > 0 {
			n.count++
		}
		if n.parent != nil && !s.stale {
			n.share = s.share(n.held) / n.weight
			n.parent.settle(n)
		}
	}
}

// refresh computes all shares again if they are stale.
func (s *sorter) refresh() {
	if !s.stale {
		return
	}
	s.stale = false
	s.refreshBelow(s.root)
}

func (s *sorter) refreshBelow(n *node) {
	for _, c := range n.ready {
		c.share = s.share(c.held)
	}
	slices.SortFunc(n.ready, compareClients)
	for _, k := range n.children {
		k.share = s.share(k.held) / k.weight
		s.refreshBelow(k)
	}
	slices.SortFunc(n.children, compareNodes)
}

func compareNodes(x, y *node) int {
	return cmp.Or(cmp.Compare(x.share, y.share), cmp.Compare(x.count, y.count), cmp.Compare(x.name, y.name))
}

func compareClients(x, y *client) int {
	return cmp.Or(cmp.Compare(x.share, y.share), cmp.Compare(x.count, y.count), cmp.Compare(x.framework.id, y.framework.id))
}

// settle moves a child to its place; all others are in theirs.
func (n *node) settle(k *node) { settle(n.children, slices.Index(n.children, k), compareNodes) }

func (n *node) settleClient(c *client) { settle(n.ready, slices.Index(n.ready, c), compareClients) }

func settle[T any](list []T, i int, compare func(x, y T) int) {
	for i > 0 && compare(list[i-1], list[i]) > 0 {
		list[i-1], list[i] = list[i], list[i-1]
		i--
	}
	for i+1 < len(list) && compare(list[i], list[i+1]) > 0 {
		list[i], list[i+1] = list[i+1], list[i]
		i++
	}
}

func (n *node) insert(c *client, share float64) {
	c.share = share
	n.ready = append(n.ready, c)
	n.settleClient(c)
	for m := n; m != nil; m = m.parent {
		m.wants++
	}
}

func (n *node) remove(c *client) {
	i := slices.Index(n.ready, c)
	n.ready = slices.Delete(n.ready, i, i+1)
	for m := n; m != nil; m = m.parent {
		m.wants--
	}
}

// clients yields those that want offers, the neediest first. Shares must not change meanwhile.
func (s *sorter) clients() iter.Seq[*client] {
	return func(yield func(*client) bool) { s.root.walk(yield) }
}

func (n *node) walk(yield func(*client) bool) bool {
	for _, c := range n.ready {
		if !yield(c) {
			return false
		}
	}
	for _, k := range n.children {
		if k.wants > 0 && !k.walk(yield) {
			return false
		}
	}
	return true
}
