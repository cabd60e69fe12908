package master

import (
	"net/http"
	"strings"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Who may ask, and who asks (docs/behaviour.md#transport, and Mesos' documentation of authentication):
//
//   - Every endpoint but /health, /redirect and /version belongs to a realm. A realm that has an authenticator answers 401 to
//     requests without good credentials, before anything else is looked at, who leads included.
//   - A framework must name the principal that it authenticated as, or none: then it gets that one. A call of another
//     principal than the framework's is 400.
//   - What a principal may do is judged where it would be done: see auth_acl.go.

// realms are those of the endpoints; others belong to the read-write realm, so that a new endpoint is not open by mistake.
var realms = map[string]string{
	"/api/v1/scheduler":   auth.RealmScheduler,
	"/flags":              auth.RealmMasterRead,
	"/files":              auth.RealmMasterRead,
	"/metrics/snapshot":   auth.RealmMasterRead,
	"/state.json":         auth.RealmMasterRead,
	"/state-summary":      auth.RealmMasterRead,
	"/state":              auth.RealmMasterRead,
	"/slaves":             auth.RealmMasterRead,
	"/frameworks":         auth.RealmMasterRead,
	"/tasks.json":         auth.RealmMasterRead,
	"/tasks":              auth.RealmMasterRead,
	"/roles.json":         auth.RealmMasterRead,
	"/roles":              auth.RealmMasterRead,
	"/maintenance/status": auth.RealmMasterRead,

	"/health":   openRealm,
	"/redirect": openRealm,
	"/version":  openRealm,
}

const openRealm = "-"

// authenticate finds out who a request for an endpoint is from and notes it in the request that it returns. It answers
// 401, or 403 where ACLs guard the path itself, and then returns nil.
func (m *Master) authenticate(w http.ResponseWriter, r *http.Request, endpoint, path string) *http.Request {
	realm, ok := realms[endpoint]
	if !ok {
		realm = auth.RealmMasterWrite
	}
	p, ok := m.cfg.Realms[realm].Authenticate(w, r)
	if !ok {
		m.log.Info("request without credentials that are known", "path", r.URL.Path, "realm", realm)
		return nil
	}
	if p != nil {
		r = r.WithContext(auth.WithPrincipal(r.Context(), p))
	}
	if !m.mayGet(p, r.Method, path) {
		m.log.Info("request forbidden", "path", r.URL.Path, "principal", p)
		auth.Forbid(w)
		return nil
	}
	return r
}

// caller is on whose behalf the loop acts.
type caller struct {
	remote    bool // by HTTP; programs that hold the Master may everything
	principal *auth.Principal
	protobuf  bool // it is answered in protobuf
}

// doFor runs f on the loop of a leader on behalf of whom a request is from.
func (m *Master) doFor(r *http.Request, f func()) error {
	p := auth.FromContext(r.Context())
	return m.doLeading(r.Context(), func() {
		m.caller = caller{remote: true, principal: p}
		defer func() { m.caller = caller{} }()
		f()
	})
}

// adoptPrincipal gives a framework that subscribes the principal that it has authenticated as.
func adoptPrincipal(p *auth.Principal, c *schedulerpb.Call) error {
	if p == nil || c.GetType() != schedulerpb.Call_SUBSCRIBE {
		return nil
	}
	info := c.GetSubscribe().GetFrameworkInfo()
	if info.Principal == nil {
		info.Principal = &p.Name
		return nil
	}
	return samePrincipal(p, info.GetPrincipal())
}

// samePrincipal checks that a call is from the principal of its framework.
func samePrincipal(p *auth.Principal, framework string) error {
	if p == nil || p.Name == framework {
		return nil
	}
	return wireErrorf("Authenticated principal '%v' does not match principal '%s' set in `FrameworkInfo`", p, framework)
}

// scheme of the endpoints.
func (m *Master) scheme() string {
	if m.cfg.HTTPS {
		return "https"
	}
	return "http"
}

// endpointPath is the path of a request without the prefixes and slashes that don't matter.
func endpointPath(path string) string { return strings.TrimRight(path, "/") }
