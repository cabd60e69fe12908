package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/mesokit/mesokit/cluster/agent"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/master"
)

// Security says who may talk to a cluster, how, and what they may do. The zero value lets everybody do everything, over http, as Mesos
// does unless it is told otherwise. Each field stands for flags of mesos-master and mesos-agent. It prints without secrets.
//
//	acls, err := auth.ParseACLs(…)
//	cluster.Start(ctx, cluster.Config{Security: cluster.Security{
//		Credentials:            []auth.Credential{{Principal: "marathon", Secret: "…"}},
//		AuthenticateFrameworks: true,
//		AuthenticateExecutors:  true,
//		ACLs:                   acls,
//		TLS:                    &cluster.TLS{},
//	}})
type Security struct {
	// Credentials are whom the cluster knows (--credentials, --http_credentials), frameworks and operators alike; ACLs tell them
	// apart. auth.ParseCredentials reads the files of Mesos.
	Credentials []auth.Credential
	// AuthenticateFrameworks makes the master refuse schedulers without credentials (--authenticate_http_frameworks with
	// --http_framework_authenticators=basic).
	AuthenticateFrameworks bool
	// AuthenticateReadOnly and AuthenticateReadWrite make master and agents refuse operators without credentials
	// (--authenticate_http_readonly, --authenticate_http_readwrite).
	AuthenticateReadOnly, AuthenticateReadWrite bool
	// AuthenticateExecutors gives every custom executor a token and makes agents refuse calls of executors without it
	// (--authenticate_http_executors).
	AuthenticateExecutors bool
	// ExecutorKey signs those tokens (--jwt_secret_key); nil means a random key. At least auth.MinKey bytes.
	ExecutorKey auth.Key
	// ACLs say who may do what (--acls); nil allows everything. auth.ParseACLs reads those of Mesos. Rules that the embedded cluster
	// has no use for are named in the log.
	ACLs *auth.ACLs
	// Hosts are names by which clients on this machine may call master and agents, besides those of loopback, of this machine and the
	// host names of the agents. Others are refused: they may be of a page in a browser that had its name resolve to loopback.
	Hosts []string
	// TLS makes master and agents speak https (LIBPROCESS_SSL_ENABLED); nil means http.
	TLS *TLS
}

// guard is the Security of a running cluster.
type guard struct {
	realms struct{ master, agent auth.Realms }
	tokens *auth.Signer
	judge  *auth.Authorizer
	hosts  []string
	tls    *tlsGuard // nil without TLS
}

// secure prepares what Config.Security asks for. From then on the cluster listens with TLS, if it is to.
func (c *Cluster) secure() error {
	s := &c.cfg.Security
	if err := auth.CheckCredentials(s.Credentials); err != nil {
		return fmt.Errorf("cluster: Config.Security: %w", err)
	}
	if len(s.Credentials) == 0 && (s.AuthenticateFrameworks || s.AuthenticateReadOnly || s.AuthenticateReadWrite) {
		return errors.New("cluster: Config.Security wants frameworks or operators to authenticate, but there are no Credentials: nobody could")
	}
	judge, err := auth.NewAuthorizer(s.ACLs)
	if err != nil {
		return fmt.Errorf("cluster: Config.Security: %w", err)
	}
	g := &guard{judge: judge, hosts: s.Hosts}
	for _, action := range s.ACLs.Unenforced() {
		c.cfg.Logger.Warn("the embedded cluster does not enforce these ACLs", "action", action)
	}
	if s.AuthenticateExecutors {
		if g.tokens, err = auth.NewSigner(s.ExecutorKey); err != nil {
			return fmt.Errorf("cluster: Config.Security.ExecutorKey: %w", err)
		}
	}
	g.makeRealms(s)
	if s.TLS != nil {
		if g.tls, err = newTLSGuard(s.TLS, filepath.Join(c.dir, "tls")); err != nil {
			return fmt.Errorf("cluster: Config.Security.TLS: %w", err)
		}
		c.cfg.Listen = g.tls.listen(c.cfg.Listen)
	}
	c.guard = g
	return nil
}

