package scheduler

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// keeper is a Caller that keeps what it is to send.
type keeper struct{ calls []*schedulerpb.Call }

func (k *keeper) Call(_ context.Context, call *schedulerpb.Call) error {
	k.calls = append(k.calls, call)
	return nil
}

// Every typed method, with the JSON that Mesos documents for it.
var typedCalls = []struct {
	send func(context.Context, Calls) error
	want string
}{
	{func(ctx context.Context, c Calls) error { return c.Teardown(ctx) }, `{"type":"TEARDOWN"}`},
	{func(ctx context.Context, c Calls) error {
		return c.Accept(ctx, OfferIDs(&mesospb.Offer{Id: offerID("o1")}, &mesospb.Offer{Id: offerID("o2")}), RefuseSeconds(2.5), Unreserve(), WithID(Reserve(), "op"))
	}, `{"type":"ACCEPT","accept":{"offer_ids":[{"value":"o1"},{"value":"o2"}],"filters":{"refuse_seconds":2.5},
		"operations":[{"type":"UNRESERVE","unreserve":{}},{"type":"RESERVE","reserve":{},"id":{"value":"op"}}]}}`},
	{func(ctx context.Context, c Calls) error {
		return c.Decline(ctx, []*mesospb.OfferID{offerID("o")}, RefuseSeconds(0))
	}, `{"type":"DECLINE","decline":{"offer_ids":[{"value":"o"}],"filters":{"refuse_seconds":0}}}`},
	{func(ctx context.Context, c Calls) error { return c.Decline(ctx, []*mesospb.OfferID{offerID("o")}, nil) }, `{"type":"DECLINE","decline":{"offer_ids":[{"value":"o"}]}}`},
	{func(ctx context.Context, c Calls) error {
		return c.AcceptInverseOffers(ctx, InverseOfferIDs(&mesospb.InverseOffer{Id: offerID("i")}), RefuseSeconds(1))
	}, `{"type":"ACCEPT_INVERSE_OFFERS","accept_inverse_offers":{"inverse_offer_ids":[{"value":"i"}],"filters":{"refuse_seconds":1}}}`},
	{func(ctx context.Context, c Calls) error {
		return c.DeclineInverseOffers(ctx, []*mesospb.OfferID{offerID("i")}, nil)
	}, `{"type":"DECLINE_INVERSE_OFFERS","decline_inverse_offers":{"inverse_offer_ids":[{"value":"i"}]}}`},
	{func(ctx context.Context, c Calls) error { return c.Revive(ctx) }, `{"type":"REVIVE","revive":{}}`},
	{func(ctx context.Context, c Calls) error { return c.Revive(ctx, "a", "b") }, `{"type":"REVIVE","revive":{"roles":["a","b"]}}`},
	{func(ctx context.Context, c Calls) error { return c.Suppress(ctx, "a") }, `{"type":"SUPPRESS","suppress":{"roles":["a"]}}`},
	{func(ctx context.Context, c Calls) error { return c.Kill(ctx, taskID("t"), nil, nil) }, `{"type":"KILL","kill":{"task_id":{"value":"t"}}}`},
	{func(ctx context.Context, c Calls) error {
		return c.Kill(ctx, taskID("t"), agentID("a"), &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(5)}})
	}, `{"type":"KILL","kill":{"task_id":{"value":"t"},"agent_id":{"value":"a"},"kill_policy":{"grace_period":{"nanoseconds":5}}}}`},
	{func(ctx context.Context, c Calls) error { return c.Shutdown(ctx, executorID("e"), agentID("a")) }, `{"type":"SHUTDOWN","shutdown":{"executor_id":{"value":"e"},"agent_id":{"value":"a"}}}`},
	{func(ctx context.Context, c Calls) error {
		return c.Acknowledge(ctx, &mesospb.TaskStatus{TaskId: taskID("t"), AgentId: agentID("a"), Uuid: []byte("0123456789abcdef")})
	}, `{"type":"ACKNOWLEDGE","acknowledge":{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"MDEyMzQ1Njc4OWFiY2RlZg=="}}`},
	{func(ctx context.Context, c Calls) error {
		return c.AcknowledgeOperationStatus(ctx, &mesospb.OperationStatus{OperationId: &mesospb.OperationID{Value: proto.String("op")}, AgentId: agentID("a"),
			ResourceProviderId: &mesospb.ResourceProviderID{Value: proto.String("p")}, Uuid: &mesospb.UUID{Value: []byte("0123456789abcdef")}})
	}, `{"type":"ACKNOWLEDGE_OPERATION_STATUS","acknowledge_operation_status":{"agent_id":{"value":"a"},"resource_provider_id":{"value":"p"},"operation_id":{"value":"op"},"uuid":"MDEyMzQ1Njc4OWFiY2RlZg=="}}`},
	{func(ctx context.Context, c Calls) error { return c.Reconcile(ctx) }, `{"type":"RECONCILE","reconcile":{}}`},
	{func(ctx context.Context, c Calls) error {
		return c.Reconcile(ctx, ReconcileTask(taskID("t"), nil), ReconcileTask(taskID("u"), agentID("a")))
	}, `{"type":"RECONCILE","reconcile":{"tasks":[{"task_id":{"value":"t"}},{"task_id":{"value":"u"},"agent_id":{"value":"a"}}]}}`},
	{func(ctx context.Context, c Calls) error {
		return c.ReconcileOperations(ctx, ReconcileOperation(&mesospb.OperationID{Value: proto.String("op")}, agentID("a"), nil))
	}, `{"type":"RECONCILE_OPERATIONS","reconcile_operations":{"operations":[{"operation_id":{"value":"op"},"agent_id":{"value":"a"}}]}}`},
	{func(ctx context.Context, c Calls) error {
		return c.Message(ctx, agentID("a"), executorID("e"), []byte("hi"))
	}, `{"type":"MESSAGE","message":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":"aGk="}}`},
	{func(ctx context.Context, c Calls) error { return c.Message(ctx, agentID("a"), executorID("e"), nil) }, `{"type":"MESSAGE","message":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":""}}`},
	{func(ctx context.Context, c Calls) error {
		return c.Request(ctx, &mesospb.Request{AgentId: agentID("a")})
	}, `{"type":"REQUEST","request":{"requests":[{"agent_id":{"value":"a"}}]}}`},
	{func(ctx context.Context, c Calls) error {
		return c.UpdateFramework(ctx, &mesospb.FrameworkInfo{User: proto.String("u"), Name: proto.String("n")}, SubscribeOptions{SuppressedRoles: []string{"r"},
			OfferConstraints: &schedulerpb.OfferConstraints{RoleConstraints: map[string]*schedulerpb.OfferConstraints_RoleConstraints{"r": {}}}})
	}, `{"type":"UPDATE_FRAMEWORK","update_framework":{"framework_info":{"user":"u","name":"n"},"suppressed_roles":["r"],"offer_constraints":{"role_constraints":{"r":{}}}}}`},
}

