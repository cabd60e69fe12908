package transport

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Credentials authenticate exchanges. Implementations are safe for concurrent use, honour ctx and
// print no secret.
type Credentials interface {
	// Authorization returns the value of the Authorization header. refused is "" at first; if the server
	// answers 401, Authorization is called again with the value that was refused, and the exchange is
	// repeated once if the result is a different one.
	Authorization(ctx context.Context, refused string) (string, error)
}

// Basic returns HTTP basic credentials of a Mesos principal (--authenticate_http_frameworks,
// --http_authenticators=basic).
func Basic(principal, secret string) Credentials {
	return newStatic(fmt.Sprintf("basic credentials of %q", principal),
		"Basic "+base64.StdEncoding.EncodeToString([]byte(principal+":"+secret)))
}

// Bearer returns credentials of one token that never changes, such as the one that an agent gives to an
// executor in MESOS_EXECUTOR_AUTHENTICATION_TOKEN.
func Bearer(token string) Credentials {
	return newStatic("bearer token", "Bearer "+token)
}

// static keeps its value in a closure: package fmt prints the unexported fields of structs around it without
// asking its Format method.
type static struct {
	kind  string
	value func() string
}

func newStatic(kind, value string) *static {
	return &static{kind: kind, value: func() string { return value }}
}

func (s *static) Authorization(context.Context, string) (string, error) { return s.value(), nil }
func (s *static) String() string                                        { return s.kind }
func (s *static) Format(f fmt.State, _ rune)                            { fmt.Fprint(f, s.kind) }

// Token is a bearer token. It formats without its value.
type Token struct {
	// Value goes into the Authorization header after "Bearer ".
	Value string
	// Expiry is when the token stops being valid; the zero time means not before it is refused.
	Expiry time.Time
}

// Format prints no more than the expiry.
func (t Token) Format(f fmt.State, _ rune) {
	if t.Expiry.IsZero() {
		fmt.Fprint(f, "bearer token")
		return
	}
	fmt.Fprintf(f, "bearer token valid until %v", t.Expiry)
}

// tokenMargin is how long before its expiry a token is replaced, so that it does not expire on the way.
const tokenMargin = 10 * time.Second

// BearerFunc returns credentials that fetch a token when the first is needed, shortly before one expires,
// and when one is refused. fetch is never called concurrently; exchanges that need the token wait for it
// no longer than their own contexts allow. A failed fetch fails the exchange that made it; the next
// one tries again.
func BearerFunc(fetch func(ctx context.Context) (Token, error)) Credentials {
	var token Token // in closures for the same reason as the value of static
	return &refreshing{
		fetch: fetch,
		lock:  make(chan struct{}, 1),
		load:  func() Token { return token },
		store: func(t Token) { token = t },
	}
}

type refreshing struct {
	fetch func(ctx context.Context) (Token, error)
	lock  chan struct{} // holds one element while the token is in use: unlike a mutex it can be waited for with a context
	load  func() Token
	store func(Token)
}

func (r *refreshing) Authorization(ctx context.Context, refused string) (string, error) {
	select {
	case r.lock <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-r.lock }()

	const scheme = "Bearer "
	token := r.load()
	fresh := token.Value != "" && (token.Expiry.IsZero() || time.Until(token.Expiry) > tokenMargin)
	// Another exchange may have replaced the refused token meanwhile.
	if fresh && scheme+token.Value != refused {
		return scheme + token.Value, nil
	}
	token, err := r.fetch(ctx)
	if err != nil {
		return "", fmt.Errorf("fetch a bearer token: %w", err)
	}
	if token.Value == "" {
		return "", errors.New("fetch a bearer token: the token is empty")
	}
	r.store(token)
	return scheme + token.Value, nil
}

func (r *refreshing) String() string             { return "refreshed bearer token" }
func (r *refreshing) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }
