package master

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func opID(id string) *mesospb.OperationID {
	if id == "" {
		return nil
	}
	return &mesospb.OperationID{Value: &id}
}

func reserve(id string, rs ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_RESERVE.Enum(), Id: opID(id), Reserve: &mesospb.Offer_Operation_Reserve{Resources: rs}}
}

func unreserve(id string, rs ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_UNRESERVE.Enum(), Id: opID(id), Unreserve: &mesospb.Offer_Operation_Unreserve{Resources: rs}}
}

func create(id string, rs ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_CREATE.Enum(), Id: opID(id), Create: &mesospb.Offer_Operation_Create{Volumes: rs}}
}

func destroy(id string, rs ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_DESTROY.Enum(), Id: opID(id), Destroy: &mesospb.Offer_Operation_Destroy{Volumes: rs}}
}

func engineering() *mesospb.FrameworkInfo {
	i := frameworkInfo("eng")
	i.Principal = proto.String("p")
	return i
}

func (f *scheduler) operationStatus() *mesospb.OperationStatus {
	f.w.Helper()
	return f.expect(schedulerpb.Event_UPDATE_OPERATION_STATUS).GetUpdateOperationStatus().GetStatus()
}

// What a real Mesos did with reservations and volumes (capture f07).
func TestReserveCreateLaunchDestroyUnreserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(engineering())
		disk := func() *mesospb.Resource { return resources.NewDisk(64, resources.WithReservation("eng", "p")) }
		cpus := func() *mesospb.Resource { return resources.NewCPUs(0.5, resources.WithReservation("eng", "p")) }
		vol := func() *mesospb.Resource {
			return resources.NewDisk(64, resources.WithReservation("eng", "p"), resources.WithVolume("vol1", "p", "data"))
		}
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 60, reserve("op-reserve", disk(), cpus()))
		s := f.operationStatus()
		want := &mesospb.OperationStatus{
			OperationId: opID("op-reserve"), State: mesospb.OperationState_OPERATION_FINISHED.Enum(), Uuid: s.Uuid, AgentId: o.AgentId,
		}
		if d := cmp.Diff(want, s, protocmp.Transform()); d != "" || len(s.GetUuid().GetValue()) != 16 {
			t.Errorf("status (-want +got):\n%s", d)
		}
		uuid := s.GetUuid().GetValue()
		if c := expectMsg[link.Checkpoint](a); resources.CPUs(c.Total) != 4 {
			t.Errorf("agent keeps %v", c)
		}
		// What was converted is not filtered, and with it the agent is more than was declined.
		at := time.Now()
		o = f.offer()
		if got := show(o.Resources); got != "ports:[31000-32000]; cpus(reservations: [(DYNAMIC,eng,p)]):0.5; disk(reservations: [(DYNAMIC,eng,p)]):64; cpus:3.5; mem:2048; disk:4032" || time.Since(at) > time.Second {
			t.Errorf("after %v: %s", time.Since(at), got)
		}
		f.accept([]*mesospb.Offer{o}, 60, create("", vol()), launch(command(o, "t", 0, 0, func(t *mesospb.TaskInfo) { t.Resources = []*mesospb.Resource{cpus(), vol()} })))
		// The agent must know the volume before the task that uses it.
		if c := expectMsg[link.Checkpoint](a); len(c.Total) == 0 {
			t.Error("no checkpoint")
		}
		run := expectMsg[link.RunTask](a)
		if got := show(run.Task.Resources); got != "cpus(reservations: [(DYNAMIC,eng,p)]):0.5; disk(reservations: [(DYNAMIC,eng,p)])[vol1:data]:64" {
			t.Errorf("task has %s", got)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_SUPPRESS.Enum()})
		// In use it can't be destroyed.
		if status, text, _ := w.operator(&masterpb.Call{Type: masterpb.Call_DESTROY_VOLUMES.Enum(), DestroyVolumes: &masterpb.Call_DestroyVolumes{AgentId: o.AgentId, Volumes: []*mesospb.Resource{vol()}}}); status != 400 || !strings.Contains(text, "in use") {
			t.Errorf("destroying a volume in use: %d %q", status, text)
		}
		f.step(a, "t", mesospb.TaskState_TASK_FINISHED)
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
		o = f.offer()
		f.accept([]*mesospb.Offer{o}, 0, destroy("", vol()), unreserve("", disk(), cpus()))
		expectMsg[link.Checkpoint](a)
		expectMsg[link.Checkpoint](a)
		o = f.offer()
		if got := show(o.Resources); got != "ports:[31000-32000]; cpus:4; mem:2048; disk:4096" {
			t.Errorf("got %s", got)
		}
		f.accept([]*mesospb.Offer{o}, 3600, reserve("op-bad", resources.NewCPUs(9999, resources.WithReservation("eng", "p"))))
		s = f.operationStatus()
		want = &mesospb.OperationStatus{OperationId: opID("op-bad"), State: mesospb.OperationState_OPERATION_ERROR.Enum(), Message: proto.String(
			"ports(allocated: eng):[31000-32000]; cpus(allocated: eng):4; mem(allocated: eng):2048; disk(allocated: eng):4096 does not contain cpus(allocated: eng):9999")}
		if d := cmp.Diff(want, s, protocmp.Transform()); d != "" {
			t.Errorf("status (-want +got):\n%s", d)
		}
		// The first one was not acknowledged: it is sent again, at growing intervals.
		if s := f.operationStatus(); string(s.GetUuid().GetValue()) != string(uuid) {
			t.Errorf("got %v", s)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_RECONCILE_OPERATIONS.Enum(), ReconcileOperations: &schedulerpb.Call_ReconcileOperations{}})
		if s := f.operationStatus(); s.Uuid != nil || s.GetState() != mesospb.OperationState_OPERATION_FINISHED || s.GetOperationId().GetValue() != "op-reserve" {
			t.Errorf("got %v", s)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS.Enum(), AcknowledgeOperationStatus: &schedulerpb.Call_AcknowledgeOperationStatus{
			AgentId: o.AgentId, OperationId: opID("op-reserve"), Uuid: uuid}})
		time.Sleep(time.Hour)
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_RECONCILE_OPERATIONS.Enum(), ReconcileOperations: &schedulerpb.Call_ReconcileOperations{
			Operations: []*schedulerpb.Call_ReconcileOperations_Operation{{OperationId: opID("op-reserve"), AgentId: o.AgentId}}}})
		f.offers() // the filter is over meanwhile
		if s := f.operationStatus(); s.GetState() != mesospb.OperationState_OPERATION_UNKNOWN {
			t.Errorf("got %v", s)
		}
	})
}

func TestOperationsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("h", resources.NewCPUs(4), resources.NewMem(2048), resources.NewDisk(100, resources.WithRole("eng")),
			resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("old", "p", "old")),
			resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("both", "p", "both"), resources.WithShared()))
		info := engineering()
		f := w.subscribe(info)
		vol := func(edit func(*mesospb.Resource)) *mesospb.Resource {
			r := resources.NewDisk(5, resources.WithRole("eng"), resources.WithVolume("v", "p", "data"))
			edit(r)
			return r
		}
		op := func(o *mesospb.Offer_Operation) *mesospb.Offer_Operation { o.Id = opID("op"); return o }
		for _, tc := range []struct {
			op   *mesospb.Offer_Operation
			want string
		}{
			{reserve("op"), "Invalid resources: The resources have multiple resource providers: ; on agent M-S0 at slave(1)@"},
			{reserve("op", resources.NewCPUs(1)), "Resource cpus(allocated: eng):1 is not dynamically reserved; on agent M-S0 at slave(1)@"},
			{reserve("op", resources.NewCPUs(1, resources.WithReservation("other", "p"))), "but the resource was allocated to role 'eng'"},
			{reserve("op", resources.NewCPUs(1, resources.WithReservation("eng", "q"))), "A reserve operation was attempted by authenticated principal 'p', which does not match a reserved resource in the request with principal 'q'; on agent"},
			{reserve("op", resources.NewCPUs(1, resources.WithReservation("eng", ""))), "with no principal set"},
			{op(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_RESERVE.Enum()}), "A RESERVE offer operation must have the Offer.Operation.reserve field set"},
			{op(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_RESERVE.Enum(), Reserve: &mesospb.Offer_Operation_Reserve{
				Source: []*mesospb.Resource{resources.NewCPUs(1)}, Resources: []*mesospb.Resource{resources.NewCPUs(1, resources.WithReservation("eng", "p"))}}}),
				"Operation attempted with invalid resources: Reservation updates are not yet implemented for the scheduler API."},
			{unreserve("op", resources.NewDisk(1, resources.WithRole("eng"))), "is not dynamically reserved"},
			{unreserve("op", resources.NewCPUs(1, resources.WithReservation("eng", "p"))), "does not contain"},
			{create("op", resources.NewDisk(1, resources.WithRole("eng"))), "does not have DiskInfo"},
			{create("op", vol(func(r *mesospb.Resource) { r.Disk.Volume.Mode = mesospb.Volume_RO.Enum() })), "Read-only persistent volume"},
			{create("op", vol(func(r *mesospb.Resource) { r.Disk.Volume.HostPath = proto.String("/") })), "'host_path'"},
			{create("op", vol(func(r *mesospb.Resource) { r.Reservations = nil })), "unreserved"},
			{create("op", vol(func(r *mesospb.Resource) { r.Disk.Persistence.Principal = nil })), "principal"},
			{create("op", vol(func(r *mesospb.Resource) { r.Disk.Persistence.Id = proto.String("old") })), "Persistence ID 'old' is not unique; on agent M-S0"},
			{create("op", vol(func(r *mesospb.Resource) { r.Disk.Persistence.Id = proto.String("a/b") })), "Invalid persistence ID for persistent volume: 'a/b' contains invalid characters"},
			{create("op", vol(func(r *mesospb.Resource) { r.Shared = &mesospb.Resource_SharedInfo{} })), "SHARED_RESOURCES"},
			{create("op", vol(func(r *mesospb.Resource) { r.Scalar.Value = proto.Float64(101) })), "does not contain"},
			{destroy("op", vol(func(r *mesospb.Resource) {})), "Persistent volumes not found"},
			{destroy("op", resources.NewDisk(1, resources.WithRole("eng"))), "Not a persistent volume: Resource disk(allocated: eng)(reservations: [(STATIC,eng)]):1 does not have DiskInfo"},
			{op(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_SHRINK_VOLUME.Enum(), ShrinkVolume: &mesospb.Offer_Operation_ShrinkVolume{
				Volume: resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("old", "p", "old")), Subtract: &mesospb.Value_Scalar{Value: proto.Float64(10)}}}), "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'"},
			{op(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_GROW_VOLUME.Enum(), GrowVolume: &mesospb.Offer_Operation_GrowVolume{
				Volume: resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("old", "p", "old")), Addition: resources.NewDisk(0, resources.WithRole("eng"))}}), "greater than zero"},
			{op(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_CREATE_DISK.Enum(), CreateDisk: &mesospb.Offer_Operation_CreateDisk{
				Source: resources.NewDisk(1), TargetType: mesospb.Resource_DiskInfo_Source_MOUNT.Enum()}}), "not managed by a resource provider"},
			{op(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_DESTROY_DISK.Enum(), DestroyDisk: &mesospb.Offer_Operation_DestroyDisk{Source: resources.NewDisk(1)}}), "not managed by a resource provider"},
			{createDisk(nil), "does not contain"}, // well formed, but nobody offers it
			{createDisk(func(c *mesospb.Offer_Operation_CreateDisk) {
				c.Source.Disk.Source.Type = mesospb.Resource_DiskInfo_Source_PATH.Enum()
			}), "is not a RAW disk resource"},
			{createDisk(func(c *mesospb.Offer_Operation_CreateDisk) {
				c.TargetType = mesospb.Resource_DiskInfo_Source_PATH.Enum()
			}), "neither MOUNT or BLOCK"},
			{createDisk(func(c *mesospb.Offer_Operation_CreateDisk) { c.TargetProfile = nil }), "'target_profile' must be set"},
			{createDisk(func(c *mesospb.Offer_Operation_CreateDisk) { c.Source.Disk.Source.Profile = proto.String("fast") }), "'target_profile' must not be set"},
			{destroyDisk(func(r *mesospb.Resource) {
				r.Disk.Persistence = &mesospb.Resource_DiskInfo_Persistence{Id: proto.String("v")}
				r.Disk.Volume = &mesospb.Volume{Mode: mesospb.Volume_RW.Enum(), ContainerPath: proto.String("v")}
			}), "destroy the persistent volume first"},
			{destroyDisk(func(r *mesospb.Resource) { r.Disk.Source.Id = nil }), "not backed by a CSI volume"},
			{destroyDisk(func(r *mesospb.Resource) {
				r.Disk.Source.Type, r.Disk.Source.Path = mesospb.Resource_DiskInfo_Source_PATH.Enum(), &mesospb.Resource_DiskInfo_Source_Path{Root: proto.String("/x")}
			}), "neither a MOUNT, BLOCK or RAW"},
			{op(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_UNKNOWN.Enum()}), "Unknown operation"},
		} {
			f.accept(f.offers(), 0, tc.op)
			s := f.operationStatus()
			if s.GetState() != mesospb.OperationState_OPERATION_ERROR || s.Uuid != nil || s.AgentId != nil || !strings.Contains(s.GetMessage(), tc.want) {
				t.Errorf("%v: got %v, want %q", tc.op.GetType(), s, tc.want)
			}
		}
		o := f.offers()
		f.accept(o, 0, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_LAUNCH.Enum(), Id: opID("x"), Launch: &mesospb.Offer_Operation_Launch{TaskInfos: []*mesospb.TaskInfo{command(o[0], "t", 1, 32)}}})
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_ERROR || !strings.Contains(s.GetMessage(), "'id'") {
			t.Errorf("got %v", s)
		}
	})
}