func TestEveryCallIsWhatMesosDocuments(t *testing.T) {
	seen := map[schedulerpb.Call_Type]bool{schedulerpb.Call_UNKNOWN: true, schedulerpb.Call_SUBSCRIBE: true}
	for _, test := range typedCalls {
		k := new(keeper)
		if err := test.send(t.Context(), Calls{k}); err != nil {
			t.Fatal(err)
		}
		want := new(schedulerpb.Call)
		if err := codec.JSON.Unmarshal([]byte(test.want), want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, k.calls[0], protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.GetType(), diff)
		}
		seen[want.GetType()] = true
	}
	for number, name := range schedulerpb.Call_Type_name {
		if !seen[schedulerpb.Call_Type(number)] {
			t.Errorf("%s is not tested", name)
		}
	}
}

func TestSubscribeNamesTheFrameworkInBothPlaces(t *testing.T) {
	info := frameworkInfo()
	info.Id = frameworkID("f")
	got := Subscribe(info, SubscribeOptions{SuppressedRoles: []string{"r"}})
	if got.GetFrameworkId().GetValue() != "f" || got.GetSubscribe().GetFrameworkInfo().GetId().GetValue() != "f" || !slices.Equal(got.GetSubscribe().GetSuppressedRoles(), []string{"r"}) {
		t.Errorf("got %v", got)
	}
	if first := Subscribe(frameworkInfo(), SubscribeOptions{}); first.FrameworkId != nil {
		t.Errorf("a new framework names an id: %v", first)
	}
}

