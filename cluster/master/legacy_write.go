package master

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
)

// The older endpoints that change something (docs/behaviour.md#operator-api, Legacy): forms and JSON bodies for what the v1 calls do. They share
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
		httpapi.Error(w, http.StatusBadRequest, "Missing 'frameworkId' query parameter in the request body")
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
	out, err := httpapi.DecodeJSONList([]byte(form.Get(name)), func() *mesospb.Resource { return new(mesospb.Resource) })
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

// bodyOf reads a body.
func bodyOf(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, httpapi.MaxBody))
	if err != nil {
		httpapi.Error(w, http.StatusBadRequest, "Failed to read the body: "+err.Error())
	}
	return body, err == nil
}

// isParseError reports whether a body is no JSON of the type that is wanted.
func isParseError(err error) bool {
	_, ok := errors.AsType[*httpapi.ParseError](err)
	return ok
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
		body, ok := bodyOf(w, r)
		if !ok {
			return
		}
		q := &quotapb.QuotaRequest{}
		if err := httpapi.DecodeJSON(body, q); err != nil {
			what := "validate"
			if isParseError(err) {
				what = "parse"
			}
			httpapi.Error(w, http.StatusBadRequest, "Failed to "+what+" set quota request JSON '"+string(body)+"': "+err.Error())
			return
		}
		m.change(w, r, func() answer { return m.opSetQuota(&masterpb.Call_SetQuota{QuotaRequest: q}) })
	case http.MethodDelete:
		_, role, _ := strings.Cut(r.URL.Path, "/quota/")
		if role == "" {
			httpapi.Error(w, http.StatusBadRequest, "Failed to parse remove quota request for path '/master/quota': expected 3 tokens, found 2 tokens")
			return
		}
		m.change(w, r, func() answer {
			path := "/master/quota/" + role
			switch {
			case !m.admitsRole(role):
				return answer{http.StatusBadRequest, "Failed to validate remove quota request for path '" + path + "': Unknown role '" + role + "'"}
			case m.quotas[role] == nil:
				return answer{http.StatusBadRequest, "Failed to remove quota for path '" + path + "': Role '" + role + "' has no quota set"}
			}
			return m.removeQuota(role)
		})
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
		body, ok := bodyOf(w, r)
		if !ok {
			return
		}
		infos, err := httpapi.DecodeJSONList(body, func() *mesospb.WeightInfo { return new(mesospb.WeightInfo) })
		if err != nil {
			what := "convert weights JSON array to protobuf"
			if isParseError(err) {
				what = "parse update weights request JSON"
			}
			httpapi.Error(w, http.StatusBadRequest, "Failed to "+what+" '"+string(body)+"': "+err.Error())
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
	body, ok := bodyOf(w, r)
	if !ok {
		return nil, false
	}
	ids, err := httpapi.DecodeJSONList(body, func() *mesospb.MachineID { return new(mesospb.MachineID) })
	if err != nil {
		httpapi.Error(w, http.StatusBadRequest, err.Error())
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
		body, ok := bodyOf(w, r)
		if !ok {
			return
		}
		s := &maintenancepb.Schedule{}
		if err := httpapi.DecodeJSON(body, s); err != nil {
			httpapi.Error(w, http.StatusBadRequest, err.Error())
			return
		}
		m.change(w, r, func() answer { return m.updateSchedule(s) })
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
