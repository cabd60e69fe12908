package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/internal/httpguard"
	"github.com/mesokit/mesokit/mesos/codec"
)

// Server returns a server of the endpoints of a master or of agents. What pages of other origins send in a browser is refused, and so are
// hosts at loopback that known, which gets a name in lower case, does not admit; see package httpguard.
func Server(endpoints http.Handler, known func(name string) bool) *http.Server {
	streams := func(r *http.Request) bool { return r.Header.Get("Content-Type") == codec.MediaTypeRecordIO }
	return httpguard.Server(httpguard.Handler(unzipped(endpoints), httpguard.Config{Host: known, LongBody: streams, Refuse: Error}))
}

// Known returns what Server takes, for a host name and further ones.
func Known(hostname string, more []string) func(string) bool {
	return func(name string) bool {
		return strings.EqualFold(name, hostname) || slices.ContainsFunc(more, func(h string) bool { return strings.EqualFold(name, h) })
	}
}
