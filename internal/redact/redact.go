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

// uri is a URI in a text, which may be in JSON, where an & is written otherwise.
var uri = regexp.MustCompile("[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^\\s\"'`<>\\\\]|\\\\u0026)*")

// value is a part of a query: its name, if it has one, and the rest.
var value = regexp.MustCompile(`((?:^|&|;|\\u0026)(?:[^&;=\\]*=)?)([^&;\\]+)`)

// URIs takes users with passwords, and the values of queries, out of the URIs in a text: for those who may not see secrets of applications.
func URIs(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return uri.ReplaceAllStringFunc(text, func(s string) string {
		rest, query, asks := strings.Cut(s, "?")
		scheme, authority, _ := strings.Cut(rest, "://")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 && isUser(authority[:at]) {
			rest = scheme + "://" + Marker + authority[at:]
		}
		if asks {
			rest += "?" + value.ReplaceAllString(query, "${1}"+Marker)
		}
		return rest
	})
}

// isUser reports whether what stands before an @ is a user, and not a host with a path.
func isUser(s string) bool {
	host, _, path := strings.Cut(s, "/")
	_, after, colon := strings.Cut(host, ":")
	return !path || colon && !port.MatchString(after)
}
