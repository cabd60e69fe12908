package detector

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultPort is the port of a master whose address names none.
const DefaultPort = 5050

// Config of the detectors that Parse makes. The zero value is ready to use.
type Config struct {
	// Scheme of masters whose address has none, "http" or "https"; "" means http. What ZooKeeper stores has
	// none either.
	Scheme string
	// SessionTimeout of ZooKeeper sessions; 0 means 10 s, as in Mesos.
	SessionTimeout time.Duration
	// PollInterval is how often a file is looked at; 0 means 2 s.
	PollInterval time.Duration
	// DialContext opens connections to ZooKeeper; nil means TCP.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Log is told what a detector lives through, such as a new leader's file, in one line without secrets; nil
	// means nobody is. It may be called concurrently.
	Log func(line string)
	// Warn is told of trouble that may pass, such as a ZooKeeper that cannot be reached, in the same way; nil means that Log is.
	Warn func(line string)
}

func (c Config) withDefaults() (Config, error) {
	switch c.Scheme {
	case "":
		c.Scheme = "http"
	case "http", "https":
	default:
		return c, fmt.Errorf("detector: scheme %q: want http or https", c.Scheme)
	}
	if c.SessionTimeout <= 0 {
		c.SessionTimeout = 10 * time.Second
	}
	if c.PollInterval <= 0 {
		c.PollInterval = 2 * time.Second
	}
	if c.Log == nil {
		c.Log = func(string) {}
	}
	if c.Warn == nil {
		c.Warn = c.Log
	}
	return c, nil
}

// SpecError is a specification of masters that Parse does not understand. It shows no secrets.
type SpecError struct {
	Spec   string
	Reason string
}

func (e *SpecError) Error() string {
	return fmt.Sprintf("master %q: %s", e.Spec, e.Reason)
}

// Parse returns the detector for spec, which is one of
//
//	host:port            one master; "host" alone means port 5050, and master@host:port is understood
//	http(s)://host:port  the same with a scheme, perhaps with the path prefix of a proxy
//	a,b,c                any of these, comma separated: masters of which one leads
//	zk://[user:password@]host1:2181,host2:2181/path
//	file:///path         a file that holds one of the above; it is followed as it changes
//
// A wrong spec is a *SpecError.
func Parse(spec string, cfg Config) (Detector, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return parse(spec, cfg)
}

func parse(spec string, cfg Config) (Detector, error) {
	spec = strings.TrimSpace(spec)
	switch {
	case strings.HasPrefix(spec, "zk://"):
		u, err := ParseZooKeeperURL(spec)
		if err != nil {
			return nil, err
		}
		return newZooKeeper(u, cfg), nil
	case strings.HasPrefix(spec, "file://"):
		path := strings.TrimPrefix(spec, "file://")
		if !strings.HasPrefix(path, "/") {
			return nil, &SpecError{Spec: spec, Reason: "want file:///absolute/path"}
		}
		return &file{path: path, cfg: cfg}, nil
	}
	var urls []string
	for part := range strings.SplitSeq(spec, ",") {
		u, err := BaseURL(part, cfg.Scheme)
		if err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	return fixed(urls), nil
}

// BaseURL returns the base URL of one master: spec is host, host:port, master@host:port, http://... or https://...;
// scheme is used where spec has none.
func BaseURL(spec, scheme string) (string, error) {
	spec = strings.TrimSpace(spec)
	wrong := func(reason string) (string, error) { return "", &SpecError{Spec: withoutUser(spec), Reason: reason} }
	if spec == "" {
		return wrong("the address is empty; want host:port, http(s)://host:port, zk://host:port/path or file:///path")
	}
	if !strings.Contains(spec, "://") {
		address := strings.TrimPrefix(spec, "master@")
		if strings.ContainsAny(address, "/?#@") {
			return wrong("want host:port")
		}
		if !hasPort(address) {
			address = net.JoinHostPort(strings.Trim(address, "[]"), strconv.Itoa(DefaultPort))
		}
		spec = scheme + "://" + address
	}
	u, err := url.Parse(spec)
	switch {
	case err != nil:
		return wrong("malformed URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return wrong("want a scheme of http, https, zk or file")
	case u.User != nil:
		return wrong("credentials do not belong into the address; set them apart, so that they stay out of logs")
	case u.Hostname() == "":
		return wrong("the host is missing")
	case u.RawQuery != "" || u.Fragment != "":
		return wrong("want no query and no fragment")
	case strings.HasSuffix(u.Host, ":"):
		return wrong("the port is missing after the colon")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return wrong("want a port of 1 to 65535")
		}
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// hasPort tells host:port and [v6]:port from host, v6 and [v6].
func hasPort(address string) bool {
	if strings.HasPrefix(address, "[") {
		return strings.Contains(address, "]:")
	}
	return strings.Count(address, ":") == 1
}

// Redacted returns a specification as Parse takes it without its credentials, fit for logs.
func Redacted(spec string) string { return withoutUser(spec) }

// withoutUser removes user information, which may hold a password, from what may not even be a URL.
func withoutUser(spec string) string {
	before, after, found := strings.Cut(spec, "://")
	if !found {
		before, after = "", spec
	} else {
		before += "://"
	}
	if i := strings.LastIndex(after, "@"); i >= 0 && after[:i] != "master" {
		after = "***@" + after[i+1:]
	}
	return before + after
}