func TestEveryOfferOperationIsWhatMesosDocuments(t *testing.T) {
	disk := &mesospb.Resource{Name: proto.String("disk"), Type: mesospb.Value_SCALAR.Enum(), Scalar: &mesospb.Value_Scalar{Value: proto.Float64(1)}}
	const diskJSON = `{"name":"disk","type":"SCALAR","scalar":{"value":1}}`
	task := &mesospb.TaskInfo{Name: proto.String("t"), TaskId: taskID("t"), AgentId: agentID("a")}
	const taskJSON = `{"name":"t","task_id":{"value":"t"},"agent_id":{"value":"a"}}`
	seen := map[mesospb.Offer_Operation_Type]bool{mesospb.Offer_Operation_UNKNOWN: true}
	for _, test := range []struct {
		got  *mesospb.Offer_Operation
		want string
	}{
		{Launch(task, task), `{"type":"LAUNCH","launch":{"task_infos":[` + taskJSON + `,` + taskJSON + `]}}`},
		{LaunchGroup(&mesospb.ExecutorInfo{ExecutorId: executorID("e")}, task), `{"type":"LAUNCH_GROUP","launch_group":{"executor":{"executor_id":{"value":"e"}},"task_group":{"tasks":[` + taskJSON + `]}}}`},
		{Reserve(disk), `{"type":"RESERVE","reserve":{"resources":[` + diskJSON + `]}}`},
		{ReserveFrom([]*mesospb.Resource{disk}, []*mesospb.Resource{disk, disk}), `{"type":"RESERVE","reserve":{"source":[` + diskJSON + `],"resources":[` + diskJSON + `,` + diskJSON + `]}}`},
		{Unreserve(disk), `{"type":"UNRESERVE","unreserve":{"resources":[` + diskJSON + `]}}`},
		{Create(disk), `{"type":"CREATE","create":{"volumes":[` + diskJSON + `]}}`},
		{Destroy(disk), `{"type":"DESTROY","destroy":{"volumes":[` + diskJSON + `]}}`},
		{GrowVolume(disk, disk), `{"type":"GROW_VOLUME","grow_volume":{"volume":` + diskJSON + `,"addition":` + diskJSON + `}}`},
		{ShrinkVolume(disk, 0.5), `{"type":"SHRINK_VOLUME","shrink_volume":{"volume":` + diskJSON + `,"subtract":{"value":0.5}}}`},
		{CreateDisk(disk, mesospb.Resource_DiskInfo_Source_MOUNT, ""), `{"type":"CREATE_DISK","create_disk":{"source":` + diskJSON + `,"target_type":"MOUNT"}}`},
		{CreateDisk(disk, mesospb.Resource_DiskInfo_Source_BLOCK, "fast"), `{"type":"CREATE_DISK","create_disk":{"source":` + diskJSON + `,"target_type":"BLOCK","target_profile":"fast"}}`},
		{DestroyDisk(disk), `{"type":"DESTROY_DISK","destroy_disk":{"source":` + diskJSON + `}}`},
		{WithID(Reserve(disk), "op"), `{"type":"RESERVE","id":{"value":"op"},"reserve":{"resources":[` + diskJSON + `]}}`},
	} {
		want := new(mesospb.Offer_Operation)
		if err := codec.JSON.Unmarshal([]byte(test.want), want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, test.got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.GetType(), diff)
		}
		seen[want.GetType()] = true
	}
	for number, name := range mesospb.Offer_Operation_Type_name {
		if !seen[mesospb.Offer_Operation_Type(number)] {
			t.Errorf("%s is not tested", name)
		}
	}
}

