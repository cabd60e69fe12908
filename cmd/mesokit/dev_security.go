package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/auth"
)

// devSecurity are the flags of dev that say who may talk to the cluster and what they may do.
type devSecurity struct {
	credentials   string
	acls          string
	executors     bool
	tls           bool
	cert, key, ca string
	clientCerts   bool
	hosts         []string

	stderr func() io.Writer // gets warnings
}

func (s *devSecurity) flags(cmd *cobra.Command) {
	s.stderr = cmd.ErrOrStderr
	f := cmd.Flags()
	f.StringVar(&s.credentials, "credentials", "", "file with principals and secrets, as mesos-master --credentials; frameworks and operators must authenticate then")
	f.StringVar(&s.acls, "acls", "", "file with ACLs, or the JSON itself, as mesos-master --acls")
	f.StringArrayVar(&s.hosts, "allow-host", nil, "name by which clients on this machine may call master and agents, besides localhost and the agents' host names; may be repeated")
	f.BoolVar(&s.executors, "authenticate-executors", false, "give custom executors tokens, and refuse those without")
	f.BoolVar(&s.tls, "tls", false, "speak https, with a certificate made for this run unless --tls-cert is given")
	f.StringVar(&s.cert, "tls-cert", "", "file with the certificate of the master and agents and its chain, in PEM; implies --tls")
	f.StringVar(&s.key, "tls-key", "", "file with the key of --tls-cert, in PEM")
	f.StringVar(&s.ca, "tls-ca", "", "file with whom clients and executors are to trust for --tls-cert, in PEM (default: its chain)")
	f.BoolVar(&s.clientCerts, "require-client-cert", false, "refuse clients without a certificate of the cluster's own authority; implies --tls")
}

// config reads what the flags name.
func (s *devSecurity) config() (cluster.Security, error) {
	cfg := cluster.Security{AuthenticateExecutors: s.executors, Hosts: s.hosts}
	if s.credentials != "" {
		text, err := readPrivate("--credentials", s.credentials)
		if err != nil {
			return cfg, err
		}
		if cfg.Credentials, err = auth.ParseCredentials(text); err != nil {
			return cfg, usagef("--credentials %s: %w", s.credentials, err)
		}
		cfg.AuthenticateFrameworks, cfg.AuthenticateReadOnly, cfg.AuthenticateReadWrite = true, true, true
	}
	if s.acls != "" {
		text, name := []byte(s.acls), "--acls"
		if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
			name += " " + s.acls
			var err error
			if text, err = os.ReadFile(s.acls); err != nil {
				return cfg, usagef("--acls: %w", err)
			}
		}
		acls, err := auth.ParseACLs(text)
		if err != nil {
			return cfg, usagef("%s: %w", name, err)
		}
		for _, action := range acls.Unenforced() {
			fmt.Fprintf(s.stderr(), "mesokit: --acls: the embedded Mesos does not enforce %s\n", action)
		}
		cfg.ACLs = acls
	}
	return cfg, s.readTLS(&cfg)
}

func (s *devSecurity) readTLS(cfg *cluster.Security) error {
	pair, err := keyPair("--tls-cert", s.cert, "--tls-key", s.key)
	switch {
	case err != nil:
		return err
	case s.ca != "" && s.cert == "":
		return usagef("--tls-ca is for --tls-cert; without, the cluster has an authority of its own")
	case !s.tls && s.cert == "" && !s.clientCerts:
		return nil
	}
	cfg.TLS = &cluster.TLS{RequireClientCertificate: s.clientCerts, Certificate: pair}
	if s.ca != "" {
		text, err := os.ReadFile(s.ca)
		if err != nil {
			return usagef("--tls-ca: %w", err)
		}
		cfg.TLS.CA = text
	}
	return nil
}

// securityDescription is what dev --json tells of a cluster with TLS beside the addresses.
type securityDescription struct {
	Scheme     string `json:"scheme,omitempty"`
	CA         string `json:"ca,omitempty"`
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`
}

func describeSecurity(c *cluster.Cluster) securityDescription {
	files := c.TLSFiles()
	if files.CA == "" {
		return securityDescription{}
	}
	return securityDescription{Scheme: c.Scheme(), CA: files.CA, ClientCert: files.ClientCert, ClientKey: files.ClientKey}
}

// clientFlags are the flags by which the client commands get in.
func clientFlags(c *cluster.Cluster, s devSecurity) string {
	flags := "--master " + c.Master()
	d := describeSecurity(c)
	if d.CA != "" {
		flags = "--master " + c.MasterURL() + " --ca " + d.CA
	}
	if d.ClientCert != "" {
		flags += " --client-cert " + d.ClientCert + " --client-key " + d.ClientKey
	}
	if s.credentials != "" {
		flags += " --principal NAME --secret-file FILE"
	}
	return flags
}

// printHint says how to go on.
func printHint(w io.Writer, c *cluster.Cluster, s devSecurity) {
	fmt.Fprintf(w, "Point a Mesos client at %s, or try: mesokit run %s -- echo hello\nStop with Ctrl-C.\n", c.Master(), clientFlags(c, s))
}
