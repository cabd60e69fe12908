package executor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mesokit/mesokit/client/transport"
)

type env map[string]string

func (e env) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

// agentEnv is what an agent of Mesos 1.12 sets for an executor of a checkpointing framework.
func agentEnv() env {
	return env{
		"LIBPROCESS_IP":                        "127.0.0.1",
		"LIBPROCESS_PORT":                      "0",
		"MESOS_AGENT_ENDPOINT":                 "127.0.0.1:5051",
		"MESOS_CHECKPOINT":                     "1",
		"MESOS_DIRECTORY":                      "/var/lib/mesos/agent/slaves/S0/frameworks/F/executors/probe/runs/R",
		"MESOS_EXECUTOR_ID":                    "probe",
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
		"MESOS_FRAMEWORK_ID":                   "8fd4e0b2-ece8-44b9-9b58-88a85706f49a-0018",
		"MESOS_HTTP_COMMAND_EXECUTOR":          "0",
		"MESOS_RECOVERY_TIMEOUT":               "15mins",
		"MESOS_SANDBOX":                        "/mnt/mesos/sandbox",
		"MESOS_SLAVE_ID":                       "8fd4e0b2-ece8-44b9-9b58-88a85706f49a-S0",
		"MESOS_SLAVE_PID":                      "slave(1)@127.0.0.1:5051",
		"MESOS_SUBSCRIPTION_BACKOFF_MAX":       "2secs",
	}
}

func TestFromEnvReadsWhatAnAgentSets(t *testing.T) {
	got, err := FromEnv(agentEnv().lookup)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		FrameworkID:            "8fd4e0b2-ece8-44b9-9b58-88a85706f49a-0018",
		ExecutorID:             "probe",
		AgentID:                "8fd4e0b2-ece8-44b9-9b58-88a85706f49a-S0",
		AgentEndpoint:          "127.0.0.1:5051",
		AgentProcess:           "slave(1)",
		Directory:              "/var/lib/mesos/agent/slaves/S0/frameworks/F/executors/probe/runs/R",
		Sandbox:                "/mnt/mesos/sandbox",
		Checkpoint:             true,
		RecoveryTimeout:        15 * time.Minute,
		SubscriptionBackoffMax: 2 * time.Second,
		ShutdownGracePeriod:    5 * time.Second,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Transport")); diff != "" {
		t.Errorf("FromEnv (-want +got):\n%s", diff)
	}
	if got.Transport.Credentials != nil {
		t.Errorf("credentials %v without a token", got.Transport.Credentials)
	}
	if url := got.AgentURL(); url != "http://127.0.0.1:5051/slave(1)" {
		t.Errorf("agent URL %s", url)
	}
}

