package auth

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
)

// Realms of masters and agents.
const (
	RealmScheduler      = "mesos-master-scheduler"
	RealmMasterRead     = "mesos-master-readonly"
	RealmMasterWrite    = "mesos-master-readwrite"
	RealmAgentRead      = "mesos-agent-readonly"
	RealmAgentWrite     = "mesos-agent-readwrite"
	RealmAgentExecutors = "mesos-agent-executor"
)

// Realms are authenticators by the names of what they guard. Realms without one are open.
type Realms map[string]*Authenticator

// Authenticator finds out who a request to a realm is from. A nil one lets everybody in, as nobody in particular.
type Authenticator struct {
	realm   string
	methods []method
}

// method is a scheme of the Authorization header.
type method struct {
	scheme string
	// check returns the principal, or what the challenge says beside the realm.
	check    func(value string) (*Principal, string)
	explains bool // the challenge says what was wrong
}

// NewAuthenticator returns an authenticator of a realm that takes basic credentials, tokens of a signer, or both.
// Without either it lets nobody in.
func NewAuthenticator(realm string, credentials []Credential, tokens *Signer) *Authenticator {
	a := &Authenticator{realm: realm}
	if len(credentials) > 0 || tokens == nil {
		a.methods = append(a.methods, basic(credentials))
	}
	if tokens != nil {
		a.methods = append(a.methods, bearer(tokens))
	}
	return a
}

// String names the realm.
func (a *Authenticator) String() string { return "authenticator of " + a.realm }

func basic(credentials []Credential) method {
	known := checker(credentials)
	return method{scheme: "Basic", check: func(value string) (*Principal, string) {
		text, err := base64.StdEncoding.DecodeString(value)
		name, secret, ok := strings.Cut(string(text), ":")
		if err != nil || !ok || !known(name, secret) {
			return nil, ""
		}
		return &Principal{Name: name}, ""
	}}
}

func bearer(tokens *Signer) method {
	return method{scheme: "Bearer", explains: true, check: func(value string) (*Principal, string) {
		claims, err := tokens.Verify(value)
		switch {
		case err != nil:
			return nil, "Invalid JWT: " + err.Error()
		case len(claims) == 0:
			return nil, "JWT claims missing"
		}
		return &Principal{Claims: claims}, ""
	}}
}

// Authenticate returns who the request is from. If that is not known it answers 401, with the challenges of the realm,
// and reports false.
func (a *Authenticator) Authenticate(w http.ResponseWriter, r *http.Request) (*Principal, bool) {
	if a == nil {
		return nil, true
	}
	var challenges []string
	for _, m := range a.methods {
		p, challenge := m.try(a.realm, r.Header["Authorization"])
		if p != nil {
			return p, true
		}
		challenges = append(challenges, challenge)
	}
	w.Header().Set("WWW-Authenticate", strings.Join(challenges, ", "))
	httpapi.Error(w, http.StatusUnauthorized, "401 Unauthorized.")
	return nil, false
}

// try returns the principal or the challenge.
func (m method) try(realm string, headers []string) (*Principal, string) {
	challenge := m.scheme + ` realm="` + realm + `"`
	if len(headers) == 0 {
		return nil, challenge // RFC 6750, section 3.1: no error where there was no attempt
	}
	scheme, value, ok := strings.Cut(headers[0], " ")
	why := ""
	switch {
	case !ok || strings.Contains(value, " "):
		why = "Malformed 'Authorization' header"
	case scheme != m.scheme:
		why = "Scheme unsupported"
	default:
		var p *Principal
		if p, why = m.check(value); p != nil {
			return p, ""
		}
	}
	if m.explains {
		challenge += `, error="invalid_token", error_description="` + why + `"`
	}
	return nil, challenge
}

// Forbid answers 403 with the text of Mesos.
func Forbid(w http.ResponseWriter) { httpapi.Error(w, http.StatusForbidden, Forbidden) }

// Forbidden is the text of a 403 for want of permission.
const Forbidden = "403 Forbidden."

// authorizable are the paths that get_endpoints is about.
var authorizable = [...]string{
	"/containers", "/files/debug", "/files/debug.json", "/logging/toggle", "/metrics/snapshot", "/monitor/statistics", "/monitor/statistics.json",
}

// Authorizable reports whether a path is one that ACLs of get_endpoints are about.
func Authorizable(path string) bool { return slices.Contains(authorizable[:], path) }
