package master

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
)

// The older endpoints that change something (contract, section 7, Legacy): forms and JSON bodies for what the v1 calls do. They share
// their code with these.

// formOf reads a form body.
func formOf(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	if !httpapi.RequirePOST(w, r) {
		return nil, false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, httpapi.MaxBody))
	if err == nil {
		var form url.Values
		if form, err = url.ParseQuery(string(body)); err == nil {
			return form, true
		}
	}
	httpapi.Error(w, http.StatusBadRequest, "Unable to decode query string: "+err.Error())
	return nil, false
}

// change runs f on the loop and answers.
func (m *Master) change(w http.ResponseWriter, r *http.Request, f func() answer) {
	var got answer
	if err := m.doFor(r, func() { got = m.durable(f()) }); err != nil {
		httpapi.Error(w, http.StatusServiceUnavailable, "The master is shutting down")
		return
	}
	got.write(w)
}

func (m *Master) serveTeardown(w http.ResponseWriter, r *http.Request) {
	form, ok := formOf(w, r)
	if !ok {
		return
	}
	if !form.Has("frameworkId") {
		httpapi.Error(w, http.StatusBadRequest, "Missing 'frameworkId' query parameter")
		return
	}
	m.change(w, r, func() answer { return m.teardown(form.Get("frameworkId")) })
}

// resourceForm reads slaveId and a JSON array of resources.
func resourceForm(w http.ResponseWriter, r *http.Request, name string) (*mesospb.AgentID, []*mesospb.Resource, bool) {
	form, ok := formOf(w, r)
	if !ok {
		return nil, nil, false
	}
	for _, n := range []string{"slaveId", name} {
		if !form.Has(n) {
			httpapi.Error(w, http.StatusBadRequest, "Missing '"+n+"' query parameter in the request body")
			return nil, nil, false
		}
	}
	var list []json.RawMessage
	err := json.Unmarshal([]byte(form.Get(name)), &list)
	var out []*mesospb.Resource
	for _, raw := range list {
		res := &mesospb.Resource{}
		if err == nil {
			err = codec.JSON.Unmarshal(raw, res)
		}
		out = append(out, res)
	}
	if err != nil {
		httpapi.Error(w, http.StatusBadRequest, "Error in parsing '"+name+"' query parameter in the request body: "+err.Error())
		return nil, nil, false
	}
	return &mesospb.AgentID{Value: proto.String(form.Get("slaveId"))}, out, true
}

func (m *Master) serveReserve(w http.ResponseWriter, r *http.Request) {
	if id, list, ok := resourceForm(w, r, "resources"); ok {
		m.change(w, r, func() answer { return m.opReserve(&masterpb.Call_ReserveResources{AgentId: id, Resources: list}) })
	}
}

func (m *Master) serveUnreserve(w http.ResponseWriter, r *http.Request) {
	if id, list, ok := resourceForm(w, r, "resources"); ok {
		m.change(w, r, func() answer {
			return m.opUnreserve(&masterpb.Call_UnreserveResources{AgentId: id, Resources: list})
		})
	}
}

func (m *Master) serveCreateVolumes(w http.ResponseWriter, r *http.Request) {
	if id, list, ok := resourceForm(w, r, "volumes"); ok {
		m.change(w, r, func() answer {
			return m.opCreateVolumes(&masterpb.Call_CreateVolumes{AgentId: id, Volumes: list})
		})
	}
}

func (m *Master) serveDestroyVolumes(w http.ResponseWriter, r *http.Request) {
	if id, list, ok := resourceForm(w, r, "volumes"); ok {
		m.change(w, r, func() answer {
			return m.opDestroyVolumes(&masterpb.Call_DestroyVolumes{AgentId: id, Volumes: list})
		})
	}
}

// messageOf reads a JSON body into a message.
func messageOf(w http.ResponseWriter, r *http.Request, into proto.Message) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, httpapi.MaxBody))
	if err == nil {
		err = codec.JSON.Unmarshal(body, into)
	}
	if err != nil {
		httpapi.Error(w, http.StatusBadRequest, "Failed to parse the request body: "+err.Error())
		return false
	}
	return true
}

