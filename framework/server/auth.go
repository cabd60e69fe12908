package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// Auth says who may do what. Without credentials everybody may do everything. Credentials never appear in logs or errors.
type Auth struct {
	// Read may look at things, but not at what may be secret in definitions.
	Read []Credential
	// PublicRead lets everybody look at things as Read does.
	PublicRead bool
	// Write may do everything.
	Write []Credential
}

// Credential is a bearer token, or a user with a password (HTTP basic).
type Credential struct {
	Token          string
	User, Password string
}

// String keeps secrets out of logs.
func (c Credential) String() string {
	if c.Token != "" {
		return "token ***"
	}
	return c.User + ":***"
}

// GoString keeps secrets out of logs.
func (c Credential) GoString() string { return c.String() }

type access int

const (
	nobody access = iota // no credentials needed
	read
	write
)

func (a *Auth) check() error {
	for _, c := range append(append([]Credential{}, a.Read...), a.Write...) {
		switch {
		case (c.Token == "") == (c.User == ""):
			return errors.New("server.Config.Auth: a credential needs either a token or a user with a password")
		case c.User != "" && c.Password == "":
			return errors.New("server.Config.Auth: user " + c.User + " has no password")
		case strings.Contains(c.User, ":"):
			return errors.New("server.Config.Auth: user names can't contain a colon: " + c.User)
		}
	}
	if (len(a.Read) > 0 || a.PublicRead) && len(a.Write) == 0 {
		return errors.New("server.Config.Auth: with a rule for reading, credentials to write are needed, or else everybody could write")
	}
	return nil
}

// writes reports whether a request may do everything.
func (a *Auth) writes(r *http.Request) bool { return len(a.Write) == 0 || a.matches(r, a.Write) }

// judge returns nil if a request may be served.
func (a *Auth) judge(r *http.Request, need access) *Problem {
	if need == nobody || a.writes(r) || need == read && a.PublicRead {
		return nil
	}
	given := r.Header.Get("Authorization")
	reads := a.matches(r, a.Read)
	switch {
	case reads && need == read:
		return nil
	case reads:
		return &Problem{Status: http.StatusForbidden, Detail: "these credentials may only read"}
	case given == "":
		return &Problem{Status: http.StatusUnauthorized, Detail: "credentials are needed: a bearer token, or user and password"}
	}
	return &Problem{Status: http.StatusUnauthorized, Detail: "these credentials are not known here"}
}

// matches compares in a time that does not tell how much was right.
func (a *Auth) matches(r *http.Request, all []Credential) bool {
	user, password, basic := r.BasicAuth()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	ok := 0
	for _, c := range all {
		switch {
		case bearer && c.Token != "":
			ok |= same(token, c.Token)
		case basic && c.User != "":
			ok |= same(user, c.User) & same(password, c.Password)
		}
	}
	return ok == 1
}

func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}
