package transport_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mesokit/mesokit/client/transport"
)

func tlsServer(t *testing.T, cfg *tls.Config) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	server.TLS = cfg
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server, pool
}

func callTLS(t *testing.T, url string, cfg *tls.Config) error {
	t.Helper()
	client, err := transport.New(transport.Config{TLS: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return client.Call(t.Context(), url+"/api/v1/scheduler", revive())
}

func TestOwnCertificateAuthorityIsTrustedAndOthersAreNot(t *testing.T) {
	server, pool := tlsServer(t, nil)
	if err := callTLS(t, server.URL, &tls.Config{RootCAs: pool}); err != nil {
		t.Error(err)
	}
	if err := callTLS(t, server.URL, nil); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
}

func TestTLSBelow12IsRefusedEvenIfAskedFor(t *testing.T) {
	server, pool := tlsServer(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	cfg := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10}
	if err := callTLS(t, server.URL, cfg); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if cfg.MinVersion != tls.VersionTLS10 {
		t.Error("the caller's configuration was changed")
	}
}

func TestClientCertificateIsPresented(t *testing.T) {
	server, pool := tlsServer(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert})
	if err := callTLS(t, server.URL, &tls.Config{RootCAs: pool}); err == nil {
		t.Error("accepted without a client certificate")
	}
	own := server.TLS.Certificates[0]
	if err := callTLS(t, server.URL, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}); err != nil {
		t.Error(err)
	}
}
