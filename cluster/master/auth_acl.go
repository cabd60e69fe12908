package master

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// What ACLs forbid, and how it is said, as Mesos does it:
//
//   - register_frameworks, all roles of a framework: ERROR on subscription, 403 for UPDATE_FRAMEWORK
//   - run_tasks, the user of each task: TASK_ERROR with REASON_TASK_UNAUTHORIZED, before the task is validated; the whole of a
//     group with REASON_TASK_GROUP_UNAUTHORIZED
//   - reserve_resources, unreserve_resources, create_volumes, destroy_volumes, resize_volumes: operations of frameworks
//     are dropped as invalid ones are, those of operators get 403
//   - calls and endpoints of operators: 403 "403 Forbidden."; what somebody may not see of quota and maintenance is left out

var forbidden = answer{http.StatusForbidden, auth.Forbidden}

// may reports whether on whose behalf the loop acts may do something.
func (m *Master) may(action auth.Action, objects ...string) bool {
	return !m.caller.remote || m.cfg.Authorizer.Approve(m.caller.principal, action, objects...)
}

// principal of a framework.
func (f *framework) principal() *auth.Principal { return principalOf(f.info) }

func principalOf(info *mesospb.FrameworkInfo) *auth.Principal {
	if info.Principal == nil {
		return nil
	}
	return &auth.Principal{Name: info.GetPrincipal()}
}

// authorizeFramework checks that a framework may use its roles.
func (m *Master) authorizeFramework(info *mesospb.FrameworkInfo) error {
	roles := rolesOf(info)
	allowed := m.cfg.Authorizer.Permissive()
	if len(roles) > 0 {
		allowed = m.cfg.Authorizer.Approve(principalOf(info), auth.RegisterFrameworks, roles...)
	}
	if allowed {
		return nil
	}
	return wireErrorf("Not authorized to register framework %s with roles { %s }", info.GetId().GetValue(), joined(roles))
}

func joined(list []string) string {
	text := ""
	for i, s := range list {
		if i > 0 {
			text += ", "
		}
		text += s
	}
	return text
}

// unauthorized is an error for which a task is UNAUTHORIZED rather than INVALID.
type unauthorized struct{ error }

// authorizeTask checks that a task may run as its user.
func (x *acceptance) authorizeTask(t *mesospb.TaskInfo) error {
	if x.m.cfg.Authorizer == nil {
		return nil
	}
	user := x.framework.info.GetUser()
	if t.GetCommand().GetUser() != "" {
		user = t.GetCommand().GetUser()
	} else if t.GetExecutor().GetCommand().GetUser() != "" {
		user = t.GetExecutor().GetCommand().GetUser()
	}
	p := x.framework.principal()
	if x.m.cfg.Authorizer.Approve(p, auth.RunTasks, user) {
		return nil
	}
	return unauthorized{wireErrorf("Principal '%s' not authorized to launch task %s of framework %s under user '%s'",
		p.NameOf(), t.GetTaskId().GetValue(), x.framework.id, user)}
}

// authorizeOperation checks that the framework may apply an operation that is valid.
func (x *acceptance) authorizeOperation(op *mesospb.Offer_Operation) error {
	if x.m.cfg.Authorizer == nil {
		return nil
	}
	p := x.framework.principal()
	action, objects := actionOf(op)
	if x.m.mayOperate(p, action, objects) {
		return nil
	}
	return wireErrorf("Principal '%s' not authorized to perform %v on %q", p.NameOf(), op.GetType(), objects)
}

// mayOperate asks about all objects; an empty name stands for an object of nobody, which only a rule for all objects allows.
func (m *Master) mayOperate(p *auth.Principal, action auth.Action, objects []string) bool {
	for _, o := range objects {
		if o == "" && !m.cfg.Authorizer.Approve(p, action) || o != "" && !m.cfg.Authorizer.Approve(p, action, o) {
			return false
		}
	}
	return len(objects) > 0 || m.cfg.Authorizer.Approve(p, action)
}

// actionOf names what an operation does, and to what: roles, or the principals who reserved or created.
func actionOf(op *mesospb.Offer_Operation) (auth.Action, []string) {
	each := func(list []*mesospb.Resource, name func(*mesospb.Resource) string) []string {
		var out []string
		for _, r := range list {
			if n := name(r); !contains(out, n) {
				out = append(out, n)
			}
		}
		return out
	}
	switch op.GetType() {
	case mesospb.Offer_Operation_RESERVE:
		return auth.ReserveResources, each(op.GetReserve().GetResources(), resources.ReservationRole)
	case mesospb.Offer_Operation_UNRESERVE:
		return auth.UnreserveResources, each(op.GetUnreserve().GetResources(), func(r *mesospb.Resource) string {
			if n := len(r.GetReservations()); n > 0 {
				return r.GetReservations()[n-1].GetPrincipal()
			}
			return ""
		})
	case mesospb.Offer_Operation_CREATE:
		return auth.CreateVolumes, each(op.GetCreate().GetVolumes(), resources.ReservationRole)
	case mesospb.Offer_Operation_DESTROY:
		return auth.DestroyVolumes, each(op.GetDestroy().GetVolumes(), func(r *mesospb.Resource) string {
			return r.GetDisk().GetPersistence().GetPrincipal()
		})
	case mesospb.Offer_Operation_GROW_VOLUME:
		return auth.ResizeVolumes, []string{resources.ReservationRole(op.GetGrowVolume().GetVolume())}
	}
	return auth.ResizeVolumes, []string{resources.ReservationRole(op.GetShrinkVolume().GetVolume())}
}