func TestEveryCallReachesTheMasterInBothMediaTypes(t *testing.T) {
	for _, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
		var network memnet.Network
		m := startMaster(t, &network, address)
		client, err := NewClient(ClientConfig{Master: address, Transport: newTransport(t, &network, cd)})
		if err != nil {
			t.Fatal(err)
		}
		sub, err := client.Subscribe(t.Context(), frameworkInfo(), SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		for _, test := range typedCalls {
			if err := test.send(t.Context(), sub.Calls); err != nil {
				t.Fatal(err)
			}
			want := new(schedulerpb.Call)
			if err := codec.JSON.Unmarshal([]byte(test.want), want); err != nil {
				t.Fatal(err)
			}
			want.FrameworkId = sub.FrameworkID()
			if info := want.GetUpdateFramework().GetFrameworkInfo(); info != nil {
				info.Id = sub.FrameworkID()
			}
			if diff := cmp.Diff(want, (<-m.calls).call, protocmp.Transform()); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", cd.MediaType(), want.GetType(), diff)
			}
		}
	}
}

func TestShallowCopySharesAndDoesNotChange(t *testing.T) {
	call := Accept([]*mesospb.OfferID{offerID("o")}, RefuseSeconds(1), Launch())
	own := shallowCopy(call)
	if diff := cmp.Diff(call, own, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	own.FrameworkId = frameworkID("f")
	if call.FrameworkId != nil || own.Accept != call.Accept {
		t.Error("the copy is not shallow, or none")
	}
}

// capture is a recorded exchange with a real master.
type capture struct {
	Request struct {
		Method, Path string
		Body         json.RawMessage
	}
	Response struct {
		Frames []struct{ Event json.RawMessage }
	}
}

// Every event stream that was recorded from a real master comes out of a subscription whole, in both media types.
func TestRecordedStreamsOfARealMasterAreUnderstood(t *testing.T) {
	files, err := filepath.Glob("../../test/captures/f*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("captures: %v, %v", files, err)
	}
	streams, seen := 0, make(map[schedulerpb.Event_Type]int)
	for _, file := range files {
		if strings.Contains(file, "f18_") || strings.Contains(file, "executor_side") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var captures []capture
		if err := json.Unmarshal(data, &captures); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range captures {
			if c.Request.Path != "/api/v1/scheduler" || len(c.Response.Frames) == 0 {
				continue
			}
			var want []*schedulerpb.Event
			for _, f := range c.Response.Frames {
				event := new(schedulerpb.Event)
				var binary struct {
					Data string `json:"_binary"`
				}
				if json.Unmarshal(f.Event, &binary); binary.Data != "" {
					raw, err := base64.StdEncoding.DecodeString(binary.Data)
					if err != nil {
						t.Fatal(err)
					}
					err = codec.Protobuf.Unmarshal(raw, event)
					if err != nil {
						t.Fatal(err)
					}
				} else if err := codec.JSON.Unmarshal(f.Event, event); err != nil {
					t.Fatalf("%s: %s: %v", file, f.Event, err)
				}
				want = append(want, event)
				seen[event.GetType()]++
			}
			if want[0].GetType() != schedulerpb.Event_SUBSCRIBED {
				continue // refused
			}
			streams++
			for _, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
				if got := replay(t, cd, want); !reflect.DeepEqual(types(got), types(want)) {
					t.Errorf("%s: got %v, want %v", file, types(got), types(want))
				} else if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
					t.Errorf("%s %s (-want +got):\n%s", file, cd.MediaType(), diff)
				}
			}
		}
	}
	if streams < 10 {
		t.Errorf("only %d streams replayed", streams)
	}
	for number, name := range schedulerpb.Event_Type_name {
		if event := schedulerpb.Event_Type(number); event != schedulerpb.Event_UNKNOWN && event != schedulerpb.Event_RESCIND_INVERSE_OFFER && seen[event] == 0 {
			t.Errorf("%s is in no capture", name)
		}
	}
}

// replay sends events through a subscription.
func replay(t *testing.T, cd codec.Codec, events []*schedulerpb.Event) (got []*schedulerpb.Event) {
	t.Helper()
	var network memnet.Network
	m := startMaster(t, &network, address)
	m.manual = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := <-m.subscribes
		s.send(events...)
		s.end()
	}()
	client, err := NewClient(ClientConfig{Master: address, Transport: newTransport(t, &network, cd)})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := client.Subscribe(t.Context(), frameworkInfo(), SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for event, err := range sub.Events() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}
	<-done
	return got
}