// ofProvider is a RAW disk of a resource provider.
func ofProvider() *mesospb.Resource {
	r := resources.NewDisk(1, resources.WithRole("eng"))
	r.ProviderId = &mesospb.ResourceProviderID{Value: proto.String("rp")}
	r.Disk = &mesospb.Resource_DiskInfo{Source: &mesospb.Resource_DiskInfo_Source{Type: mesospb.Resource_DiskInfo_Source_RAW.Enum(), Id: proto.String("csi")}}
	return r
}

func createDisk(edit func(*mesospb.Offer_Operation_CreateDisk)) *mesospb.Offer_Operation {
	c := &mesospb.Offer_Operation_CreateDisk{Source: ofProvider(), TargetType: mesospb.Resource_DiskInfo_Source_MOUNT.Enum(), TargetProfile: proto.String("fast")}
	if edit != nil {
		edit(c)
	}
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_CREATE_DISK.Enum(), Id: opID("op"), CreateDisk: c}
}

func destroyDisk(edit func(*mesospb.Resource)) *mesospb.Offer_Operation {
	r := ofProvider()
	edit(r)
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_DESTROY_DISK.Enum(), Id: opID("op"), DestroyDisk: &mesospb.Offer_Operation_DestroyDisk{Source: r}}
}

func TestVolumesGrowAndShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h", resources.NewCPUs(1), resources.NewDisk(90, resources.WithRole("eng")), resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("v", "p", "data")))
		f := w.subscribe(engineering())
		vol := func(mb float64) *mesospb.Resource {
			return resources.NewDisk(mb, resources.WithRole("eng"), resources.WithVolume("v", "p", "data"))
		}
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 0, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_GROW_VOLUME.Enum(), GrowVolume: &mesospb.Offer_Operation_GrowVolume{
			Volume: vol(10), Addition: resources.NewDisk(30, resources.WithRole("eng"))}},
			launch(command(o, "t", 0, 0, func(t *mesospb.TaskInfo) { t.Resources = []*mesospb.Resource{resources.NewCPUs(1), vol(40)} })))
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_ERROR {
			t.Errorf("the grown volume was used at once: %v", s)
		}
		expectMsg[link.Checkpoint](a)
		o = f.offer()
		if got := show(o.Resources); got != "disk(reservations: [(STATIC,eng)])[v:data]:40; disk(reservations: [(STATIC,eng)]):60; cpus:1" {
			t.Errorf("got %s", got)
		}
		f.accept([]*mesospb.Offer{o}, 0, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_SHRINK_VOLUME.Enum(), Id: opID("s"), ShrinkVolume: &mesospb.Offer_Operation_ShrinkVolume{
			Volume: vol(40), Subtract: &mesospb.Value_Scalar{Value: proto.Float64(35)}}})
		if s := f.operationStatus(); s.GetState() != mesospb.OperationState_OPERATION_FINISHED {
			t.Errorf("got %v", s)
		}
		// What was freed is not offered again while the framework is there.
		if got := show(f.offer().Resources); got != "disk(reservations: [(STATIC,eng)])[v:data]:5; disk(reservations: [(STATIC,eng)]):60; cpus:1" {
			t.Errorf("got %s", got)
		}
		next := w.subscribe(engineering(), "eng")
		f.teardown()
		f.ended()
		next.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
		if got := next.offer().Resources; resources.Disk(got) != 100 {
			t.Errorf("the next framework got %s", show(got))
		}
	})
}

func TestSharedVolumesAreUsedManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h", resources.NewCPUs(4), resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("v", "p", "data"), resources.WithShared()))
		shared := mesospb.FrameworkInfo_Capability_SHARED_RESOURCES
		f := w.subscribe(withCapabilities(engineering(), append(allCapabilities, shared)...))
		vol := func() *mesospb.Resource {
			return resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("v", "p", "data"), resources.WithShared())
		}
		use := func(t *mesospb.TaskInfo) { t.Resources = []*mesospb.Resource{resources.NewCPUs(1), vol()} }
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "1", 0, 0, use), command(o, "2", 0, 0, use)))
		expectMsg[link.RunTask](a)
		expectMsg[link.RunTask](a)
		o = f.offer()
		f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "3", 0, 0, use)), destroy("d", vol()))
		expectMsg[link.RunTask](a)
		if s := f.operationStatus(); s.GetState() != mesospb.OperationState_OPERATION_ERROR || !strings.Contains(s.GetMessage(), "in use") {
			t.Errorf("got %v", s)
		}
		w.on(func() {
			if n := len(w.agents[a.id].used[f.id].Resources()); n != 4 {
				t.Errorf("in use is %s, want three copies of the volume", show(w.agents[a.id].used[f.id].Resources()))
			}
		})
	})
}

func TestOperatorsReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		id := &mesospb.AgentID{Value: &a.id}
		f := w.subscribe(frameworkInfo())
		o := f.offer()
		call := func(rs ...*mesospb.Resource) (int, string) {
			status, text, _ := w.operator(&masterpb.Call{Type: masterpb.Call_RESERVE_RESOURCES.Enum(), ReserveResources: &masterpb.Call_ReserveResources{AgentId: id, Resources: rs}})
			return status, text
		}
		if status, text := call(resources.NewCPUs(1, resources.WithReservation("eng", "op"))); status != 202 || text != "" {
			t.Fatalf("got %d %q", status, text)
		}
		if r := f.expect(schedulerpb.Event_RESCIND).GetRescind(); r.GetOfferId().GetValue() != o.GetId().GetValue() {
			t.Errorf("got %v", r)
		}
		expectMsg[link.Checkpoint](a)
		if o := f.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:3; mem:2048; disk:4096" {
			t.Errorf("got %s", show(o.Resources))
		}
		if status, _ := call(resources.NewCPUs(99, resources.WithReservation("eng", "op"))); status != 409 {
			t.Errorf("too much: %d, want 409", status)
		}
		f.expect(schedulerpb.Event_RESCIND)
		if status, _ := call(resources.NewCPUs(1)); status != 400 {
			t.Errorf("without reservation: %d, want 400", status)
		}
		if status, _ := call(resources.NewCPUs(1, resources.WithReservation("eng", "op"), resources.WithAllocation("eng"))); status != 400 {
			t.Errorf("with allocation: %d, want 400", status)
		}
		vol := resources.NewDisk(5, resources.WithReservation("eng", "op"), resources.WithVolume("v", "", "data"))
		if status, text := call(resources.NewDisk(5, resources.WithReservation("eng", "op"))); status != 202 {
			t.Errorf("got %d %q", status, text)
		}
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_CREATE_VOLUMES.Enum(), CreateVolumes: &masterpb.Call_CreateVolumes{AgentId: id, Volumes: []*mesospb.Resource{vol}}})
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_DESTROY_VOLUMES.Enum(), DestroyVolumes: &masterpb.Call_DestroyVolumes{AgentId: id, Volumes: []*mesospb.Resource{vol}}})
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_UNRESERVE_RESOURCES.Enum(), UnreserveResources: &masterpb.Call_UnreserveResources{AgentId: id, Resources: []*mesospb.Resource{
			resources.NewDisk(5, resources.WithReservation("eng", "op")), resources.NewCPUs(1, resources.WithReservation("eng", "op"))}}})
		w.on(func() {
			if got := show(w.alloc.Total(a.id)); !resources.Equivalent(w.alloc.Total(a.id), a.desc.Total) {
				t.Errorf("total is %s", got)
			}
		})
		id = &mesospb.AgentID{Value: proto.String("nope")}
		if status, text := call(resources.NewCPUs(1, resources.WithReservation("eng", "op"))); status != 400 || text != "No agent found with specified ID" {
			t.Errorf("unknown agent: %d %q", status, text)
		}
	})
}