// callerPrincipal is whom reservations and volumes of the operator must name; nil if nobody has authenticated.
func (m *Master) callerPrincipal() *string {
	if m.caller.principal == nil {
		return nil
	}
	return &m.caller.principal.Name
}

// guardedCalls are the operator calls that are allowed or forbidden as a whole.
var guardedCalls = map[masterpb.Call_Type]auth.Action{
	masterpb.Call_GET_FLAGS:                   auth.ViewFlags,
	masterpb.Call_SET_LOGGING_LEVEL:           auth.SetLogLevel,
	masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE: auth.UpdateMaintenanceSchedules,
	masterpb.Call_START_MAINTENANCE:           auth.StartMaintenances,
	masterpb.Call_STOP_MAINTENANCE:            auth.StopMaintenances,
	masterpb.Call_DRAIN_AGENT:                 auth.DrainAgents,
	masterpb.Call_DEACTIVATE_AGENT:            auth.DeactivateAgents,
	masterpb.Call_REACTIVATE_AGENT:            auth.ReactivateAgents,
	masterpb.Call_MARK_AGENT_GONE:             auth.MarkAgentsGone,
	masterpb.Call_GET_MAINTENANCE_SCHEDULE:    auth.GetMaintenanceSchedules,
	masterpb.Call_GET_MAINTENANCE_STATUS:      auth.GetMaintenanceStatuses,
	masterpb.Call_LIST_FILES:                  auth.AccessMesosLogs, // there is nothing but the log
	masterpb.Call_READ_FILE:                   auth.AccessMesosLogs,
}

// guard judges a call as a whole. It returns what is answered instead of running it.
func (m *Master) guard(typ masterpb.Call_Type) (*masterpb.Response, answer, bool) {
	action, guarded := guardedCalls[typ]
	if !guarded || m.may(action) {
		return nil, answer{}, true
	}
	switch typ {
	case masterpb.Call_GET_MAINTENANCE_SCHEDULE: // nothing to be seen is no error
		return &masterpb.Response{Type: masterpb.Response_GET_MAINTENANCE_SCHEDULE.Enum(),
			GetMaintenanceSchedule: &masterpb.Response_GetMaintenanceSchedule{Schedule: &maintenancepb.Schedule{}}}, ok, false
	case masterpb.Call_GET_MAINTENANCE_STATUS:
		return &masterpb.Response{Type: masterpb.Response_GET_MAINTENANCE_STATUS.Enum(),
			GetMaintenanceStatus: &masterpb.Response_GetMaintenanceStatus{Status: &maintenancepb.ClusterStatus{}}}, ok, false
	}
	return nil, forbidden, false
}

// guardedPaths are the older endpoints that are allowed or forbidden as a whole, with the method if it matters.
var guardedPaths = map[string]auth.Action{
	"/flags":                     auth.ViewFlags,
	"POST /maintenance/schedule": auth.UpdateMaintenanceSchedules,
	"GET /maintenance/schedule":  auth.GetMaintenanceSchedules,
	"/maintenance/status":        auth.GetMaintenanceStatuses,
	"/machine/down":              auth.StartMaintenances,
	"/machine/up":                auth.StopMaintenances,
}

// mayGet judges a request by its path alone.
func (m *Master) mayGet(p *auth.Principal, method, path string) bool {
	if m.cfg.Authorizer == nil {
		return true
	}
	path = endpointPath(path)
	if auth.Authorizable(path) && !m.cfg.Authorizer.Approve(p, auth.GetEndpoints, path) {
		return false
	}
	if strings.HasPrefix(path, "/files/") && !auth.Authorizable(path) {
		return m.cfg.Authorizer.Approve(p, auth.AccessMesosLogs)
	}
	for _, key := range []string{path, method + " " + path} {
		if action, ok := guardedPaths[key]; ok && !m.cfg.Authorizer.Approve(p, action) {
			return false
		}
	}
	return true
}

// securityFlags are the flags of mesos-master that say what is required.
func (m *Master) securityFlags(f map[string]string) {
	for flag, realm := range map[string]string{
		"authenticate_http_frameworks": auth.RealmScheduler,
		"authenticate_http_readonly":   auth.RealmMasterRead,
		"authenticate_http_readwrite":  auth.RealmMasterWrite,
	} {
		f[flag] = fmt.Sprint(m.cfg.Realms[realm] != nil)
	}
	if m.cfg.Realms[auth.RealmScheduler] != nil {
		f["http_framework_authenticators"] = "basic"
	}
	if m.cfg.Realms[auth.RealmMasterRead] != nil || m.cfg.Realms[auth.RealmMasterWrite] != nil {
		f["http_authenticators"] = "basic"
	}
	if m.cfg.Authorizer != nil {
		f["authorizers"] = "local"
	}
	if m.cfg.LogFile != "" {
		f["external_log_file"] = m.cfg.LogFile
	}
}
