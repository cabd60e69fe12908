package resources

import "github.com/mesokit/mesokit/mesos/mesospb"

// OwnerLabel is the key of the label by which a framework tells its dynamic reservations apart: reservations of equal role, principal and labels merge in
// Mesos, so that without it nobody could say which part of them belongs to what. Its value is chosen by the framework.
const OwnerLabel = "mesokit.owner"

// Owner returns the value of the OwnerLabel of the reservation on top, "" without one.
func Owner(r *mesospb.Resource) string {
	top, _ := stackOf(r).top()
	for _, l := range top.labels.GetLabels() {
		if l.GetKey() == OwnerLabel {
			return l.GetValue()
		}
	}
	return ""
}

// OwnerLabels returns the labels of a reservation for that owner, nil for "".
func OwnerLabels(owner string) *mesospb.Labels {
	if owner == "" {
		return nil
	}
	return &mesospb.Labels{Labels: []*mesospb.Label{{Key: new(OwnerLabel), Value: &owner}}}
}

// WithOwner labels the reservation on top; without one, or without an owner, it changes nothing.
func WithOwner(owner string) Option {
	return func(r *mesospb.Resource) {
		if n := len(r.Reservations); n > 0 && owner != "" {
			r.Reservations[n-1].Labels = OwnerLabels(owner)
		}
	}
}
