// Package server offers an engine over HTTP: a REST API under /v1 with an OpenAPI document, events as server-sent events,
// problem+json errors, files for tasks to fetch, health, readiness and metrics.
//
//	s, err := server.New(f, server.Config{ // f is a *framework.Framework
//		Metrics: registry,
//		Auth:    server.Auth{Write: []server.Credential{{Token: token}}},
//	})
//	err = s.ListenAndServe(ctx, "0.0.0.0:8080")
//
// The API is described by /v1/openapi.json, which is made from the same table that the requests are served by. While another
// process leads, requests that concern the state are redirected (307) to it.
package server
