package core

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Volumes follow the sizes of the definition. What a GROW_VOLUME or SHRINK_VOLUME makes can't be used in the same ACCEPT, and a volume in use is not
// offered: so a volume is resized between two tasks of its instance, in an ACCEPT of its own, and the next offer shows what came of it.

// maxResizes is how often that is tried until the instance goes on with what is there: masters drop the operation without a word where the agent lacks the
// capability RESIZE_VOLUME.
const maxResizes = 3

// resizable says why the size of a volume on such a disk can't be changed, "" if it can.
func resizable(d *app.PersistentDisk) string {
	switch s := d.Source; {
	case s == nil:
		return ""
	case s.Type == "mount":
		return "it is on a mount disk, which is taken as a whole"
	case s.Profile != "":
		return "it is on a disk of a resource provider"
	}
	return ""
}

// fitVolumes resizes the volumes of instances that wait where these are offered.
func (c *Core) fitVolumes() {
	if !c.cfg.ReservationRefinement {
		return
	}
	for _, a := range c.apps {
		if a.pending.n == 0 || !a.current().volumes {
			continue
		}
		for k := a.pending.next(0); k >= 0; k = a.pending.next(k + 1) {
			if i := a.inst.get(k); len(i.Volumes) > 0 && c.book.Has(i.Pin) {
				c.fitVolumesOf(a, i)
			}
		}
	}
}

func (c *Core) fitVolumesOf(a *appState, i *Instance) {
	disks := a.versionOf(i.Version).app.PersistentDisks()
	if len(disks) != len(i.Volumes) {
		return
	}
	for _, o := range c.book.Of(i.Pin) {
		list, err := resources.Upgrade(o.Proto.GetResources())
		if err != nil {
			continue
		}
		var ops []*mesospb.Offer_Operation
		lack := ""
		for k := range disks {
			var more []*mesospb.Offer_Operation
			if more, lack = c.fitVolume(a, i, k, &disks[k], list); lack != "" {
				break
			}
			for _, op := range more {
				cs, err := resources.Conversions(op)
				if err == nil {
					list, err = resources.Apply(list, cs...)
				}
				if err != nil {
					lack = err.Error()
				}
			}
			ops = append(ops, more...)
		}
		if i = a.inst.get(i.Index); lack != "" {
			a.problem[i.Index], a.changed = lack, true
			continue
		}
		delete(a.problem, i.Index)
		if len(ops) == 0 || len(c.book.Take(o.Proto.GetId())) == 0 {
			continue
		}
		c.editQuietly(a, i.Index).resizes++
		c.call(acceptCall([]*mesospb.OfferID{o.Proto.GetId()}, 0, ops))
		c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Agent: i.Pin, State: "resizing", Text: "changing the size of its volumes"})
	}
}

// fitVolume returns the operations that bring a volume of the list to its size, or what is lacking for it.
func (c *Core) fitVolume(a *appState, i *Instance, k int, d *app.PersistentDisk, list []*mesospb.Resource) (ops []*mesospb.Offer_Operation, lack string) {
	var volume *mesospb.Resource
	for _, r := range list {
		if r.GetDisk().GetPersistence().GetId() == i.Volumes[k].ID && c.made(r) {
			volume = r
		}
	}
	if volume == nil {
		return nil, ""
	}
	size := volume.GetScalar().GetValue()
	if i.Volumes[k].MB != size {
		i = c.edit(a, i.Index)
		i.Volumes[k].MB = size
	}
	has, wants := resources.ToFixed(size), resources.ToFixed(float64(d.Size))
	switch {
	case has == wants || resizable(d) != "":
		return nil, ""
	case i.resizes >= maxResizes:
		if i.resizes == maxResizes {
			c.editQuietly(a, i.Index).resizes++
			c.note(Note{Kind: NoteWarning, App: i.App, Index: i.Index, Agent: i.Pin, State: "not-resized",
				Text: fmt.Sprintf("the agent does not resize volumes: %s stays at %v MB, the definition says %v", i.Volumes[k].ID, size, float64(d.Size))})
		}
		return nil, ""
	case has > wants:
		return []*mesospb.Offer_Operation{{Type: mesospb.Offer_Operation_SHRINK_VOLUME.Enum(), ShrinkVolume: &mesospb.Offer_Operation_ShrinkVolume{
			Volume: volume, Subtract: &mesospb.Value_Scalar{Value: new(resources.FromFixed(has - wants))},
		}}}, ""
	}
	need := wants - has
	reserved := diskUnder(volume)
	plain := resources.PopReservation([]*mesospb.Resource{reserved})[0]
	ours, free := amountOf(list, reserved), amountOf(list, plain)
	if ours+free < need {
		return nil, fmt.Sprintf("volume %s has %v MB and is to have %v, but its agent offers only %v MB more", i.Volumes[k].ID, size, float64(d.Size), resources.FromFixed(ours+free))
	}
	piece := func(n int64) *mesospb.Resource {
		r := resources.Clone(reserved)
		r.Scalar = &mesospb.Value_Scalar{Value: new(resources.FromFixed(n))}
		return r
	}
	if ours < need {
		ops = append(ops, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_RESERVE.Enum(), Reserve: &mesospb.Offer_Operation_Reserve{Resources: []*mesospb.Resource{piece(need - ours)}}})
	}
	return append(ops, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_GROW_VOLUME.Enum(), GrowVolume: &mesospb.Offer_Operation_GrowVolume{Volume: volume, Addition: piece(need)}}), ""
}

