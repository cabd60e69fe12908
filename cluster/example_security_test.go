package cluster_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/auth"
)

// A cluster that speaks https and knows whom it lets in.
func ExampleSecurity() {
	acls, err := auth.ParseACLs([]byte(`{"view_flags": [
		{"principals": {"values": ["ops"]}, "flags": {"type": "ANY"}},
		{"principals": {"type": "NONE"}, "flags": {"type": "ANY"}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := cluster.Start(context.Background(), cluster.Config{Security: cluster.Security{
		Credentials:            []auth.Credential{{Principal: "ops", Secret: "ops-secret"}, {Principal: "marathon", Secret: "its-secret"}},
		AuthenticateFrameworks: true, AuthenticateReadOnly: true, AuthenticateReadWrite: true,
		ACLs: acls,
		TLS:  &cluster.TLS{},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	trust, err := c.ClientTLS()
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
	for _, who := range []struct{ principal, secret string }{{"ops", "guessed"}, {"marathon", "its-secret"}, {"ops", "ops-secret"}} {
		req, err := http.NewRequest(http.MethodGet, c.MasterURL()+"/flags", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		req.SetBasicAuth(who.principal, who.secret)
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Printf("%s: %s\n", who.principal, resp.Status)
	}
	// Output:
	// ops: 401 Unauthorized
	// marathon: 403 Forbidden
	// ops: 200 OK
}
