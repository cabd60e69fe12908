package core_test

import (
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// quiet is a TB that fails nothing: for scripts that make seeds.
type quiet struct{}

func (quiet) Helper()               {}
func (quiet) Fatalf(string, ...any) {}
func (quiet) Errorf(string, ...any) {}

func seedRecords() []store.Record {
	s := sim.NewScript(quiet{}, core.Config{})
	s.Register("fw")
	s.Submit(`{"name":"web","instances":2,"resources":{"cpus":1,"mem":64},"command":{"cmd":"serve"}}`)
	s.Offer("a1", "cpus:4;mem:1024")
	s.Status("web/0", mesospb.TaskState_TASK_RUNNING)
	return s.List()
}

// FuzzRestore damages one record of a good store, seal and all, or only what is inside the seal.
func FuzzRestore(f *testing.F) {
	good := seedRecords()
	for k, r := range good {
		f.Add(uint8(k), r.Key, r.Value, true)
		f.Add(uint8(k), r.Key, r.Value, false)
	}
	f.Add(uint8(2), "instance/web/99999999999999999999", []byte(`{"task":{"id":"x","state":"running"}}`), true)
	f.Add(uint8(2), "instance/web/999999", []byte(`{"detached":[null,{"id":"y","state":"killing"}]}`), true)
	kinds := []string{"core.framework", "core.app", "core.version", "core.instance", "core.agent", "core.garbage"}
	f.Fuzz(func(t *testing.T, k uint8, key string, value []byte, sealed bool) {
		records := append([]store.Record{}, good...)
		if sealed {
			v, err := store.Schema{Kind: kinds[int(k)%len(kinds)], Version: 1}.Seal(value)
			if err != nil {
				return
			}
			value = v
		}
		records[int(k)%len(records)] = store.Record{Key: key, Value: value}
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		c, err := core.Restore(now, core.Config{}, records)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without text")
			}
			return
		}
		e := &sim.Engine{Core: c, Now: now, Records: map[string][]byte{}}
		for _, ev := range seedEvents() {
			e.Now = e.Now.Add(time.Minute)
			e.Commit(e.Apply(core.MesosEvent{Event: ev}).Writes)
			c.Snapshot()
		}
	})
}

func seedEvents() []*schedulerpb.Event {
	s := sim.NewScript(quiet{}, core.Config{})
	id := "fw"
	return []*schedulerpb.Event{
		{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{FrameworkId: &mesospb.FrameworkID{Value: &id}}},
		sim.OffersEvent(s.NewOffer("a1", "cpus:4;mem:1024"), s.NewOffer("a2", "cpus:4;mem:1024")),
		{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: &mesospb.TaskStatus{
			TaskId: &mesospb.TaskID{Value: new("web.0.1-x")}, State: mesospb.TaskState_TASK_RUNNING.Enum(), Uuid: []byte("0123456789abcdef")}}},
		{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{AgentId: &mesospb.AgentID{Value: new("a1")}}},
	}
}

// FuzzEvents feeds whatever a master might say: the core must neither panic nor hang, and must restart from what it wrote.
func FuzzEvents(f *testing.F) {
	for _, e := range seedEvents() {
		b, err := codec.JSON.Append(nil, e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	for _, text := range []string{
		`{}`, `{"type":"OFFERS"}`, `{"type":"UPDATE","update":{"status":{"task_id":{"value":"web.0.1"},"state":"TASK_LOST"}}}`,
		`{"type":"RESCIND"}`, `{"type":"INVERSE_OFFERS","inverse_offers":{"inverse_offers":[{"id":{"value":"i"},"framework_id":{"value":"f"},"unavailability":{"start":{"nanoseconds":1}}}]}}`,
		`{"type":"UPDATE_OPERATION_STATUS","update_operation_status":{"status":{"state":"OPERATION_ERROR"}}}`, `{"type":"MESSAGE"}`, `{"type":"ERROR","error":{"message":"x"}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := new(schedulerpb.Event)
		if codec.JSON.Unmarshal([]byte(text), e) != nil {
			return
		}
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		c, err := core.Restore(now, core.Config{}, seedRecords())
		if err != nil {
			t.Fatal(err)
		}
		eng := &sim.Engine{Core: c, Now: now, Records: map[string][]byte{}}
		for _, r := range seedRecords() {
			eng.Records[r.Key] = r.Value
		}
		for _, ev := range append(seedEvents()[:1], e, e) {
			out := eng.Apply(core.MesosEvent{Event: ev})
			eng.Commit(out.Writes)
			for _, call := range out.Calls {
				if _, err := codec.Protobuf.Append(nil, call); err != nil {
					t.Fatalf("%v can't be sent: %v", call, err)
				}
			}
			eng.Now = eng.Now.Add(time.Minute)
		}
		c.Snapshot()
		if err := eng.Restart(); err != nil {
			t.Fatalf("restart: %v", err)
		}
	})
}