// diskUnder is the disk that a volume is made of.
func diskUnder(volume *mesospb.Resource) *mesospb.Resource {
	d := resources.Clone(volume)
	d.Disk.Persistence, d.Disk.Volume = nil, nil
	if d.Disk.Source == nil {
		d.Disk = nil
	}
	return d
}

// amountOf sums what a list has of resources that differ from one in the amount only.
func amountOf(list []*mesospb.Resource, like *mesospb.Resource) (sum int64) {
	for _, r := range list {
		if r.GetName() != like.GetName() || r.Scalar == nil {
			continue
		}
		same := resources.Clone(like)
		same.Scalar = r.Scalar
		if resources.Equal(r, same) {
			sum += resources.ToFixed(r.GetScalar().GetValue())
		}
	}
	return sum
}

// growRoom says why an instance's volumes can't grow to what a version asks for, "" if they can or need not. It is known only where the agent was offered
// lately.
func (c *Core) growRoom(a *appState, i *Instance, v *version) (why string, known bool) {
	disks := v.app.PersistentDisks()
	if len(disks) != len(i.Volumes) {
		return "", true
	}
	var before []app.PersistentDisk
	if i.Task != nil {
		before = a.versionOf(i.Task.Version).app.PersistentDisks()
	}
	offers := c.book.RecentOf(i.Pin, c.time)
	for k := range disks {
		has := resources.ToFixed(i.Volumes[k].MB)
		if has == 0 && k < len(before) { // earlier versions did not note it
			has = resources.ToFixed(float64(before[k].Size))
		}
		need := resources.ToFixed(float64(disks[k].Size)) - has
		if need <= 0 || resizable(&disks[k]) != "" {
			continue
		}
		if len(offers) == 0 {
			return "", false
		}
		free := int64(0)
		for _, o := range offers {
			for _, r := range o.Proto.GetResources() {
				if r.GetName() != resources.NameDisk || resources.IsPersistentVolume(r) || !proto.Equal(r.GetDisk().GetSource(), disks[k].WireSource()) {
					continue
				}
				if resources.IsUnreserved(r) || i.Owner != "" && resources.Owner(r) == i.Owner {
					free += resources.ToFixed(r.GetScalar().GetValue())
				}
			}
		}
		if free < need {
			return fmt.Sprintf("volume %s of %s/%d can't grow from %v to %v MB: its agent has %v MB free", disks[k].Name(), i.App, i.Index,
				resources.FromFixed(has), float64(disks[k].Size), resources.FromFixed(free)), true
		}
	}
	return "", true
}

// surplus gives back what is reserved for an instance that was just launched on an offer and is left of it.
func surplus(left []*mesospb.Resource, owner string) []*mesospb.Offer_Operation {
	list := resources.Filter(left, func(r *mesospb.Resource) bool {
		return resources.Owner(r) == owner && !resources.IsPersistentVolume(r)
	})
	if owner == "" || len(list) == 0 {
		return nil
	}
	return []*mesospb.Offer_Operation{{Type: mesospb.Offer_Operation_UNRESERVE.Enum(), Unreserve: &mesospb.Offer_Operation_Unreserve{Resources: list}}}
}