// notAllowed answers 405 with the methods that there are.
func notAllowed(w http.ResponseWriter, r *http.Request, methods ...string) {
	w.Header().Set("Allow", strings.Join(methods, ", "))
	httpapi.Error(w, http.StatusMethodNotAllowed, "405 Method Not Allowed. Expecting one of { '"+strings.Join(methods, "', '")+"' }, but received '"+r.Method+"'.")
}

func (m *Master) serveQuota(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		m.respondWith(w, r, func() any { return protoJSON(m.opGetQuota().GetGetQuota().GetStatus()) })
	case http.MethodPost:
		q := &quotapb.QuotaRequest{}
		if messageOf(w, r, q) {
			m.change(w, r, func() answer { return m.opSetQuota(&masterpb.Call_SetQuota{QuotaRequest: q}) })
		}
	case http.MethodDelete:
		_, role, _ := strings.Cut(r.URL.Path, "/quota/")
		m.change(w, r, func() answer { return m.removeQuota(role) })
	default:
		notAllowed(w, r, "GET", "POST", "DELETE")
	}
}

func (m *Master) serveWeights(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		m.respondWith(w, r, func() any {
			out := []any{}
			for _, i := range m.opGetWeights().GetGetWeights().GetWeightInfos() {
				out = append(out, protoJSON(i))
			}
			return out
		})
	case http.MethodPut:
		var list []json.RawMessage
		body, err := io.ReadAll(io.LimitReader(r.Body, httpapi.MaxBody))
		if err == nil {
			err = json.Unmarshal(body, &list)
		}
		var infos []*mesospb.WeightInfo
		for _, raw := range list {
			i := &mesospb.WeightInfo{}
			if err == nil {
				err = codec.JSON.Unmarshal(raw, i)
			}
			infos = append(infos, i)
		}
		if err != nil {
			httpapi.Error(w, http.StatusBadRequest, "Failed to parse update weights request JSON '"+string(body)+"': "+err.Error())
			return
		}
		m.change(w, r, func() answer { return m.updateWeights(infos) })
	default:
		notAllowed(w, r, "GET", "PUT")
	}
}

// machinesOf reads a JSON array of machine ids.
func machinesOf(w http.ResponseWriter, r *http.Request) ([]*mesospb.MachineID, bool) {
	if !httpapi.RequirePOST(w, r) {
		return nil, false
	}
	var list []json.RawMessage
	body, err := io.ReadAll(io.LimitReader(r.Body, httpapi.MaxBody))
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	var ids []*mesospb.MachineID
	for _, raw := range list {
		id := &mesospb.MachineID{}
		if err == nil {
			err = codec.JSON.Unmarshal(raw, id)
		}
		ids = append(ids, id)
	}
	if err != nil {
		httpapi.Error(w, http.StatusBadRequest, "Failed to parse the list of machines: "+err.Error())
		return nil, false
	}
	return ids, true
}

func (m *Master) serveMachineDown(w http.ResponseWriter, r *http.Request) {
	if ids, ok := machinesOf(w, r); ok {
		m.change(w, r, func() answer { return m.startMaintenance(ids) })
	}
}

func (m *Master) serveMachineUp(w http.ResponseWriter, r *http.Request) {
	if ids, ok := machinesOf(w, r); ok {
		m.change(w, r, func() answer { return m.stopMaintenance(ids) })
	}
}

func (m *Master) serveMaintenanceSchedule(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		m.respondWith(w, r, func() any { return protoJSON(m.currentSchedule()) })
	case http.MethodPost:
		s := &maintenancepb.Schedule{}
		if messageOf(w, r, s) {
			m.change(w, r, func() answer { return m.updateSchedule(s) })
		}
	default:
		notAllowed(w, r, "GET", "POST")
	}
}

func (m *Master) serveMaintenanceStatus(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		notAllowed(w, r, "GET")
		return
	}
	m.respondWith(w, r, func() any { return protoJSON(m.maintenanceStatus()) })
}
