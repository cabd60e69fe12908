package auth

import (
	"context"
	"encoding/json"
)

// Principal is who has been authenticated: somebody with a name, or a process that bears a token with claims. A nil
// *Principal is nobody in particular: authentication is off.
type Principal struct {
	// Name is empty for the bearer of a token.
	Name string
	// Claims are those of the token, as text; nil for somebody with a name.
	Claims map[string]string
}

// String returns the name, or the claims in JSON as Mesos prints them.
func (p *Principal) String() string {
	switch {
	case p == nil:
		return ""
	case p.Claims == nil:
		return p.Name
	}
	text, err := json.Marshal(struct {
		Claims map[string]string `json:"claims"`
		Value  string            `json:"value,omitempty"`
	}{p.Claims, p.Name})
	if err != nil {
		return p.Name
	}
	return string(text)
}

// NameOf returns the name of a principal, empty for none.
func (p *Principal) NameOf() string {
	if p == nil {
		return ""
	}
	return p.Name
}

type principalKey struct{}

// WithPrincipal returns a context that carries who its request is from.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns who the request of a context is from, nil if nobody was authenticated.
func FromContext(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}
