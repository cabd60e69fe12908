package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
