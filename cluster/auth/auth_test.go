package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// secret is what must never be seen.
const secret = "s3cret-Ω-never-print"

func TestCredentialsAreReadInBothFormsOfMesos(t *testing.T) {
	want := []Credential{{"marathon", "a b"}, {"chronos", "x:y"}}
	for name, test := range map[string]struct {
		text string
		want []Credential
	}{
		"json":  {`{"credentials":[{"principal":"marathon","secret":"a b"},{"principal":"chronos","secret":"x:y"}]}`, want},
		"lines": {"marathon  ab\n\n chronos\tx:y \n", []Credential{{"marathon", "ab"}, {"chronos", "x:y"}}},
	} {
		got, err := ParseCredentials([]byte(test.text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) != len(test.want) {
			t.Fatalf("%s: got %d credentials, want %d", name, len(got), len(test.want))
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s: credential %d is %q with %q", name, i, got[i].Principal, got[i].Secret)
			}
		}
	}
}

func TestWrongCredentialsSayWhereAndNeverWhat(t *testing.T) {
	for text, path := range map[string]string{
		"":                   "",
		`{"credentials":[]}`: "credentials",
		`{"credentials":[{"principal":"a","secret":"` + secret + `"},{"principal":"a","secret":"` + secret + `"}]}`: "credentials[1].principal",
		`{"credentials":[{"principal":"a:b","secret":"` + secret + `"}]}`:                                           "credentials[0].principal",
		`{"credentials":[{"principal":"","secret":"` + secret + `"}]}`:                                              "credentials[0].principal",
		`{"credentials":[{"principal":"a"}]}`:                                                                       "credentials[0].secret",
		`{"credentials":[{"principal":"a","secret":["` + secret + `"]}]}`:                                           "credentials[0]",
		`{"credentials":["` + secret + `"]}`:                                                                        "credentials[0]",
		`{"credentials":"` + secret + `"}`:                                                                          "",
		`{"credentials":[{"principal":"a","secret":"` + secret + `]}`:                                               "",
		`{"credentials":[{"principal":"a","secret":"` + secret + `\n"}]}`:                                           "credentials[0].secret",
		"a b\n" + secret:     "line 2",
		"a " + secret + " c": "line 1",
	} {
		_, err := ParseCredentials([]byte(text))
		e, ok := errors.AsType[*ConfigError](err)
		if !ok || e.Path != path || e.What != "credentials" {
			t.Errorf("%s\ngot %v, want an error at %q", text, err, path)
		}
		if strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("the error quotes the secret: %v", err)
		}
	}
}

func TestNothingPrintsItsSecret(t *testing.T) {
	c := Credential{"p", secret}
	signer, err := NewSigner([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	a := NewAuthenticator("r", []Credential{c}, signer)
	values := []any{c, &c, []Credential{c}, struct{ c Credential }{c}.c, signer, a, struct{ A any }{a}, map[string]any{"k": c, "s": signer}, Realms{"r": a}}
	for _, v := range values {
		marshalled, _ := json.Marshal(v)
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v), string(marshalled), log.String()} {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%v", []byte(secret))) || strings.Contains(text, fmt.Sprintf("%#v", []byte(secret))) {
				t.Errorf("%T prints its secret: %s", v, text)
			}
		}
	}
}

