package placement

import (
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// needs is what a task takes from the resources of a row, prepared.
type needs struct {
	dim     amounts       // what has to be there at least
	dims    []int         // those above 0
	share   [dims]float64 // 1 / dim
	wish    resources.Wish
	ports   []Port
	volumes []Volume
	// odd says that dim is not the whole truth: the fitter has to look.
	odd bool
	// portNames and volumeNames name ports and volumes in explanations.
	portNames, volumeNames []string
	// windows says that some ports can't be just any.
	windows bool
}

func needsOf(d *Demand, t *Task) needs {
	n := needs{ports: d.Ports, volumes: d.Volumes, wish: resources.Wish{Resources: d.Resources, Role: d.Role, From: d.From}}
	if t != nil {
		if t.Resources != nil {
			n.wish.Resources = t.Resources
		}
		if t.Volumes != nil {
			n.volumes = t.Volumes
		}
		n.wish.Owner = t.Owner
	}
	n.odd = d.From != resources.ReservedFirst || len(n.volumes) > 0
	n.dim = plainNeeds(n.wish.Resources)
	for _, r := range n.wish.Resources {
		if r == nil {
			continue
		}
		dim, plain := plainDim(r)
		if !plain || dim >= scalarDims || !resources.IsUnreserved(r) {
			n.odd = true
		}
		if plain && dim < scalarDims {
			if v := r.GetScalar().GetValue(); v < 0 || v != v {
				n.odd = true // the fitter refuses it
			}
		}
	}
	for _, v := range n.volumes {
		n.volumeNames = append(n.volumeNames, v.name())
		if v.ID == "" && v.Type == mesospb.Resource_DiskInfo_Source_UNKNOWN {
			n.dim[dimDisk] = addUp(n.dim[dimDisk], max(0, resources.ToFixed(v.MB)))
		}
	}
	n.dim[dimPorts] = int64(len(n.ports))
	for _, p := range n.ports {
		n.windows = n.windows || p != Port{}
		n.portNames = append(n.portNames, "port "+p.String())
	}
	n.odd = n.odd || n.windows || n.wish.Owner != ""
	if n.wish.Owner != "" {
		n.dim = amounts{} // what is reserved for an owner is not counted as free: the fitter looks
	}
	for d, v := range n.dim {
		if v > 0 {
			n.dims, n.share[d] = append(n.dims, d), 1/float64(v)
		}
	}
	return n
}

func (v *Volume) name() string {
	switch {
	case v.ID != "":
		return "volume " + v.ID
	case v.Type != mesospb.Resource_DiskInfo_Source_UNKNOWN:
		return v.Type.String() + " disk"
	}
	return resources.NameDisk
}

// plainNeeds sums what a list asks for of each dimension, whatever the reservations.
func plainNeeds(list []*mesospb.Resource) (a amounts) {
	for _, r := range list {
		if r == nil {
			continue
		}
		if d, plain := plainDim(r); plain && d < scalarDims {
			a[d] = addUp(a[d], max(0, resources.ToFixed(r.GetScalar().GetValue())))
		}
	}
	return a
}

// addUp adds without wrapping around.
func addUp(a, b int64) int64 {
	if s := a + b; s >= a {
		return s
	}
	return 1<<63 - 1
}

// lacks returns the first dimension that the row is short of.
func (n *needs) lacks(b *board, row int) (dim int, short bool) {
	for _, d := range n.dims {
		if b.free[d][row] < n.dim[d] {
			return d, true
		}
	}
	return 0, false
}

// distance says how much of its needs the row is short of: 1 for each thing that isn't there at all.
func (n *needs) distance(b *board, row int) (far float64) {
	for _, d := range n.dims {
		if short := n.dim[d] - b.free[d][row]; short > 0 {
			far += float64(short) * n.share[d]
		}
	}
	return far
}
