package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// TLS describes the certificates of a cluster. The zero value has the cluster make an authority of its own, in memory, that issues a
// certificate for localhost, the loopback addresses and the hostnames of all agents; Cluster.CA is what to trust then.
type TLS struct {
	// Certificate of the master and all agents, with its chain; nil means one that the cluster issues. It must be good for the addresses
	// that they listen on, for there executors connect to.
	Certificate *tls.Certificate
	// CA is whom clients and executors are to trust, in PEM; nil means the cluster's own authority, or whoever is in the
	// chain of Certificate.
	CA []byte
	// RequireClientCertificate refuses clients without a certificate (LIBPROCESS_SSL_REQUIRE_CLIENT_CERT). Executors get one of the
	// cluster's own authority, and so does Cluster.ClientTLS.
	RequireClientCertificate bool
	// ClientCAs are those who may issue certificates of clients besides the cluster itself, in PEM.
	ClientCAs []byte
}

// tlsGuard is the TLS of a running cluster.
type tlsGuard struct {
	server    *tls.Config
	ca        []byte
	authority *authority // nil if nothing must be issued
	required  bool       // of clients: a certificate
	dir       string     // of the files for executors

	mu    sync.Mutex
	names []string         // that the certificate is to be good for
	cert  *tls.Certificate // nil until it is needed; never changed
	fixed bool             // the certificate is the user's
}

func newTLSGuard(cfg *TLS, dir string) (*tlsGuard, error) {
	g := &tlsGuard{required: cfg.RequireClientCertificate, dir: dir, fixed: cfg.Certificate != nil, cert: cfg.Certificate, ca: cfg.CA}
	var err error
	if !g.fixed || g.required {
		if g.authority, err = newAuthority(); err != nil {
			return nil, err
		}
	}
	switch {
	case !g.fixed:
		if len(g.ca) > 0 {
			return nil, errors.New("a CA without a Certificate; leave it out, and trust Cluster.CA")
		}
		g.ca = g.authority.pem
		g.cover("localhost", "127.0.0.1", "::1")
	case len(cfg.Certificate.Certificate) == 0 || cfg.Certificate.PrivateKey == nil:
		err = errors.New("the Certificate is empty; tls.LoadX509KeyPair reads one with its key")
	case len(g.ca) == 0:
		for _, der := range cfg.Certificate.Certificate {
			g.ca = append(g.ca, encodePEM("CERTIFICATE", der)...)
		}
	case !x509.NewCertPool().AppendCertsFromPEM(g.ca):
		err = errors.New("the CA holds no certificate in PEM")
	}
	if err != nil {
		return nil, err
	}
	g.server = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"}, // which is what Mesos speaks
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.certificate() },
	}
	if g.required {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(g.authority.pem)
		if len(cfg.ClientCAs) > 0 && !pool.AppendCertsFromPEM(cfg.ClientCAs) {
			return nil, errors.New("the ClientCAs hold no certificate in PEM")
		}
		g.server.ClientAuth, g.server.ClientCAs = tls.RequireAndVerifyClientCert, pool
	} else if len(cfg.ClientCAs) > 0 {
		return nil, errors.New("there are ClientCAs, but RequireClientCertificate is not set")
	}
	return g, g.writeFiles()
}

// certificate returns one that is good for all names so far.
func (g *tlsGuard) certificate() (*tls.Certificate, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cert == nil {
		cert, err := g.authority.issue("mesokit cluster", g.names)
		if err != nil {
			return nil, err
		}
		g.cert = cert
	}
	return g.cert, nil
}

// cover makes the certificate good for more names, if it is the cluster's own. Names that cannot stand in a certificate are
// left out: nobody can look for them either.
func (g *tlsGuard) cover(names ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range names {
		ok := n != "" && !strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r >= 0x7f })
		if ok && !g.fixed && !slices.Contains(g.names, n) {
			g.names, g.cert = append(slices.Clone(g.names), n), nil
		}
	}
}

// listen puts TLS on listeners, and sees to it that the certificate is good for their addresses.
func (g *tlsGuard) listen(inner listenFunction) listenFunction {
	return func(ctx context.Context, address string) (net.Listener, error) {
		l, err := inner(ctx, address)
		if err != nil {
			return nil, err
		}
		if host, _, split := net.SplitHostPort(l.Addr().String()); split == nil {
			err = g.checkHost(host)
		}
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		return tls.NewListener(l, g.server), nil
	}
}

func (g *tlsGuard) checkHost(host string) error {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // where it is reached then
	}
	if !g.fixed {
		g.cover(host)
		return nil
	}
	leaf, err := x509.ParseCertificate(g.cert.Certificate[0])
	if err == nil {
		err = leaf.VerifyHostname(host)
	}
	if err != nil {
		return fmt.Errorf("the certificate is not good for %s, where clients and executors connect to: %w", host, err)
	}
	return nil
}

// Files that executors find by their environment.
const (
	caFile   = "ca.pem"
	certFile = "client.pem"
	keyFile  = "client-key.pem"
)

func (g *tlsGuard) files() TLSFiles {
	f := TLSFiles{CA: filepath.Join(g.dir, caFile)}
	if g.required {
		f.ClientCert, f.ClientKey = filepath.Join(g.dir, certFile), filepath.Join(g.dir, keyFile)
	}
	return f
}

func (g *tlsGuard) writeFiles() error {
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	files := map[string][]byte{caFile: g.ca}
	if g.required {
		cert, err := g.authority.issue("mesokit client", nil)
		if err != nil {
			return err
		}
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			return err
		}
		files[certFile], files[keyFile] = encodePEM("CERTIFICATE", cert.Certificate[0]), encodePEM("PRIVATE KEY", key)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(g.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// environment adds the variables by which executors find their way.
func (g *tlsGuard) environment(env map[string]string) map[string]string {
	files := g.files()
	out := map[string]string{
		"LIBPROCESS_SSL_ENABLED":            "1",
		"LIBPROCESS_SSL_CA_FILE":            files.CA,
		"LIBPROCESS_SSL_VERIFY_SERVER_CERT": "1",
	}
	if g.required {
		out["LIBPROCESS_SSL_CERT_FILE"], out["LIBPROCESS_SSL_KEY_FILE"] = files.ClientCert, files.ClientKey
	}
	maps.Copy(out, env)
	return out
}

// client is the other side of server.
func (g *tlsGuard) client() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AppendCertsFromPEM(g.ca)
	if g.required {
		cert, err := g.authority.issue("mesokit client", nil)
		if err != nil {
			return nil, fmt.Errorf("cluster: a certificate for a client: %w", err)
		}
		cfg.Certificates = []tls.Certificate{*cert}
	}
	return cfg, nil
}

// authority issues certificates. Its key is nowhere but here.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// validity of certificates: longer than any cluster lives, from a little before now.
const validity = 10 * 365 * 24 * time.Hour

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate("mesokit cluster authority")
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, pem: encodePEM("CERTIFICATE", der)}, nil
}

// issue returns a certificate of a server that is good for names, or of a client if there are none.
func (a *authority) issue(subject string, names []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(subject)
	if err != nil {
		return nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, n := range names {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("a certificate for %q: %w", names, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func newTemplate(subject string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: subject},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity),
	}, nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
