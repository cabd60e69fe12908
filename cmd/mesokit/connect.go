package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
)

// Variables of the environment that stand for flags. A secret has no flag: command lines are seen by everybody on the machine.
const (
	envPrincipal  = "MESOKIT_PRINCIPAL"
	envSecret     = "MESOKIT_SECRET"
	envSecretFile = "MESOKIT_SECRET_FILE"
	envCA         = "MESOKIT_CA"
)

// connection is how commands get into a cluster that asks who they are: the flags that they share.
type connection struct {
	principal  string
	secretFile string
	ca         string
	cert, key  string
	tls        bool
}

// flags adds the flags to a command.
func (c *connection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.principal, "principal", "", "principal (or $"+envPrincipal+"); with the secret in --secret-file or $"+envSecret+" it is authenticated")
	f.StringVar(&c.secretFile, "secret-file", "", "file with nothing but the secret (or $"+envSecretFile+")")
	f.BoolVar(&c.tls, "tls", false, "masters and agents speak https; not needed where --master is an https URL, or with --ca")
	f.StringVar(&c.ca, "ca", "", "file with the certificate authorities to trust, in PEM (or $"+envCA+"); default: those of the system")
	f.StringVar(&c.cert, "client-cert", "", "file with a certificate to show, in PEM; needs --client-key")
	f.StringVar(&c.key, "client-key", "", "file with the key of --client-cert, in PEM")
}

// unused refuses the flags where no master is connected to.
func (c *connection) unused(cmd *cobra.Command) error {
	return unusedFlags(cmd, "is for a --master, and an embedded Mesos is started without one", "principal", "secret-file", "tls", "ca", "client-cert", "client-key")
}

// unusedFlags refuses flags that were given where they would say nothing.
func unusedFlags(cmd *cobra.Command, why string, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			return usagef("--%s %s", name, why)
		}
	}
	return nil
}

// open reads what the flags name. scheme is that of addresses without one.
func (c *connection) open(master string) (cfg transport.Config, scheme string, err error) {
	if cfg.Credentials, err = c.credentials(); err != nil {
		return cfg, "", err
	}
	ca := cmp.Or(c.ca, os.Getenv(envCA))
	scheme = "http"
	if c.tls || ca != "" || c.cert != "" || c.key != "" || strings.HasPrefix(strings.ToLower(master), "https://") {
		scheme = "https"
		cfg.TLS, err = c.trust(ca)
	}
	return cfg, scheme, err
}

func (c *connection) credentials() (transport.Credentials, error) {
	principal, file, secret := cmp.Or(c.principal, os.Getenv(envPrincipal)), cmp.Or(c.secretFile, os.Getenv(envSecretFile)), os.Getenv(envSecret)
	if c.secretFile != "" {
		secret = "" // what was typed counts
	}
	switch {
	case principal == "" && c.secretFile != "":
		return nil, usagef("--secret-file without --principal: whose secret is it?")
	case principal == "":
		return nil, nil
	case strings.Contains(principal, ":"):
		return nil, usagef("--principal %q: a principal has no colon", principal)
	case secret == "" && file == "":
		return nil, nil // a Mesos without authentication takes the principal's name
	case secret == "":
		text, err := readPrivate("--secret-file", file)
		if err != nil {
			return nil, err
		}
		if secret = strings.TrimRight(string(text), "\r\n"); secret == "" {
			return nil, usagef("--secret-file %s is empty", file)
		}
	}
	return transport.Basic(principal, secret), nil
}

// trust makes the TLS configuration.
func (c *connection) trust(ca string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, usagef("--ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, usagef("--ca %s: no certificate in the file; want PEM", ca)
		}
	}
	pair, err := keyPair("--client-cert", c.cert, "--client-key", c.key)
	if pair != nil {
		cfg.Certificates = []tls.Certificate{*pair}
	}
	return cfg, err
}

// access is an open connection: what sessions and clients of masters and agents are made with.
type access struct {
	principal string // as which it is authenticated, if there are credentials
	scheme    string // of addresses without one
	config    transport.Config
}

// connect opens the connection, and finds what is wrong with the address of the master.
func (c *connection) connect(master string) (access, error) {
	cfg, scheme, err := c.open(master)
	if err != nil {
		return access{}, err
	}
	return access{scheme: scheme, config: cfg, principal: cmp.Or(c.principal, os.Getenv(envPrincipal))}, nil
}

// detector finds the masters. warn is told of trouble on the way that may pass.
func (k access) detector(master string, warn func(line string)) (detector.Detector, error) {
	d, err := detector.Parse(master, detector.Config{Scheme: k.scheme, Warn: warn})
	if err != nil {
		return nil, usagef("--master %q: %w", detector.Redacted(master), err)
	}
	return d, nil
}

// refused says what to do about an error by which masters or agents refuse who asks; nothing for other errors.
func (k access) refused(err error) string {
	event, told := errors.AsType[*scheduler.EventError](err)
	forbidden := errors.Is(err, transport.ErrForbidden) || told && strings.Contains(strings.ToLower(event.Error()), "not authorized")
	switch unknown := errors.Is(err, transport.ErrUnauthorized); {
	case unknown && k.principal == "":
		return "name a --principal and a --secret-file, or set $" + envPrincipal + " and $" + envSecret
	case unknown && k.config.Credentials == nil:
		return fmt.Sprintf("principal %q needs its secret, in --secret-file or $%s", k.principal, envSecret)
	case unknown:
		return fmt.Sprintf("the secret is not that of principal %q: see --secret-file and $%s", k.principal, envSecret)
	case forbidden && k.principal == "":
		return "nobody may do that without a --principal; the ACLs of the cluster say who may"
	case forbidden:
		return fmt.Sprintf("the ACLs of the cluster do not let principal %q: name another --principal with its --secret-file", k.principal)
	}
	return ""
}

// transport returns a client, which the caller closes.
func (k access) transport() (*transport.Client, error) {
	tr, err := transport.New(k.config)
	if err != nil {
		return nil, fmt.Errorf("cannot talk to a cluster: %w", err)
	}
	return tr, nil
}