// What a real Mesos did (capture f22): the CREATE is dropped, and the LAUNCH runs on the volume that is there.
func TestATaskRunsOnTheVolumeThatIsThereIfItsCreateIsNotUnique(t *testing.T) {
	for _, id := range []string{"", "again"} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, Config{})
			volume := func() *mesospb.Resource {
				return resources.NewDisk(10, resources.WithRole("eng"), resources.WithVolume("v", "p", "data"))
			}
			a := w.agent("h", resources.NewCPUs(1), resources.NewDisk(90, resources.WithRole("eng")), volume())
			f := w.subscribe(engineering())
			o := f.offer()
			f.accept([]*mesospb.Offer{o}, 0, create(id, volume()), launch(command(o, "t", 0, 0, func(t *mesospb.TaskInfo) {
				t.Resources = []*mesospb.Resource{resources.NewCPUs(1), volume()}
			})))
			if id != "" {
				want := "Persistence ID 'v' is not unique; on agent " + a.id + " at " + a.desc.PID + " (h)"
				if s := f.operationStatus(); s.GetState() != mesospb.OperationState_OPERATION_ERROR || s.GetMessage() != want || s.Uuid != nil || s.AgentId != nil {
					t.Errorf("got %v, want %q", s, want)
				}
			}
			if run := expectMsg[link.RunTask](a); run.Task.GetTaskId().GetValue() != "t" {
				t.Errorf("the agent got %v", run)
			}
			f.quiet()
		})
	}
}

func TestOperatorsAreToldWhatIsMissing(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h", resources.NewCPUs(1), resources.NewDisk(100))
	id := &mesospb.AgentID{Value: &a.id}
	disk := resources.NewDisk(10, resources.WithReservation("eng", "p"))
	volume := resources.NewDisk(10, resources.WithReservation("eng", "p"), resources.WithVolume("v", "p", "data"))
	at := a.id + " at " + a.desc.PID + " (h): "
	for _, tc := range []struct {
		call   *masterpb.Call
		status int
		text   string
	}{
		{&masterpb.Call{Type: masterpb.Call_CREATE_VOLUMES.Enum(), CreateVolumes: &masterpb.Call_CreateVolumes{AgentId: id, Volumes: []*mesospb.Resource{volume}}},
			409, "cpus:1; disk:100 does not contain disk(reservations: [(DYNAMIC,eng,p)]):10"},
		{&masterpb.Call{Type: masterpb.Call_UNRESERVE_RESOURCES.Enum(), UnreserveResources: &masterpb.Call_UnreserveResources{AgentId: id, Resources: []*mesospb.Resource{disk}}},
			409, "cpus:1; disk:100 does not contain disk(reservations: [(DYNAMIC,eng,p)]):10"},
		{&masterpb.Call{Type: masterpb.Call_GROW_VOLUME.Enum(), GrowVolume: &masterpb.Call_GrowVolume{AgentId: id, Volume: volume, Addition: resources.NewDisk(0, resources.WithReservation("eng", "p"))}},
			400, "Invalid GROW_VOLUME operation on agent " + at + "The size of 'GrowVolume.addition' field must be greater than zero"},
		{&masterpb.Call{Type: masterpb.Call_DESTROY_VOLUMES.Enum(), DestroyVolumes: &masterpb.Call_DestroyVolumes{AgentId: id, Volumes: []*mesospb.Resource{volume}}},
			400, "Invalid DESTROY operation on agent " + at + "Persistent volumes not found"},
		{&masterpb.Call{Type: masterpb.Call_RESERVE_RESOURCES.Enum(), ReserveResources: &masterpb.Call_ReserveResources{AgentId: id, Resources: []*mesospb.Resource{resources.NewCPUs(1e15, resources.WithReservation("eng", "p"))}}},
			409, "cpus:1; disk:100 does not contain cpus:1e+15"},
	} {
		if status, text := w.call(tc.call); status != tc.status || text != tc.text {
			t.Errorf("%v: %d %q, want %d %q", tc.call.GetType(), status, text, tc.status, tc.text)
		}
	}
}
