package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// certificate makes a certificate for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return file(t, "cert.pem", text("CERTIFICATE", public)), file(t, "key.pem", text("PRIVATE KEY", secret))
}

func TestTheAPISpeaksHTTPSAndLogsAsTheOldSDK(t *testing.T) {
	c := testCluster(t)
	cert, key := certificate(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "memory", "--tls-cert", cert, "--tls-key", key, "--log", "mlog", "--log-level", "info")
	if !strings.HasPrefix(s.API, "https://127.0.0.1:") {
		t.Errorf("the API is at %s", s.API)
	}
	s.app("ls", "--api-ca", cert)
	if got := mesokit(t, t.Context(), "app", "ls"); got.code != 1 || !strings.Contains(got.stderr, "certificate") {
		t.Errorf("without trust: exit code %d, %s", got.code, got.stderr)
	}
	s.stop()
	for line := range strings.Lines(s.stderr.b.String()) {
		if !strings.HasPrefix(line, "*|1|") {
			t.Errorf("no MLOG line: %s", line)
		}
	}
	if s.stderr.b.Len() == 0 {
		t.Error("nothing was logged")
	}
}

// A server that asks for a certificate stands for etcd: what counts is who talks to it, and how.
func TestConnectionsToEtcdAreSecureWhenAskedTo(t *testing.T) {
	cert, key := certificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"scheduler": {"scheduler", "--master", "127.0.0.1:1", "--listen", "127.0.0.1:0"},
		"store":     {"store", "ls"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2"}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var shaken int
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer cancel()
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					err = c.(*tls.Conn).HandshakeContext(ctx)
					c.Close()
					if err == nil {
						shaken++
						return
					}
				}
			}()
			got := mesokit(t, ctx, append(args, "--store", "etcd:"+l.Addr().String()+"/x", "--store-ca", cert, "--store-cert", cert, "--store-key", key)...)
			l.Close()
			<-done
			if shaken != 1 {
				t.Errorf("nobody has come with a certificate: %+v", got)
			}
		})
	}
	for want, args := range map[string][]string{
		"go together":                {"--store", "etcd:a:1/x", "--store-cert", cert},
		"no certificate":             {"--store", "etcd:a:1/x", "--store-ca", key},
		"have no TLS":                {"--store", "zk:a:1/x", "--store-tls"},
		"are for a --store":          {"--store", "memory", "--store-tls"},
		"no such file":               {"--store", "etcd:a:1/x", "--store-ca", "/nowhere"},
		"--store-key: open /nowhere": {"--store", "etcd:a:1/x", "--store-cert", cert, "--store-key", "/nowhere"},
	} {
		if got := mesokit(t, t.Context(), append([]string{"scheduler", "--master", "127.0.0.1:1"}, args...)...); got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%v: exit code %d, %s; want %q", args, got.code, got.stderr, want)
		}
	}
}