func (g *guard) makeRealms(s *Security) {
	g.realms.master, g.realms.agent = auth.Realms{}, auth.Realms{}
	if s.AuthenticateFrameworks {
		g.realms.master[auth.RealmScheduler] = auth.NewAuthenticator(auth.RealmScheduler, s.Credentials, nil)
	}
	if s.AuthenticateReadOnly {
		g.realms.master[auth.RealmMasterRead] = auth.NewAuthenticator(auth.RealmMasterRead, s.Credentials, nil)
		g.realms.agent[auth.RealmAgentRead] = auth.NewAuthenticator(auth.RealmAgentRead, s.Credentials, g.tokens)
	}
	if s.AuthenticateReadWrite {
		g.realms.master[auth.RealmMasterWrite] = auth.NewAuthenticator(auth.RealmMasterWrite, s.Credentials, nil)
		g.realms.agent[auth.RealmAgentWrite] = auth.NewAuthenticator(auth.RealmAgentWrite, s.Credentials, g.tokens)
	}
	if s.AuthenticateExecutors {
		g.realms.agent[auth.RealmAgentExecutors] = auth.NewAuthenticator(auth.RealmAgentExecutors, nil, g.tokens)
	}
}

// master completes the configuration of a master.
func (g *guard) master(cfg master.Config) master.Config {
	cfg.Realms, cfg.Authorizer, cfg.HTTPS, cfg.Hosts = g.realms.master, g.judge, g.tls != nil, g.hosts
	return cfg
}

// agent completes the configuration of an agent.
func (g *guard) agent(cfg agent.Config) agent.Config {
	cfg.Realms, cfg.Authorizer, cfg.Tokens, cfg.HTTPS, cfg.Hosts = g.realms.agent, g.judge, g.tokens, g.tls != nil, g.hosts
	if g.tls == nil {
		return cfg
	}
	cfg.Environment = g.tls.environment(cfg.Environment)
	if !cfg.Simulated { // there may be thousands, and nobody can resolve their names
		g.tls.cover(cfg.Hostname)
	}
	return cfg
}

// close removes the files of TLS.
func (g *guard) close() error {
	if g == nil || g.tls == nil {
		return nil
	}
	return os.RemoveAll(g.tls.dir)
}

// Scheme returns "https" if the cluster has TLS, else "http".
func (c *Cluster) Scheme() string {
	if c.guard.tls != nil {
		return "https"
	}
	return "http"
}

// MasterURL returns the base URL of the master, such as https://127.0.0.1:5050. Detectors and clients take it where the scheme matters.
func (c *Cluster) MasterURL() string { return c.Scheme() + "://" + c.Master() }

// CA returns the certificates, in PEM, of whom clients must trust to talk to a cluster with TLS; nil without TLS.
func (c *Cluster) CA() []byte {
	if c.guard.tls == nil {
		return nil
	}
	return append([]byte(nil), c.guard.tls.ca...)
}

// TLSFiles names files in PEM with what clients need to talk to a cluster with TLS: whom to trust and, where clients must have
// one, a certificate and its key. They are there until Close. Names of what there is no file for are empty.
type TLSFiles struct {
	CA, ClientCert, ClientKey string
}

// TLSFiles returns the files.
func (c *Cluster) TLSFiles() TLSFiles {
	if c.guard.tls == nil {
		return TLSFiles{}
	}
	return c.guard.tls.files()
}

// ClientTLS returns what a client needs to talk to a cluster with TLS: whom to trust and, where clients must have one, a
// certificate. It is nil without TLS. Every call returns another copy.
func (c *Cluster) ClientTLS() (*tls.Config, error) {
	if c.guard.tls == nil {
		return nil, nil
	}
	return c.guard.tls.client()
}

// listenFunction is how a cluster listens.
type listenFunction = func(ctx context.Context, address string) (net.Listener, error)
