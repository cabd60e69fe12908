package resources

//lint:file-ignore SA1019 The wire types mark role as deprecated, but masters, agents and frameworks of the older format still send it.

import "github.com/mesokit/mesokit/mesos/mesospb"

// olderRole returns the field role of the pre-refinement format, nil if unset.
func olderRole(r *mesospb.Resource) *string {
	if r == nil {
		return nil
	}
	return r.Role
}

// olderRoleName is olderRole with its default, "*".
func olderRoleName(r *mesospb.Resource) string { return r.GetRole() }

func setOlderRole(r *mesospb.Resource, role *string) { r.Role = role }
