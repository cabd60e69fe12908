// Package redact takes secrets out of what people and logs get to see.
package redact

import (
	"regexp"
	"strings"
)

// Marker stands where a secret was.
const Marker = "[redacted]"

// address is an address with a user and more, up to the last @ of the word. A password should be escaped; one that is not may hold anything.
var address = regexp.MustCompile("(://|\\b(?:zk|etcd):)[^\\s/:@\"'`]*:[^\\s\"'`]*@")

// port is what follows the colon of an address without a user.
var port = regexp.MustCompile(`^\d{1,5}([/?#,]|$)`)

// Passwords takes the passwords out of the addresses in a text: of scheme://USER:PASSWORD@HOST, and of zk: and etcd: without slashes.
func Passwords(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	return address.ReplaceAllStringFunc(text, func(s string) string {
		cut := strings.Index(s, "://")
		if cut < 0 {
			cut = strings.IndexByte(s, ':') + 1
		} else {
			cut += len("://")
		}
		user, secret, _ := strings.Cut(s[cut:], ":")
		if port.MatchString(secret) {
			return s
		}
		return s[:cut] + user + ":" + Marker + "@"
	})
}
