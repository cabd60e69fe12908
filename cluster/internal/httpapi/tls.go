package httpapi

import "crypto/tls"

// ServerTLS returns the configuration of a server's listener: that of the user, with nothing older than TLS 1.2 and with
// HTTP/1.1 only, which is what Mesos speaks.
func ServerTLS(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.NextProtos = []string{"http/1.1"}
	return cfg
}
