package cluster

import (
	"context"
	"net"
	"testing"
	"time"
)

// Whoever holds the port of an agent that is away for a moment only delays its return.
func TestAnAgentWaitsForItsPort(t *testing.T) {
	c, err := Start(t.Context(), Config{Agents: []AgentConfig{{Resources: "cpus:1;mem:64;disk:64"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a := c.Agents()[0]
	if err := a.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	taken, err := c.listenAgain(t.Context(), a.Address)
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Resume(impatient); err == nil {
		t.Fatal("two listen at one address")
	}
	time.AfterFunc(100*time.Millisecond, func() { taken.Close() })
	if err := a.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", a.Address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
