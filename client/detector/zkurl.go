package detector

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// defaultZooKeeperPort is the port of a ZooKeeper server whose address names none.
const defaultZooKeeperPort = 2181

// ZooKeeperURL is a parsed zk:// URL. It formats without its password.
type ZooKeeperURL struct {
	// Servers of the ensemble, host:port each; at least one.
	Servers []string
	// Path of the node above the masters' nodes: absolute, never "/" itself, without a slash at its end.
	Path string

	user     string
	password func() string // a closure, as package fmt prints the fields of structs around a ZooKeeperURL
}

// Credentials returns what the URL has before its last @, for the digest scheme of ZooKeeper; ok is false if
// it has none.
func (u ZooKeeperURL) Credentials() (user, password string, ok bool) {
	if u.password == nil {
		return "", "", false
	}
	return u.user, u.password(), true
}

// String returns the URL with its password masked.
func (u ZooKeeperURL) String() string {
	credentials := ""
	if u.password != nil {
		credentials = u.user + ":***@"
	}
	return "zk://" + credentials + strings.Join(u.Servers, ",") + u.Path
}

// Format prints String whatever the verb.
func (u ZooKeeperURL) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

// ParseZooKeeperURL parses zk://[user:password@]host1:port1,host2:port2/path as Mesos does: the path
// starts at the first slash, the credentials end at the last @ before it, ports default to 2181 and the path
// must not be the root. A wrong URL is a *SpecError that shows no password.
func ParseZooKeeperURL(spec string) (ZooKeeperURL, error) {
	spec = strings.TrimSpace(spec)
	wrong := func(reason string) (ZooKeeperURL, error) {
		return ZooKeeperURL{}, &SpecError{Spec: withoutUser(spec), Reason: reason}
	}
	rest, ok := strings.CutPrefix(spec, "zk://")
	if !ok {
		return wrong("want zk://[user:password@]host1:port1,host2:port2/path")
	}
	var u ZooKeeperURL
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return wrong("the path is missing; masters register below one such as /mesos")
	}
	rest, u.Path = rest[:slash], strings.TrimSuffix(rest[slash:], "/")
	if reason := badPath(u.Path); reason != "" {
		return wrong(reason)
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, found := strings.Cut(rest[:at], ":")
		if !found || user == "" {
			return wrong("want credentials of the form user:password")
		}
		u.user, u.password = user, func() string { return password }
		rest = rest[at+1:]
	}
	for server := range strings.SplitSeq(rest, ",") {
		address, reason := serverAddress(strings.TrimSpace(server))
		if reason != "" {
			return wrong(reason)
		}
		u.Servers = append(u.Servers, address)
	}
	return u, nil
}

// serverAddress completes the address of a ZooKeeper server or says what is wrong with it.
func serverAddress(server string) (address, reason string) {
	if !hasPort(server) {
		server = net.JoinHostPort(strings.Trim(server, "[]"), strconv.Itoa(defaultZooKeeperPort))
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" || strings.ContainsAny(host, " \t\r\n[]") {
		return "", "a server is malformed; want host:port, separated by commas"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "a server has a wrong port; want 1 to 65535"
	}
	return net.JoinHostPort(host, port), ""
}

// badPath says what ZooKeeper would not like about an absolute path without a slash at its end, "" if nothing.
func badPath(path string) string {
	if path == "" {
		return "the path is the root; masters register below one such as /mesos"
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return "the path has an empty, . or .. component"
		}
		for _, r := range part {
			if r < ' ' || r >= 0x7f && r <= 0x9f || r == '\uFFFD' {
				return "the path has a control character or is no UTF-8"
			}
		}
	}
	return ""
}
