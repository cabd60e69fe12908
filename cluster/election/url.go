package election

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// zooKeeperPort is that of servers whose address names none.
const zooKeeperPort = "2181"

// URLError reports a zk:// address that makes no sense. It does not show credentials.
type URLError struct{ URL, Reason string }

func (e *URLError) Error() string {
	return fmt.Sprintf("election: %q: %s; want zk://[user:password@]host1:port1,host2:port2/path", e.URL, e.Reason)
}

// URL is the place of an election in ZooKeeper. It prints without its password.
type URL struct {
	// Servers of the ensemble, host:port each.
	Servers []string
	// Path of the node above those of the masters; absolute, not the root.
	Path string

	user string
	auth func() []byte // user:password; a function, so that it is not printed
}

// String returns the address without the password.
func (u URL) String() string {
	credentials := ""
	if u.auth != nil {
		credentials = u.user + ":***@"
	}
	return "zk://" + credentials + strings.Join(u.Servers, ",") + u.Path
}

// Format prints String, whatever the verb.
func (u URL) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

// ParseURL parses zk://[user:password@]host1:port1,host2:port2/path: the path begins at the first slash, credentials end at the last
// @ before it, and the path must not be the root. Errors are of type *URLError.
func ParseURL(text string) (URL, error) {
	text = strings.TrimSpace(text)
	shown := text
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		shown = "zk://***" + text[i:]
	}
	wrong := func(reason string) (URL, error) { return URL{}, &URLError{shown, reason} }
	rest, ok := strings.CutPrefix(text, "zk://")
	if !ok {
		return wrong("it does not begin with zk://")
	}
	servers, path, _ := strings.Cut(rest, "/")
	u := URL{Path: "/" + strings.TrimSuffix(path, "/")}
	if u.Path == "/" {
		return wrong("the path is missing; masters meet below one such as /mesos")
	}
	for part := range strings.SplitSeq(u.Path[1:], "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, unfit) {
			return wrong("the path has a component that is empty, . or .., or a character that ZooKeeper refuses")
		}
	}
	if i := strings.LastIndexByte(servers, '@'); i >= 0 {
		credentials := servers[:i]
		user, _, found := strings.Cut(credentials, ":")
		if !found || user == "" {
			return wrong("the credentials are not user:password")
		}
		u.user, u.auth = user, func() []byte { return []byte(credentials) }
		servers = servers[i+1:]
	}
	for server := range strings.SplitSeq(servers, ",") {
		server = strings.TrimSpace(server)
		host, port, err := net.SplitHostPort(server)
		if err != nil {
			host, port = strings.Trim(server, "[]"), zooKeeperPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "[]@ \t\r\n") {
			return wrong("a server is not host:port")
		}
		u.Servers = append(u.Servers, net.JoinHostPort(host, port))
	}
	return u, nil
}

// unfit are the characters that ZooKeeper has not in paths.
func unfit(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 && r <= 0xffff
}
