// Package apiclient talks to the API of framework/server: for the command line, and for programs that steer a scheduler from outside.
//
//	c, err := apiclient.New(apiclient.Config{Addresses: []string{"http://10.0.0.1:8080", "http://10.0.0.2:8080"}, Token: token})
//	defer c.Close()
//	text, err := c.Submit(ctx, definition, apiclient.SubmitOptions{})
//	for note, err := range c.Events(ctx, apiclient.EventOptions{Apps: []string{"web"}}) { … }
//
// Any scheduler of a group will do: those that do not lead redirect to the one that does, and the client follows, with its
// credentials. What it finds out is remembered for the next request. While nobody leads, requests wait for Config.Patience.
//
// Refusals are *Problem; errors.As finds them, and Problem.Type names the kind for programs.
package apiclient
