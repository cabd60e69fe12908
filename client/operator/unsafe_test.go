package operator

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestCallsThatEndAMasterAreNotSent(t *testing.T) {
	n := newNetwork(t, codec.JSON)
	var sent []string
	n.serve("m:5050", func(w http.ResponseWriter, r *http.Request) {
		var call masterpb.Call
		cd := readCall(t, r, &call)
		sent = append(sent, call.GetType().String())
		if call.GetType() == masterpb.Call_GET_QUOTA {
			respond(t, w, cd, parse(t, new(masterpb.Response), `{"type":"GET_QUOTA","get_quota":{"status":{"infos":[{"role":"q"}]}}}`))
		}
	})
	m := n.master("m:5050")
	volume := resources.NewDisk(1, resources.WithReservation("eng", "p"), resources.WithVolume("a/b", "p", "data"))
	err := m.CreateVolumes(t.Context(), "S0", []*mesospb.Resource{volume})
	if e, ok := errors.AsType[*resources.PersistenceIDError](err); !ok || e.ID != "a/b" {
		t.Errorf("CREATE_VOLUMES with an impossible id: %v", err)
	}
	//lint:ignore SA1019 the call that older tools still send
	_, err = m.Call(t.Context(), &masterpb.Call{Type: masterpb.Call_REMOVE_QUOTA.Enum(), RemoveQuota: &masterpb.Call_RemoveQuota{Role: proto.String("*")}})
	if e, ok := errors.AsType[*UnsafeCallError](err); !ok {
		t.Errorf("REMOVE_QUOTA of a role without quota: %v, %v", err, e)
	}
	if err := m.RemoveQuota(t.Context(), "q"); err != nil {
		t.Error(err)
	}
	if want := []string{"GET_QUOTA", "GET_QUOTA", "REMOVE_QUOTA"}; !slices.Equal(sent, want) {
		t.Errorf("sent %v, want %v", sent, want)
	}
}

func TestRemoveContainerIsNotSentForAnUnknownContainer(t *testing.T) {
	n := newNetwork(t, codec.JSON)
	var sent []string
	n.serve("a:5051", func(w http.ResponseWriter, r *http.Request) {
		var call agentpb.Call
		cd := readCall(t, r, &call)
		sent = append(sent, call.GetType().String())
		switch call.GetType() {
		case agentpb.Call_GET_CONTAINERS:
			respond(t, w, cd, parse(t, new(agentpb.Response), `{"type":"GET_CONTAINERS","get_containers":{"containers":[{"container_id":{"value":"runs"}}]}}`))
		case agentpb.Call_WAIT_CONTAINER:
			if call.GetWaitContainer().GetContainerId().GetValue() != "ended" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			respond(t, w, cd, parse(t, new(agentpb.Response), `{"type":"WAIT_CONTAINER","wait_container":{"exit_status":0}}`))
		}
	})
	a := n.agent("a:5051")
	for id, want := range map[string][]string{
		"runs":    {"GET_CONTAINERS", "REMOVE_CONTAINER"},
		"ended":   {"GET_CONTAINERS", "WAIT_CONTAINER", "REMOVE_CONTAINER"},
		"unknown": {"GET_CONTAINERS", "WAIT_CONTAINER"},
	} {
		sent = nil
		err := a.RemoveContainer(t.Context(), &mesospb.ContainerID{Value: &id})
		if _, refused := errors.AsType[*UnsafeCallError](err); refused != (id == "unknown") || !slices.Equal(sent, want) {
			t.Errorf("%s: %v, sent %v, want %v", id, err, sent, want)
		}
	}
}