// The first vector is the example of jwt.io, the second that of RFC 7515, appendix A.1.
func TestSignaturesAreThoseOfOthers(t *testing.T) {
	key, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		key   []byte
		token string
		want  map[string]string
		now   time.Time
	}{
		{[]byte("your-256-bit-secret"), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
			map[string]string{"sub": "1234567890", "name": "John Doe", "iat": "1516239022"}, time.Now()},
		{key, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
			map[string]string{"iss": "joe", "exp": "1300819380", "http://example.com/is_root": "true"}, time.Unix(1300819379, 0)},
	} {
		s, err := NewSigner(test.key)
		if err != nil {
			t.Fatal(err)
		}
		s.now = func() time.Time { return test.now }
		got, err := s.Verify(test.token)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTokensComeBack(t *testing.T) {
	s, err := NewSigner(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{ClaimFramework: "f", ClaimExecutor: `e"<>&`, ClaimContainer: "c"}
	token, err := s.Token(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	s, err := NewSigner([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSigner(nil)
	if err != nil {
		t.Fatal(err)
	}
	good, err := s.Token(map[string]string{"fid": "f"})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Token(map[string]string{"fid": "f"})
	if err != nil {
		t.Fatal(err)
	}
	signed := func(header, payload string) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		return text + "." + base64.RawURLEncoding.EncodeToString(s.sum(text))
	}
	parts := strings.Split(good, ".")
	const hs256 = `{"alg":"HS256"}`
	for name, token := range map[string]string{
		"empty":             "",
		"two parts":         parts[0] + "." + parts[1],
		"four parts":        good + ".x",
		"another key":       foreign,
		"no signature":      parts[0] + "." + parts[1] + ".",
		"cut signature":     good[:len(good)-4],
		"changed payload":   parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"fid":"g"}`)) + "." + parts[2],
		"algorithm none":    base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"signed but none":   signed(`{"alg":"none"}`, `{}`),
		"signed but RS256":  signed(`{"alg":"RS256"}`, `{}`),
		"algorithm a list":  signed(`{"alg":["HS256"]}`, `{}`),
		"critical":          signed(`{"alg":"HS256","crit":["x"]}`, `{}`),
		"expired":           signed(hs256, `{"exp":1000}`),
		"expiry is text":    signed(hs256, `{"exp":"never"}`),
		"payload is a list": signed(hs256, `[]`),
		"header not base64": "!." + parts[1] + "." + parts[2],
	} {
		if claims, err := s.Verify(token); err == nil {
			t.Errorf("%s: got %v", name, claims)
		} else if token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error quotes the token: %v", name, err)
		}
	}
	if _, err := NewSigner([]byte("short")); err == nil || strings.Contains(err.Error(), "short\"") {
		t.Errorf("a short key: %v", err)
	}
}

func basicHeader(name, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
}

func TestChallengesAreThoseOfMesos(t *testing.T) {
	tokens, err := NewSigner([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	token, err := tokens.Token(map[string]string{"fid": "f"})
	if err != nil {
		t.Fatal(err)
	}
	credentials := []Credential{{"ops", secret}, {"colon", "a:b"}}
	onlyBasic := NewAuthenticator(RealmMasterRead, credentials, nil)
	onlyToken := NewAuthenticator(RealmAgentExecutors, nil, tokens)
	both := NewAuthenticator(RealmAgentWrite, credentials, tokens)
	const b, e = `Basic realm="mesos-master-readonly"`, `Bearer realm="mesos-agent-executor"`
	for _, test := range []struct {
		name      string
		a         *Authenticator
		header    string
		who       string
		challenge string
	}{
		{"open", nil, "", "", ""},
		{"right", onlyBasic, basicHeader("ops", secret), "ops", ""},
		{"colon in the secret", onlyBasic, basicHeader("colon", "a:b"), "colon", ""},
		{"none", onlyBasic, "", "", b},
		{"wrong secret", onlyBasic, basicHeader("ops", "x"), "", b},
		{"no secret", onlyBasic, basicHeader("ops", ""), "", b},
		{"unknown", onlyBasic, basicHeader("nobody", ""), "", b},
		{"other scheme", onlyBasic, "Bearer " + token, "", b},
		{"scheme in lower case", onlyBasic, "basic " + basicHeader("ops", secret)[6:], "", b},
		{"not base64", onlyBasic, "Basic !!", "", b},
		{"no colon", onlyBasic, "Basic " + base64.StdEncoding.EncodeToString([]byte("ops")), "", b},
		{"token", onlyToken, "Bearer " + token, `{"claims":{"fid":"f"}}`, ""},
		{"no token", onlyToken, "", "", e},
		{"malformed", onlyToken, "Bearer", "", e + `, error="invalid_token", error_description="Malformed 'Authorization' header"`},
		{"basic for a token", onlyToken, basicHeader("ops", secret), "", e + `, error="invalid_token", error_description="Scheme unsupported"`},
		{"forged", onlyToken, "Bearer a.b", "", e + `, error="invalid_token", error_description="Invalid JWT: Expected 3 components in token, got 2"`},
		{"either: basic", both, basicHeader("ops", secret), "ops", ""},
		{"either: token", both, "Bearer " + token, `{"claims":{"fid":"f"}}`, ""},
		{"either: none", both, "", "", `Basic realm="mesos-agent-readwrite", Bearer realm="mesos-agent-readwrite"`},
	} {
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		if test.header != "" {
			r.Header.Set("Authorization", test.header)
		}
		w := httptest.NewRecorder()
		p, ok := test.a.Authenticate(w, r)
		if ok != (test.challenge == "") || p.String() != test.who {
			t.Errorf("%s: got %v, %q; want %q", test.name, ok, p, test.who)
		}
		if got := w.Header().Get("WWW-Authenticate"); got != test.challenge {
			t.Errorf("%s: got the challenge %q, want %q", test.name, got, test.challenge)
		}
		if !ok && (w.Code != http.StatusUnauthorized || w.Body.String() != "401 Unauthorized.") {
			t.Errorf("%s: got %d %q", test.name, w.Code, w.Body)
		}
	}
}

func TestFirstRuleThatFitsDecides(t *testing.T) {
	acls, err := ParseACLs([]byte(`{
		"permissive": false,
		"register_frameworks": [
			{"principals": {"values": ["eng", "root"]}, "roles": {"values": ["eng/%", "eng", "misc"]}},
			{"principals": {"type": "NONE"}, "roles": {"values": ["secret"]}},
			{"principals": {"type": "ANY"}, "roles": {"values": ["open"]}},
			{"principals": {"values": ["banned"]}, "roles": {"type": "NONE"}}
		],
		"run_tasks": [
			{"principals": {"values": ["eng"]}, "users": {"type": "NONE"}},
			{"principals": {"type": "ANY"}, "users": {"type": "ANY"}}
		],
		"view_flags": [{"principals": {"values": ["eng"]}, "flags": {"type": "ANY"}}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthorizer(acls)
	if err != nil {
		t.Fatal(err)
	}
	named := func(n string) *Principal { return &Principal{Name: n} }
	for _, test := range []struct {
		p       *Principal
		action  Action
		objects []string
		want    bool
	}{
		{named("eng"), RegisterFrameworks, []string{"eng"}, true},
		{named("eng"), RegisterFrameworks, []string{"eng/a", "eng/a/b", "misc"}, true},
		{named("eng"), RegisterFrameworks, []string{"engine"}, false},
		{named("eng"), RegisterFrameworks, []string{"eng", "ops"}, false},
		{named("other"), RegisterFrameworks, []string{"eng/a"}, false},
		{named("eng"), RegisterFrameworks, []string{"secret"}, false},
		{named("other"), RegisterFrameworks, []string{"open"}, true},
		{nil, RegisterFrameworks, []string{"open"}, true},
		{nil, RegisterFrameworks, []string{"eng"}, false},
		{named("banned"), RegisterFrameworks, []string{"anything"}, false},
		{named("eng"), RegisterFrameworks, nil, false},
		{named("eng"), RunTasks, []string{"nobody"}, false},
		{named("other"), RunTasks, []string{"nobody"}, true},
		{nil, RunTasks, []string{"nobody"}, true},
		{named("eng"), ViewFlags, nil, true},
		{named("other"), ViewFlags, nil, false},
		{nil, ViewFlags, nil, false},
		{named("eng"), TeardownFrameworks, []string{"eng"}, false}, // no rule, strict
		{&Principal{Claims: map[string]string{"fid": "f"}}, RunTasks, []string{"nobody"}, false},
	} {
		if got := a.Approve(test.p, test.action, test.objects...); got != test.want {
			t.Errorf("%v may %s %q: got %v, want %v", test.p, test.action, test.objects, got, test.want)
		}
	}
	var open *Authorizer
	if !open.Approve(nil, RunTasks, "root") || !open.Permissive() {
		t.Error("without ACLs something is forbidden")
	}
	permissive, err := NewAuthorizer(&ACLs{Rules: map[Action][]Rule{RunTasks: {{Any(), Some("nobody")}}}})
	if err != nil {
		t.Fatal(err)
	}
	if !permissive.Approve(nil, RunTasks, "root") {
		t.Error("permissive ACLs forbid what no rule fits")
	}
}

func TestWrongACLsSayWhere(t *testing.T) {
	for text, path := range map[string]string{
		``:                      "",
		`null`:                  "",
		`[]`:                    "",
		`{"permissive": "yes"}`: "permissive",
		`{"run_task": []}`:      "run_task",
		`{"run_tasks": {}}`:     "run_tasks",
		`{"run_tasks": [{"principals": {"type": "ANY"}}]}`:                                             "run_tasks[0]",
		`{"run_tasks": [{"principals": {"type": "ANY"}, "users": {"type": "ANY"}, "roles": {}}]}`:      "run_tasks[0]",
		`{"run_tasks": [{"principals": {"type": "any"}, "users": {"type": "ANY"}}]}`:                   "run_tasks[0].principals.type",
		`{"run_tasks": [{"principals": {"type": "ANY"}, "users": ["a"]}]}`:                             "run_tasks[0].users",
		`{"run_tasks": [{"principals": {"type": "ANY"}, "users": null}]}`:                              "run_tasks[0].users",
		`{"view_flags": [{"principals": {"type": "ANY"}, "flags": {"values": ["a"]}}]}`:                "view_flags[0].flags",
		`{"get_endpoints": [{"principals": {"type": "ANY"}, "paths": {"values": ["/state"]}}]}`:        "get_endpoints[0].paths",
		`{"mark_agents_gone": [{"principals": {"type": "ANY"}, "agents": {"values": ["a", "b"]}}]}`:    "mark_agents_gone[0].agents",
		`{"teardown_frameworks": [{"principals": {"values": [1]}, "framework_principals": {"a": 1}}]}`: "teardown_frameworks[0].principals",
	} {
		_, err := ParseACLs([]byte(text))
		if e, ok := errors.AsType[*ConfigError](err); !ok || e.Path != path || e.What != "ACLs" {
			t.Errorf("%s\ngot %v, want an error at %q", text, err, path)
		}
	}
	if _, err := NewAuthorizer(&ACLs{Rules: map[Action][]Rule{"run": nil}}); err == nil {
		t.Error("an unknown action in Go was accepted")
	}
}

func TestRulesWithoutEffectAreNamed(t *testing.T) {
	acls := &ACLs{Rules: map[Action][]Rule{"register_agents": {{Any(), None()}}, RunTasks: {{Any(), Any()}}, "view_resource_providers": {}}}
	if diff := cmp.Diff([]Action{"register_agents"}, acls.Unenforced()); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseACLs(f *testing.F) {
	f.Add([]byte(`{"permissive":false,"run_tasks":[{"principals":{"type":"ANY"},"users":{"values":["a","b"]}}]}`))
	f.Add([]byte(`{"register_frameworks":[{"principals":{"type":"NONE"},"roles":{"values":["a/%","%","/%"]}}]}`))
	f.Add([]byte(`{"view_flags":[{"principals":{},"flags":{"type":"NONE"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		acls, err := ParseACLs(text)
		if err != nil {
			if _, ok := errors.AsType[*ConfigError](err); !ok {
				t.Fatalf("an error of type %T", err)
			}
			return
		}
		a, err := NewAuthorizer(acls)
		if err != nil {
			t.Fatalf("parsed, but not usable: %v", err)
		}
		for action := range kinds {
			a.Approve(nil, action)
			a.Approve(&Principal{Name: "p"}, action, "a", "a/b", "")
		}
		again, err := json.Marshal(acls)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseACLs(again)
		if err != nil {
			t.Fatalf("written %s: %v", again, err)
		}
		if third, err := json.Marshal(back); err != nil || string(third) != string(again) {
			t.Fatalf("%s became %s, %v", again, third, err)
		}
	})
}

func FuzzParseCredentials(f *testing.F) {
	f.Add([]byte(`{"credentials":[{"principal":"a","secret":"b"}]}`))
	f.Add([]byte("a b\nc d\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseCredentials(text)
		if err != nil {
			if _, ok := errors.AsType[*ConfigError](err); !ok {
				t.Fatalf("an error of type %T", err)
			}
			return
		}
		a := NewAuthenticator("r", list, nil)
		for _, c := range list {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", basicHeader(c.Principal, c.Secret))
			if p, ok := a.Authenticate(httptest.NewRecorder(), r); !ok || p.Name != c.Principal {
				t.Fatalf("%q cannot log in", c.Principal)
			}
		}
	})
}

func FuzzVerify(f *testing.F) {
	s, err := NewSigner([]byte(secret))
	if err != nil {
		f.Fatal(err)
	}
	token, err := s.Token(map[string]string{"a": "b"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.Verify(text); err == nil && strings.TrimRight(text, "=") != token {
			parts := strings.Split(text, ".")
			if len(parts) != 3 || strings.Join(parts[:2], ".") != strings.Join(strings.Split(token, ".")[:2], ".") {
				t.Fatalf("%q was accepted", text)
			}
		}
	})
}

// Whatever is in the header: nobody gets in but by the secret or a token that the signer made.
func FuzzAuthorizationHeader(f *testing.F) {
	tokens, err := NewSigner([]byte(secret))
	if err != nil {
		f.Fatal(err)
	}
	token, err := tokens.Token(map[string]string{"fid": "f"})
	if err != nil {
		f.Fatal(err)
	}
	a := NewAuthenticator("r", []Credential{{"ops", secret}}, tokens)
	for _, header := range []string{basicHeader("ops", secret), "Bearer " + token, "Basic", "Basic  ", "Bearer a.b.c", "Basic b3BzOg=="} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		p, ok := a.Authenticate(w, r)
		switch {
		case !ok && (p != nil || w.Code != 401 || w.Header().Get("WWW-Authenticate") == ""):
			t.Fatalf("%q: got %v, %d, %v", header, p, w.Code, w.Header())
		case ok && p.Name != "ops" && p.Claims["fid"] != "f":
			t.Fatalf("%q let in %v", header, p)
		case ok && p.Name == "ops" && !decodesTo(header, "ops:"+secret):
			t.Fatalf("%q let in ops", header)
		}
	})
}

func decodesTo(header, want string) bool {
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(header, "Basic "))
	return err == nil && string(text) == want
}
