package cluster

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAgentsHaveHostnamesOfTheirOwnThatLeadToThem(t *testing.T) {
	only := func(ctx context.Context, address string) (net.Listener, error) {
		if !strings.HasPrefix(address, "127.0.0.1:") {
			return nil, errors.New("there is only 127.0.0.1")
		}
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	for name, cfg := range map[string]Config{
		"usual":                   {},
		"with 127.0.0.1 only":     {Listen: only},
		"with addresses of yours": {Agents: []AgentConfig{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0"}, {Address: "localhost:0"}}},
		"with TLS":                {Security: Security{TLS: &TLS{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if cfg.Agents == nil {
				cfg.Agents = Agents(3, AgentConfig{Resources: "cpus:1;mem:64;disk:64"})
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			c, err := Start(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			scheme := "http://"
			if cfg.Security.TLS != nil {
				scheme = "https://"
				trust, err := c.ClientTLS()
				if err != nil {
					t.Fatal(err)
				}
				client.Transport = &http.Transport{TLSClientConfig: trust}
				defer client.CloseIdleConnections()
			}
			seen := map[string]bool{}
			for i, a := range c.Agents() {
				if seen[a.Hostname] || i == 0 && a.Hostname != "localhost" {
					t.Errorf("agent %d is called %q", i+1, a.Hostname)
				}
				seen[a.Hostname] = true
				_, port, err := net.SplitHostPort(a.Address)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Get(scheme + net.JoinHostPort(a.Hostname, port) + "/health")
				if err != nil {
					t.Errorf("agent %d: %v", i+1, err)
					continue
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("agent %d: %s", i+1, resp.Status)
				}
			}
		})
	}
}

func TestSpellingsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for k := range 512 {
		name := spelling("localhost", k)
		if seen[name] || !strings.EqualFold(name, "localhost") {
			t.Fatalf("spelling %d is %q", k, name)
		}
		seen[name] = true
	}
}
