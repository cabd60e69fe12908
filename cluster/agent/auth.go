package agent

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
)

// Who may ask, and who asks (docs/behaviour.md#transport, and Mesos' documentation of authentication):
//
//   - Every endpoint but /health and /version belongs to a realm: mesos-agent-executor, -readonly or -readwrite. One that has
//     an authenticator answers 401 to requests without good credentials.
//   - With Config.Tokens every custom executor finds a token in its environment. Its calls must come with the claims
//     that are in there: 403 if they are those of another executor, or if somebody with a name calls.
//   - What a principal may do is judged by ACLs: see auth_acl.go.

// envToken is the variable that holds an executor's token.
const envToken = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"

// realms are those of the endpoints; others belong to the read-write realm, so that a new endpoint is not open by mistake.
var realms = map[string]string{
	"/api/v1/executor":         auth.RealmAgentExecutors,
	"/containers":              auth.RealmAgentRead,
	"/containerizer/debug":     auth.RealmAgentRead,
	"/flags":                   auth.RealmAgentRead,
	"/metrics/snapshot":        auth.RealmAgentRead,
	"/monitor/statistics":      auth.RealmAgentRead,
	"/monitor/statistics.json": auth.RealmAgentRead,
	"/state":                   auth.RealmAgentRead,
	"/state.json":              auth.RealmAgentRead,
	"/files":                   auth.RealmAgentRead,

	"/health":  openRealm,
	"/version": openRealm,
}

const openRealm = "-"

// realmOf finds the realm of a path: that of the path itself or of the nearest above it.
func realmOf(path string) string {
	for path = strings.TrimRight(path, "/"); path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		if realm, ok := realms[path]; ok {
			return realm
		}
	}
	return auth.RealmAgentWrite
}

// authenticated finds out who a request is from and notes it there. It answers 401, or 403 where ACLs guard the path itself.
func (a *Agent) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		realm := realmOf(r.URL.Path)
		p, ok := a.cfg.Realms[realm].Authenticate(w, r)
		if !ok {
			a.log.Info("request without credentials that are known", "path", r.URL.Path, "realm", realm)
			return
		}
		if p != nil {
			r = r.WithContext(auth.WithPrincipal(r.Context(), p))
		}
		if !a.mayGet(p, r) {
			a.log.Info("request forbidden", "path", r.URL.Path, "principal", p)
			auth.Forbid(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkClaims checks that a call about an executor is from that executor.
func checkClaims(p *auth.Principal, e *executor) *problem {
	if p == nil {
		return nil
	}
	for _, claim := range []struct{ name, want, what string }{
		{auth.ClaimFramework, e.framework.id(), "framework ID"},
		{auth.ClaimExecutor, e.id(), "executor ID"},
		{auth.ClaimContainer, e.containerID.GetValue(), "container ID"},
	} {
		if got, ok := p.Claims[claim.name]; !ok || got != claim.want {
			return &problem{http.StatusForbidden, fmt.Sprintf(
				"Authenticated principal '%v' does not contain an '%s' claim with the %s %s, which is set in the call", p, claim.name, claim.what, claim.want)}
		}
	}
	return nil
}

// addToken puts an executor's token into its environment, over whatever the framework has put there.
func (a *Agent) addToken(env environment, e *executor) error {
	if a.cfg.Tokens == nil {
		return nil
	}
	token, err := a.cfg.Tokens.Token(map[string]string{
		auth.ClaimFramework: e.framework.id(),
		auth.ClaimExecutor:  e.id(),
		auth.ClaimContainer: e.containerID.GetValue(),
	})
	if err != nil {
		return err
	}
	env[envToken] = token
	return nil
}

// forbid answers 403 if a call about containers or files is not allowed. It reports whether it has answered.
func (a *Agent) forbid(w http.ResponseWriter, r *http.Request, allowed func(*auth.Principal) bool) bool {
	if a.cfg.Authorizer == nil {
		return false
	}
	var ok bool
	p := auth.FromContext(r.Context())
	if !a.do(w, r, func() { ok = allowed(p) }) {
		return true
	}
	if ok {
		return false
	}
	a.log.Info("call forbidden", "path", r.URL.Path, "principal", p)
	httpapi.Error(w, http.StatusForbidden, auth.Forbidden)
	return true
}

// securityFlags are the flags of mesos-agent that say what is required.
func (a *Agent) securityFlags(f map[string]string) {
	for flag, realm := range map[string]string{
		"authenticate_http_executors": auth.RealmAgentExecutors,
		"authenticate_http_readonly":  auth.RealmAgentRead,
		"authenticate_http_readwrite": auth.RealmAgentWrite,
	} {
		f[flag] = fmt.Sprint(a.cfg.Realms[realm] != nil)
	}
	if a.cfg.Authorizer != nil {
		f["authorizer"] = "local"
	}
	if a.cfg.LogFile != "" {
		f["external_log_file"] = a.cfg.LogFile
	}
}
