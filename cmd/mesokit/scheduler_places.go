package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mesokit/mesokit/framework/election"
	etcdelection "github.com/mesokit/mesokit/framework/election/etcd"
	zkelection "github.com/mesokit/mesokit/framework/election/zookeeper"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/bolt"
	"github.com/mesokit/mesokit/framework/store/etcd"
	"github.com/mesokit/mesokit/framework/store/memory"
	"github.com/mesokit/mesokit/framework/store/zookeeper"
)

// envStorePassword is the password of the user that --store and --election name.
const envStorePassword = "MESOKIT_STORE_PASSWORD"

// place is a service that keeps something: what --store and --election say.
type place struct {
	kind    string // memory, bolt, standalone, etcd, zk
	path    string // of a file; key prefix or node of a service
	servers []string
	user    string
	pass    string
	tls     *tls.Config // nil: none
}

// placeTLS are the flags of connections to etcd.
type placeTLS struct {
	on            bool
	ca, cert, key string
}

func (o *placeTLS) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.on, "store-tls", false, "etcd speaks TLS; not needed with the other --store- flags")
	f.StringVar(&o.ca, "store-ca", "", "file with the certificate authorities to trust for etcd, in PEM; default: those of the system")
	f.StringVar(&o.cert, "store-cert", "", "file with a certificate to show to etcd, in PEM; needs --store-key")
	f.StringVar(&o.key, "store-key", "", "file with the key of --store-cert, in PEM")
}

// secureBy is secure with flags that were read.
func secureBy(f *pflag.FlagSet, places ...*place) error {
	flag := func(name string) string { v, _ := f.GetString(name); return v }
	on, _ := f.GetBool("store-tls")
	return (&placeTLS{on, flag("store-ca"), flag("store-cert"), flag("store-key")}).secure(places...)
}

// secure has the places that are in etcd use TLS, if the flags say so.
func (o *placeTLS) secure(places ...*place) error {
	if !o.on && o.ca == "" && o.cert == "" && o.key == "" {
		return nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.ca != "" {
		text, err := os.ReadFile(o.ca)
		if err != nil {
			return usagef("--store-ca: %w", err)
		}
		if cfg.RootCAs = x509.NewCertPool(); !cfg.RootCAs.AppendCertsFromPEM(text) {
			return usagef("--store-ca %s: no certificate in the file; want PEM", o.ca)
		}
	}
	pair, err := keyPair("--store-cert", o.cert, "--store-key", o.key)
	if err != nil {
		return err
	}
	if pair != nil {
		cfg.Certificates = []tls.Certificate{*pair}
	}
	used := false
	for _, p := range places {
		if p.kind == "zk" {
			return usagef("--store-tls and the like are for etcd: connections to ZooKeeper (%s) have no TLS", p)
		}
		if p.kind == "etcd" {
			p.tls, used = cfg, true
		}
	}
	if !used {
		return usagef("--store-tls and the like are for a --store or --election in etcd")
	}
	return nil
}

// parsePlace reads kind, kind:PATH or kind:[USER[:PASSWORD]@]HOST:PORT,…[/PATH], where // may follow the first colon.
func parsePlace(text string) (place, error) {
	kind, rest, _ := strings.Cut(text, ":")
	p := place{kind: kind}
	switch kind {
	case "memory", "standalone":
		if rest != "" || strings.HasSuffix(text, ":") {
			return p, fmt.Errorf("nothing can follow %s", kind)
		}
		return p, nil
	case "bolt":
		if p.path = rest; rest == "" {
			return p, fmt.Errorf("want bolt:PATH of a file")
		}
		return p, nil
	case "etcd", "zk":
	default:
		return p, fmt.Errorf("%q is no kind that is known", kind)
	}
	rest = strings.TrimPrefix(rest, "//")
	authority, path, _ := strings.Cut(rest, "/")
	if path = strings.Trim(path, "/"); path != "" {
		p.path = "/" + path
	}
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		p.user, p.pass, _ = strings.Cut(authority[:i], ":")
		authority = authority[i+1:]
		if p.user == "" {
			return p, fmt.Errorf("there is an @ without a user before it")
		}
	}
	for server := range strings.SplitSeq(authority, ",") {
		host, port, ok := strings.Cut(server, ":")
		if strings.HasPrefix(server, "[") {
			end := strings.LastIndex(server, "]")
			host, port, ok = server[:end+1], strings.TrimPrefix(server[end+1:], ":"), strings.HasPrefix(server[end+1:], ":")
		}
		if !ok || host == "" || port == "" || strings.Trim(port, "0123456789") != "" || strings.ContainsAny(host, " \t\r\n") {
			return p, fmt.Errorf("%q is no server: want %s:HOST:PORT,…/PATH", server, kind)
		}
		p.servers = append(p.servers, server)
	}
	return p, nil
}

// password is that of the user, if there is one.
func (p place) password() string {
	if p.user == "" {
		return ""
	}
	return cmp.Or(p.pass, os.Getenv(envStorePassword))
}

// String leaves the password out.
func (p place) String() string {
	switch {
	case len(p.servers) > 0:
		return p.kind + ":" + strings.Join(p.servers, ",") + p.path
	case p.path != "":
		return p.kind + ":" + p.path
	}
	return p.kind
}

// shared says whether schedulers on other machines see the same.
func (p place) shared() bool { return len(p.servers) > 0 }

// defaultStore is where the state of a framework is kept unless it is said: $XDG_STATE_HOME/mesokit/NAME.db, which is
// ~/.local/state/mesokit/NAME.db.
func defaultStore(name string) (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("where to keep the state: %w; say it with --store", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return "bolt:" + filepath.Join(dir, "mesokit", strings.ReplaceAll(url.PathEscape(name), ".", "%2E")+".db"), nil
}

func (p place) openStore(ctx context.Context) (store.Store, error) {
	switch p.kind {
	case "memory":
		return memory.New(), nil
	case "bolt":
		return bolt.Open(p.path, bolt.Config{})
	case "etcd":
		return etcd.Open(ctx, etcd.Config{Endpoints: p.servers, TLS: p.tls, Prefix: p.path, Username: p.user, Password: p.password()})
	case "zk":
		return zookeeper.Open(ctx, zookeeper.Config{Servers: p.servers, Path: p.path, User: p.user, Password: p.password()})
	}
	return nil, usagef("--store %s: want memory, bolt:PATH, etcd:HOST:PORT,…/PREFIX or zk:HOST:PORT,…/PATH", p)
}

// elector returns nil for standalone, and what is to be closed in the end.
func (p place) elector(log *slog.Logger) (election.Elector, func() error, error) {
	tell := func(line string) { log.Info(line, "part", "election") }
	nothing := func() error { return nil }
	switch p.kind {
	case "standalone":
		return nil, nothing, nil
	case "etcd":
		e, err := etcdelection.New(etcdelection.Config{Endpoints: p.servers, TLS: p.tls, Prefix: p.path, Username: p.user, Password: p.password(), Log: tell})
		if err != nil {
			return nil, nil, err
		}
		return e, e.Close, nil
	case "zk":
		e, err := zkelection.New(zkelection.Config{Servers: p.servers, Path: p.path, User: p.user, Password: p.password(), Log: tell})
		return e, nothing, err
	}
	return nil, nil, usagef("--election %s: want standalone, etcd:HOST:PORT,…/PREFIX or zk:HOST:PORT,…/PATH", p)
}
