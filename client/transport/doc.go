// Package transport carries one Mesos v1 exchange or stream over HTTP: a message goes up, and nothing, a
// message or a stream of messages comes down.
//
// It is for authors of clients; frameworks use client/scheduler, client/executor and client/operator, which
// are built on it. It knows media types, credentials, TLS, timeouts and status codes, and it knows
// neither what a call means nor who leads: it follows no redirect, keeps no state between exchanges and
// repeats nothing (except once, with a fresh token, an exchange that was refused with 401).
//
//	client, err := transport.New(transport.Config{Codec: codec.JSON})
//	...
//	defer client.Close()
//	state := new(masterpb.Response)
//	err = client.CallResponse(ctx, "http://127.0.0.1:5050/api/v1", getMaster, state)
//
// # Errors
//
// A status code other than 2xx is a *StatusError, which matches the sentinel of its code (ErrForbidden,
// ErrNotLeader, ...) with errors.Is. Whatever kept the exchange from completing is an *ExchangeError
// around the cause; if the caller's context ended, it matches the context's error and its cause. A body
// that is not what it should be is a *ContentTypeError or a *DecodeError.
//
// # Secrets
//
// Credentials, the headers that carry them and user information in URLs appear in no error, trace or
// formatted value of this package. Messages may hold secrets too: Redact blanks them.
//
// Behaviour follows docs/behaviour.md#transport (Mesos: src/master/http.cpp, src/slave/http.cpp).
package transport
