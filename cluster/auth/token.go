//lint:file-ignore ST1005 the texts are those of Mesos

package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Signer makes and checks the tokens of executors: JSON web tokens (RFC 7519) signed with HMAC-SHA256, as an agent with
// --jwt_secret_key does. It prints without its key.
type Signer struct {
	sum func(text string) []byte
	now func() time.Time
}

// MinKey is the least number of bytes of a key: fewer can be guessed (RFC 7518, section 3.2, asks for 32).
const MinKey = 16

// NewSigner returns a signer with a key, or with a random one if key is nil.
func NewSigner(key Key) (*Signer, error) {
	if key == nil {
		key = make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, fmt.Errorf("auth: no random key: %w", err)
		}
	}
	if len(key) < MinKey {
		return nil, fmt.Errorf("auth: a key of %d bytes for tokens is too short; want at least %d, better 32", len(key), MinKey)
	}
	own := string(key)
	return &Signer{
		sum: func(text string) []byte {
			h := hmac.New(sha256.New, []byte(own))
			h.Write([]byte(text))
			return h.Sum(nil)
		},
		now: time.Now,
	}, nil
}

// String says what it is, without the key.
func (s *Signer) String() string { return "signer of executor tokens" }

// Names of the claims in the token of an executor.
const (
	ClaimFramework = "fid"
	ClaimExecutor  = "eid"
	ClaimContainer = "cid"
)

// Token returns a token with claims.
func (s *Signer) Token(claims map[string]string) (string, error) {
	payload, err := json.Marshal(claims) // sorted by name, as in Mesos
	if err != nil {
		return "", fmt.Errorf("auth: claims of a token: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(s.sum(text)), nil
}

// Verify checks a token and returns its claims, those that are not text as JSON. The error says what is wrong in the
// words of Mesos, without a part of the token.
func (s *Signer) Verify(token string) (map[string]string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("Expected 3 components in token, got %d", len(parts))
	}
	var header struct {
		Alg  string          `json:"alg"`
		Crit json.RawMessage `json:"crit"`
	}
	raw, err := segment(parts[0])
	if err != nil || json.Unmarshal(raw, &header) != nil {
		return nil, errors.New("Failed to decode token header")
	}
	if header.Alg != "HS256" {
		return nil, errors.New("Token 'alg' value does not match, expected HS256")
	}
	if header.Crit != nil {
		return nil, errors.New("Token 'crit' field is unsupported")
	}
	signature, err := segment(parts[2])
	if err != nil || !hmac.Equal(signature, s.sum(parts[0]+"."+parts[1])) {
		return nil, errors.New("Token signature does not match")
	}
	var payload map[string]json.RawMessage
	raw, err = segment(parts[1])
	if err != nil || json.Unmarshal(raw, &payload) != nil {
		return nil, errors.New("Failed to decode token payload")
	}
	return s.claims(payload)
}

func (s *Signer) claims(payload map[string]json.RawMessage) (map[string]string, error) {
	if exp, ok := payload["exp"]; ok {
		var at float64
		if json.Unmarshal(exp, &at) != nil {
			return nil, errors.New("JSON payload 'exp' field is not a number")
		}
		if at < float64(s.now().Unix()) {
			return nil, errors.New("Token has expired")
		}
	}
	claims := make(map[string]string, len(payload))
	for name, value := range payload {
		text := ""
		if json.Unmarshal(value, &text) != nil || string(value) == "null" {
			text = string(value)
		}
		claims[name] = text
	}
	return claims, nil
}

// segment decodes a part of a token, with or without padding.
func segment(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// Key is a secret key. It prints without its bytes, whatever the verb.
type Key []byte

// Format prints no more than the length.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "key of %d bytes", len(k)) }

// MarshalJSON writes null.
func (k Key) MarshalJSON() ([]byte, error) { return []byte("null"), nil }