func TestFromEnvVariants(t *testing.T) {
	tests := map[string]struct {
		set  env
		want func(c Config) any
		is   any
	}{
		"older agents give only the pid": {
			env{"MESOS_AGENT_ENDPOINT": "", "MESOS_SLAVE_PID": "slave(3)@10.0.0.7:6051"},
			func(c Config) any { return c.AgentURL() }, "http://10.0.0.7:6051/slave(3)",
		},
		"endpoint without pid": {
			env{"MESOS_SLAVE_PID": "", "MESOS_AGENT_ENDPOINT": "[::1]:5051"},
			func(c Config) any { return c.AgentURL() }, "http://[::1]:5051",
		},
		"no checkpointing":   {env{"MESOS_CHECKPOINT": "0"}, func(c Config) any { return c.Checkpoint }, false},
		"absent means no":    {env{"MESOS_CHECKPOINT": ""}, func(c Config) any { return c.Checkpoint }, false},
		"explicit zero":      {env{"MESOS_RECOVERY_TIMEOUT": "0ns"}, func(c Config) any { return c.RecoveryTimeout }, time.Duration(-1)},
		"fraction":           {env{"MESOS_RECOVERY_TIMEOUT": "1.5hrs"}, func(c Config) any { return c.RecoveryTimeout }, 90 * time.Minute},
		"domain socket":      {env{"MESOS_DOMAIN_SOCKET": "/run/a.sock"}, func(c Config) any { return c.DomainSocket }, "/run/a.sock"},
		"token":              {env{"MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "t0psecret"}, func(c Config) any { return fmt.Sprint(c.Transport.Credentials) }, "bearer token"},
		"tls":                {env{"LIBPROCESS_SSL_ENABLED": "true"}, func(c Config) any { return c.AgentURL() }, "https://127.0.0.1:5051/slave(1)"},
		"tls verifies":       {env{"LIBPROCESS_SSL_ENABLED": "1"}, func(c Config) any { return c.Transport.TLS.InsecureSkipVerify }, false},
		"unless told":        {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "false"}, func(c Config) any { return c.Transport.TLS.InsecureSkipVerify }, true},
		"by the older name":  {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_CERT": "0"}, func(c Config) any { return c.Transport.TLS.InsecureSkipVerify }, true},
		"the newer one wins": {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_VERIFY_CERT": "0", "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "1"}, func(c Config) any { return c.Transport.TLS.InsecureSkipVerify }, false},
		"socket without tls": {env{"LIBPROCESS_SSL_ENABLED": "1", "MESOS_DOMAIN_SOCKET": "/a.sock"}, func(c Config) any { return c.AgentURL() }, "http://127.0.0.1:5051/slave(1)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := agentEnv()
			for k, v := range tt.set {
				e[k] = v
			}
			cfg, err := FromEnv(e.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.is, tt.want(cfg)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromEnvNamesTheBadVariable(t *testing.T) {
	dir := t.TempDir()
	noPEM := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		set  env
		name string
		text string
	}{
		"no framework":      {env{"MESOS_FRAMEWORK_ID": ""}, "MESOS_FRAMEWORK_ID", "is not set"},
		"no executor":       {env{"MESOS_EXECUTOR_ID": ""}, "MESOS_EXECUTOR_ID", "is not set"},
		"no agent":          {env{"MESOS_AGENT_ENDPOINT": "", "MESOS_SLAVE_PID": ""}, "MESOS_AGENT_ENDPOINT", "is not set"},
		"endpoint no port":  {env{"MESOS_AGENT_ENDPOINT": "localhost"}, "MESOS_AGENT_ENDPOINT", "host:port"},
		"endpoint no host":  {env{"MESOS_AGENT_ENDPOINT": ":5051"}, "MESOS_AGENT_ENDPOINT", "host name"},
		"endpoint port 0":   {env{"MESOS_AGENT_ENDPOINT": "h:0"}, "MESOS_AGENT_ENDPOINT", "1 to 65535"},
		"endpoint a URL":    {env{"MESOS_AGENT_ENDPOINT": "http://h:1"}, "MESOS_AGENT_ENDPOINT", "host:port"},
		"pid without @":     {env{"MESOS_SLAVE_PID": "127.0.0.1:5051"}, "MESOS_SLAVE_PID", "process"},
		"pid with a slash":  {env{"MESOS_SLAVE_PID": "a/b@127.0.0.1:5051"}, "MESOS_SLAVE_PID", "without '/'"},
		"pid without id":    {env{"MESOS_SLAVE_PID": "@127.0.0.1:5051"}, "MESOS_SLAVE_PID", "process@host:port"},
		"pid bad port":      {env{"MESOS_SLAVE_PID": "s@h:99999"}, "MESOS_SLAVE_PID", "1 to 65535"},
		"checkpoint":        {env{"MESOS_CHECKPOINT": "yes"}, "MESOS_CHECKPOINT", "1 or 0"},
		"recovery no unit":  {env{"MESOS_RECOVERY_TIMEOUT": "15"}, "MESOS_RECOVERY_TIMEOUT", "unit"},
		"recovery Go style": {env{"MESOS_RECOVERY_TIMEOUT": "15m"}, "MESOS_RECOVERY_TIMEOUT", "unit"},
		"backoff negative":  {env{"MESOS_SUBSCRIPTION_BACKOFF_MAX": "-1secs"}, "MESOS_SUBSCRIPTION_BACKOFF_MAX", "negative"},
		"grace too long":    {env{"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "999999999999weeks"}, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "292 years"},
		"ca missing":        {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_CA_FILE": filepath.Join(dir, "no")}, "LIBPROCESS_SSL_CA_FILE", "no such file"},
		"ca not PEM":        {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_CA_FILE": noPEM}, "LIBPROCESS_SSL_CA_FILE", "PEM"},
		"cert without key":  {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_CERT_FILE": noPEM}, "LIBPROCESS_SSL_KEY_FILE", "is not set"},
		"key without cert":  {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_KEY_FILE": noPEM}, "LIBPROCESS_SSL_CERT_FILE", "is not set"},
		"cert not PEM":      {env{"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_CERT_FILE": noPEM, "LIBPROCESS_SSL_KEY_FILE": noPEM}, "LIBPROCESS_SSL_CERT_FILE", "certificate"},
		"tls flag":          {env{"LIBPROCESS_SSL_ENABLED": "maybe"}, "LIBPROCESS_SSL_ENABLED", "1 or 0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := agentEnv()
			e["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"] = "t0psecret"
			for k, v := range tt.set {
				e[k] = v
			}
			cfg, err := FromEnv(e.lookup)
			var bad *EnvError
			if !errors.As(err, &bad) {
				t.Fatalf("FromEnv = %+v, %v; want an *EnvError", cfg, err)
			}
			if bad.Name != tt.name || bad.Value != tt.set[tt.name] || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error names %s with value %q: %v; want %s with %q and the words %q", bad.Name, bad.Value, err, tt.name, tt.set[tt.name], tt.text)
			}
			if strings.Contains(err.Error(), "t0psecret") {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

func TestFromEnvReportsAllBadVariablesAtOnce(t *testing.T) {
	_, err := FromEnv(env{"MESOS_CHECKPOINT": "x"}.lookup)
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_AGENT_ENDPOINT", "MESOS_CHECKPOINT"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s:\n%v", name, err)
		}
	}
}

func TestConfigPrintsNoToken(t *testing.T) {
	e := agentEnv()
	e["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"] = "t0psecret"
	cfg, err := FromEnv(e.lookup)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, cfg); strings.Contains(text, "t0psecret") {
			t.Errorf("%s prints the token: %s", verb, text)
		}
	}
}

func TestFromEnvironmentTakesTheTokenAway(t *testing.T) {
	for k, v := range agentEnv() {
		t.Setenv(k, v)
	}
	t.Setenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "t0psecret")
	cfg, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := cfg.Transport.Credentials.Authorization(t.Context(), ""); got != "Bearer t0psecret" {
		t.Errorf("credentials send %q", got)
	}
	if _, ok := os.LookupEnv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"); ok {
		t.Error("tasks would inherit the token")
	}
}

func TestFromEnvLoadsCertificates(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	e := agentEnv()
	e["LIBPROCESS_SSL_ENABLED"] = "1"
	e["LIBPROCESS_SSL_CA_FILE"], e["LIBPROCESS_SSL_CERT_FILE"], e["LIBPROCESS_SSL_KEY_FILE"] = certFile, certFile, keyFile
	cfg, err := FromEnv(e.lookup)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Transport.TLS.Certificates); n != 1 || cfg.Transport.TLS.RootCAs == nil {
		t.Errorf("%d client certificates, roots %v", n, cfg.Transport.TLS.RootCAs)
	}
}

func TestConfigSaysWhatIsMissing(t *testing.T) {
	_, err := New(Config{AgentProcess: "a b"})
	if err == nil {
		t.Fatal("an empty Config makes a client")
	}
	for _, name := range []string{"FrameworkID", "ExecutorID", "AgentEndpoint", "AgentProcess"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s:\n%v", name, err)
		}
	}
	if _, err := New(Config{FrameworkID: "f", ExecutorID: "e", AgentEndpoint: "h:1", Transport: transport.Config{MaxFrame: -1}}); err == nil {
		t.Error("a bad transport configuration is taken")
	}
}

func TestGracePeriodLeavesTimeToEnd(t *testing.T) {
	tests := map[time.Duration]time.Duration{0: 3750 * time.Millisecond, time.Minute: 58 * time.Second, time.Second: 750 * time.Millisecond, -1: 0}
	for period, want := range tests {
		if got := (Config{ShutdownGracePeriod: period}).GracePeriod(); got != want {
			t.Errorf("grace period of %v: %v, want %v", period, got, want)
		}
	}
}

func FuzzFromEnv(f *testing.F) {
	e := agentEnv()
	f.Add(e["MESOS_SLAVE_PID"], e["MESOS_AGENT_ENDPOINT"], e["MESOS_RECOVERY_TIMEOUT"], "1")
	f.Add("slave(1)@[::1]:5051", "", "1.5hrs", "0")
	f.Add("a@b@c:1", "h%zz:1", "-0ns", "true")
	f.Add("", "[fe80::1%eth0]:80", "9223372036854775807ns", "")
	f.Fuzz(func(t *testing.T, pid, endpoint, duration, flag string) {
		e := agentEnv()
		e["MESOS_SLAVE_PID"], e["MESOS_AGENT_ENDPOINT"], e["MESOS_RECOVERY_TIMEOUT"], e["MESOS_CHECKPOINT"] = pid, endpoint, duration, flag
		cfg, err := FromEnv(e.lookup)
		if err != nil {
			var bad *EnvError
			if !errors.As(err, &bad) || bad.Name == "" {
				t.Fatalf("error without a variable: %v", err)
			}
			return
		}
		u, err := url.Parse(cfg.AgentURL() + "/api/v1/executor")
		if err != nil {
			t.Fatalf("accepted, but makes the malformed URL %s: %v", cfg.AgentURL(), err)
		}
		if u.Host != cfg.AgentEndpoint || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			t.Fatalf("accepted, but makes the URL %s", u)
		}
		if _, err := New(cfg); err != nil {
			t.Fatalf("FromEnv takes what New refuses: %v", err)
		}
	})
}
