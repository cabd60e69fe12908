package master

//lint:file-ignore SA1019 the older fields are looked for

import (
	"errors"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// resourcesOf returns the lists of resources in an operation; setting them changes the operation.
func resourcesOf(op *mesospb.Offer_Operation) (lists []*[]*mesospb.Resource) {
	task := func(t *mesospb.TaskInfo) {
		if t == nil {
			return
		}
		lists = append(lists, &t.Resources)
		if t.Executor != nil {
			lists = append(lists, &t.Executor.Resources)
		}
	}
	switch {
	case op.Launch != nil:
		for _, t := range op.Launch.TaskInfos {
			task(t)
		}
	case op.LaunchGroup != nil:
		if op.LaunchGroup.Executor != nil {
			lists = append(lists, &op.LaunchGroup.Executor.Resources)
		}
		for _, t := range op.LaunchGroup.GetTaskGroup().GetTasks() {
			task(t)
		}
	case op.Reserve != nil:
		lists = append(lists, &op.Reserve.Source, &op.Reserve.Resources)
	case op.Unreserve != nil:
		lists = append(lists, &op.Unreserve.Resources)
	case op.Create != nil:
		lists = append(lists, &op.Create.Volumes)
	case op.Destroy != nil:
		lists = append(lists, &op.Destroy.Volumes)
	}
	return lists
}

// singleResources returns the resources of an operation that are not in lists.
func singleResources(op *mesospb.Offer_Operation) []**mesospb.Resource {
	switch {
	case op.GrowVolume != nil:
		return []**mesospb.Resource{&op.GrowVolume.Volume, &op.GrowVolume.Addition}
	case op.ShrinkVolume != nil:
		return []**mesospb.Resource{&op.ShrinkVolume.Volume}
	case op.CreateDisk != nil:
		return []**mesospb.Resource{&op.CreateDisk.Source}
	case op.DestroyDisk != nil:
		return []**mesospb.Resource{&op.DestroyDisk.Source}
	}
	return nil
}

// allResources yields every resource in an operation.
func allResources(op *mesospb.Offer_Operation) iter.Seq[*mesospb.Resource] {
	return func(yield func(*mesospb.Resource) bool) {
		for _, list := range resourcesOf(op) {
			for _, r := range *list {
				if !yield(r) {
					return
				}
			}
		}
		for _, r := range singleResources(op) {
			if !yield(*r) {
				return
			}
		}
	}
}

// normalizeOperation checks the resources of an operation and brings them into post-refinement format.
func normalizeOperation(op *mesospb.Offer_Operation) error {
	for _, list := range resourcesOf(op) {
		if err := normalize(list); err != nil {
			return err
		}
	}
	for _, r := range singleResources(op) {
		list := []*mesospb.Resource{*r}
		if err := normalize(&list); err != nil {
			return err
		}
		*r = list[0]
	}
	return nil
}

func normalize(list *[]*mesospb.Resource) error {
	if len(*list) == 0 {
		return nil
	}
	if err := checkResources(*list); err != nil {
		return err
	}
	if !slices.ContainsFunc(*list, func(r *mesospb.Resource) bool { return r.Role != nil || r.Reservation != nil }) {
		return nil // it is in that format, and need not be copied
	}
	newer, err := resources.Upgrade(*list)
	if err != nil {
		return resourceError(*list, err)
	}
	*list = newer
	return nil
}

// checkResources is resources.Validate in Mesos' words.
func checkResources(list []*mesospb.Resource) error {
	if err := resources.Validate(list); err != nil {
		return resourceError(list, err)
	}
	return nil
}

func resourceError(list []*mesospb.Resource, err error) error {
	e, ok := errors.AsType[*resources.ValidationError](err)
	if !ok || e.Index >= len(list) || list[e.Index] == nil {
		return err
	}
	r := list[e.Index]
	what := e.Field + ": " + e.Reason
	switch {
	case e.Field == "name":
		what = "Empty resource name"
	case strings.HasPrefix(e.Field, "scalar") && r.Scalar != nil:
		what = "Invalid scalar resource: value <= 0"
		if v := r.Scalar.GetValue(); math.IsNaN(v) || math.IsInf(v, 0) {
			what = "Invalid scalar resource: value is not a number"
		}
	case strings.HasPrefix(e.Field, "scalar"):
		what = "Invalid scalar resource"
	case strings.HasPrefix(e.Field, "ranges.range"):
		what = "Invalid ranges resource: begin > end"
	case e.Field == "ranges" && r.GetType() == mesospb.Value_RANGES && r.Ranges != nil:
		what = "Invalid ranges resource: overlapping ranges"
	case e.Field == "ranges":
		what = "Invalid ranges resource"
	case strings.HasPrefix(e.Field, "set.item"):
		what = "Invalid set resource: duplicated elements"
	case e.Field == "set":
		what = "Invalid set resource"
	case e.Field == "type":
		what = "Unsupported resource type"
	case e.Field == "shared" && r.GetName() != resources.NameDisk:
		what = "Resource " + r.GetName() + " cannot be shared"
	case e.Field == "shared":
		what = "Only persistent volumes can be shared"
	case e.Field == "disk":
		what = "DiskInfo should not be set for " + r.GetName() + " resource"
	case strings.HasSuffix(e.Field, "role") && e.Err != nil:
		what = e.Reason
		for _, role := range append([]string{resources.ReservationRole(r)}, r.GetRole()) {
			if err := validateRole(role); err != nil {
				what = err.Error()
			}
		}
	case strings.HasSuffix(e.Field, "role") && resources.ReservationRole(r) == resources.Unreserved:
		what = "Invalid reservation: role \"*\" cannot be reserved"
	}
	return wireErrorf("Resource '%s' is invalid: %s", resources.Describe(list[e.Index:e.Index+1]), what)
}

func lower(s string) string { return strings.ToLower(s) }
