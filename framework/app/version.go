package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Marshal returns the application in its canonical form: fields in the order of the struct, maps sorted, no spaces. Equal applications have equal
// forms, and Parse gives a completed application again. It is nil for what JSON cannot say (NaN, infinity), which Complete refuses.
func (a *App) Marshal() []byte {
	b, err := encode(a)
	if err != nil {
		return nil
	}
	return b
}

// UnmarshalJSON is Parse, for applications that are part of something else; places in errors count from the beginning of the application.
func (a *App) UnmarshalJSON(data []byte) error {
	b, err := Parse(data)
	if err != nil {
		return err
	}
	*a = *b
	return nil
}

// Clone returns a deep copy.
func (a *App) Clone() *App {
	if a == nil {
		return nil
	}
	b := &App{}
	deepCopy(reflect.ValueOf(b).Elem(), reflect.ValueOf(a).Elem())
	return b
}

func deepCopy(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			deepCopy(to.Elem(), from.Elem())
		}
	case reflect.Struct:
		for i := range from.NumField() {
			deepCopy(to.Field(i), from.Field(i))
		}
	case reflect.Slice:
		if !from.IsNil() {
			to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
			for i := range from.Len() {
				deepCopy(to.Index(i), from.Index(i))
			}
		}
	case reflect.Map:
		if !from.IsNil() {
			to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
			for k, v := range from.Seq2() {
				to.SetMapIndex(k, v)
			}
		}
	default:
		to.Set(from)
	}
}

// Hash identifies a version: 16 hexadecimal digits over everything but Instances.
func (a *App) Hash() string {
	b := *a
	b.Instances = 0
	return hash(&b)
}

// TaskHash is a Hash of only what running tasks are made of: if it is equal, nothing has to be started again to get from one version to another.
func (a *App) TaskHash() string {
	b := *a
	b.Instances, b.Goal = 0, ""
	b.Readiness, b.Retry, b.Update, b.Unreachable = nil, nil, nil, nil
	return hash(&b)
}

func hash(a *App) string {
	sum := sha256.Sum256(a.Marshal())
	return hex.EncodeToString(sum[:8])
}

// tasks yields the tasks of an instance in order, with the JSON pointers to them.
func (a *App) tasks() iter.Seq2[string, *Task] {
	return func(yield func(string, *Task) bool) {
		if len(a.Group) == 0 {
			yield("", &a.Task)
			return
		}
		for i := range a.Group {
			if !yield(element("/group", i), &a.Group[i].Task) {
				return
			}
		}
	}
}

// Tasks returns how many tasks an instance has: 1, or the size of the group.
func (a *App) Tasks() int { return max(1, len(a.Group)) }

// TaskNames returns their names: the application's, or <application>.<task> for each task of the group.
func (a *App) TaskNames() []string {
	if len(a.Group) == 0 {
		return []string{a.Name}
	}
	names := make([]string, len(a.Group))
	for i, m := range a.Group {
		names[i] = a.Name + "." + m.Name
	}
	return names
}

// AllPorts returns the ports of all tasks of an instance in order: what Launch.Ports has numbers for.
func (a *App) AllPorts() []Port {
	var list []Port
	for _, t := range a.tasks() {
		list = append(list, t.Resources.Ports...)
	}
	return list
}

// VolumeIDs returns the persistence ids that Mesos gets to see for the volumes of an instance, in order: <application>~<id>~<instance>~<unique>, or
// <application>~<task>~<id>~<instance>~<unique> in a group. No name contains ~, so that no two volumes get the same id as long as unique is used once.
// That matters: masters drop a CREATE with an id that is not unique, and go on with the LAUNCH behind it, on the volume that is there.
// Without unique the ids are those that earlier versions gave.
func (a *App) VolumeIDs(instance int, unique string) []string {
	var ids []string
	for _, d := range a.PersistentDisks() {
		parts := []string{a.Name, d.Persistence.ID, strconv.Itoa(instance)}
		if d.Member != "" {
			parts = slices.Insert(parts, 1, d.Member)
		}
		if unique != "" {
			parts = append(parts, unique)
		}
		id := strings.Join(parts, "~")
		if len(id) > maxMesosID && unique != "" { // definitions of earlier versions may have names that long
			id = fmt.Sprintf("%s~%d", unique, len(ids))
		}
		ids = append(ids, id)
	}
	return ids
}

// PersistentDisk is the disk of a persistent volume, with the name of the group's task that it belongs to.
type PersistentDisk struct {
	Member string
	Disk
}

// Name is what people know the volume as: data, or task/data in a group.
func (d *PersistentDisk) Name() string {
	if d.Member == "" {
		return d.Persistence.ID
	}
	return d.Member + "/" + d.Persistence.ID
}

// WireSource is the kind of disk that the volume is on, as offers have it; nil for the agent's root disk.
func (d *PersistentDisk) WireSource() *mesospb.Resource_DiskInfo_Source {
	if d.Source == nil {
		return nil
	}
	return d.Source.wire()
}

// PersistentDisks lists the persistent volumes of an instance in order, that of VolumeIDs.
func (a *App) PersistentDisks() []PersistentDisk {
	var list []PersistentDisk
	for k, t := range a.groupTasks() {
		for _, d := range t.Resources.Disk {
			if d.Persistence == nil {
				continue
			}
			p := PersistentDisk{Disk: d}
			if k >= 0 {
				p.Member = a.Group[k].Name
			}
			list = append(list, p)
		}
	}
	return list
}

// groupTasks yields the tasks of an instance with their place in the group, -1 if there is none.
func (a *App) groupTasks() iter.Seq2[int, *Task] {
	return func(yield func(int, *Task) bool) {
		if len(a.Group) == 0 {
			yield(-1, &a.Task)
			return
		}
		for i := range a.Group {
			if !yield(i, &a.Group[i].Task) {
				return
			}
		}
	}
}

// portVariable is the environment variable with the number of a named port.
func portVariable(name string) string {
	return "PORT_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
}
