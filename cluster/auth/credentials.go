package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Credential is a principal and its secret. It prints without the secret, whatever the verb.
type Credential struct {
	// Principal is the name, without colons and control characters.
	Principal string
	// Secret is never empty.
	Secret string
}

// String names the principal.
func (c Credential) String() string { return fmt.Sprintf("credential of %q", c.Principal) }

// Format prints String whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// MarshalJSON writes the principal only: a configuration that is logged or shown must not show secrets.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Principal string `json:"principal"`
	}{c.Principal})
}

// ConfigError is what is wrong with credentials or ACLs. It never quotes a secret.
type ConfigError struct {
	// What was read: "credentials" or "ACLs".
	What string
	// Path is where: "credentials[1].principal", "line 3", "run_tasks[0].users.type". Empty for the whole.
	Path string
	// Err says what is wrong and what is wanted.
	Err error
}

func (e *ConfigError) Error() string {
	if e.Path == "" {
		return e.What + ": " + e.Err.Error()
	}
	return e.What + ": " + e.Path + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// ParseCredentials reads the content of a file for --credentials of Mesos: JSON such as
//
//	{"credentials": [{"principal": "marathon", "secret": "…"}]}
//
// or lines of a principal and a secret with blanks between them. Unlike Mesos it refuses empty secrets, principals that
// HTTP basic authentication cannot carry, and principals that occur twice. Errors are of type *ConfigError.
func ParseCredentials(text []byte) ([]Credential, error) {
	var list []Credential
	var err error
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		list, err = parseCredentialsJSON(trimmed)
	} else {
		list, err = parseCredentialLines(string(text))
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

func credentialsError(path, format string, args ...any) error {
	return &ConfigError{"credentials", path, fmt.Errorf(format, args...)}
}

func parseCredentialsJSON(text []byte) ([]Credential, error) {
	var doc struct {
		Credentials []json.RawMessage `json:"credentials"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, credentialsError("", "want JSON with a list named credentials: %w", blandJSON(err))
	}
	if len(doc.Credentials) == 0 {
		return nil, credentialsError("credentials", "is empty or missing")
	}
	var list []Credential
	for i, raw := range doc.Credentials {
		path := fmt.Sprintf("credentials[%d]", i)
		var c struct {
			Principal string `json:"principal"`
			Secret    string `json:"secret"`
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, credentialsError(path, "want an object with principal and secret as text: %w", blandJSON(err))
		}
		list = append(list, Credential{c.Principal, c.Secret})
	}
	return list, CheckCredentials(list)
}

// blandJSON keeps the offset of an error and drops what was found there, which may be a secret.
func blandJSON(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("malformed at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("another type is expected at byte %d", e.Offset)
	}
	return errors.New("malformed")
}

func parseCredentialLines(text string) ([]Credential, error) {
	var list []Credential
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return nil, credentialsError(fmt.Sprintf("line %d", i+1), "has %d words; want a principal and a secret", len(words))
		}
		list = append(list, Credential{words[0], words[1]})
	}
	if len(list) == 0 {
		return nil, credentialsError("", "there are none")
	}
	return list, CheckCredentials(list)
}

// CheckCredentials finds what cannot be meant in credentials. The error is a *ConfigError.
func CheckCredentials(list []Credential) error {
	seen := map[string]bool{}
	for i, c := range list {
		path := fmt.Sprintf("credentials[%d]", i)
		switch {
		case c.Principal == "":
			return credentialsError(path+".principal", "is empty")
		case strings.ContainsFunc(c.Principal, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f }):
			return credentialsError(path+".principal", "%q has a colon or a control character, which HTTP basic authentication cannot carry", c.Principal)
		case c.Secret == "":
			return credentialsError(path+".secret", "of %q is empty", c.Principal)
		case strings.ContainsFunc(c.Secret, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return credentialsError(path+".secret", "of %q has a control character, which HTTP basic authentication cannot carry", c.Principal)
		case seen[c.Principal]:
			return credentialsError(path+".principal", "%q occurs twice", c.Principal)
		}
		seen[c.Principal] = true
	}
	return nil
}

// checker returns a function that compares without telling by its time how much is right. Secrets live in the
// closure as digests: package fmt prints the unexported fields of structs whatever their types say.
func checker(list []Credential) func(principal, secret string) bool {
	digests := make(map[string][sha256.Size]byte, len(list))
	for _, c := range list {
		digests[c.Principal] = sha256.Sum256([]byte(c.Secret))
	}
	return func(principal, secret string) bool {
		want, known := digests[principal]
		got := sha256.Sum256([]byte(secret))
		return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && known
	}
}
