package integration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// A session of a secure cluster goes on with the next master: over TLS, with its credentials, as its principal.
func TestSecureSessionFollowsTheLeader(t *testing.T) {
	f := build(t, func(c *cluster.Config) { c.Masters = 2 })
	masters := f.Masters()
	follower := f.Scheme() + "://" + masters[1].Address
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	// Who leads is told to those only whom the follower knows.
	m, err := operator.NewMaster(operator.MasterConfig{Masters: follower, Transport: f.client(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.GetAgents(ctx)
	f.errs = append(f.errs, err)
	if !errors.Is(err, transport.ErrUnauthorized) || strings.Contains(err.Error(), masters[0].Address) {
		t.Errorf("a follower answers %v to nobody", err)
	}
	if m, err = operator.NewMaster(operator.MasterConfig{Masters: follower, Transport: f.client(t, transport.Basic("ops", hush))}); err != nil {
		t.Fatal(err)
	}
	if _, err = m.GetAgents(ctx); err != nil {
		t.Errorf("redirected with credentials: %v", err)
	}

	connections := 0
	info := modern("follows")
	timeout := 60.0
	info.FailoverTimeout = &timeout
	session, err := scheduler.NewSession(scheduler.SessionConfig{
		Master:        f.MasterURL() + "," + follower,
		FrameworkInfo: info, Transport: f.client(t, transport.Basic("marathon", hush)),
		Backoff: func(int) time.Duration { return time.Millisecond },
		Handler: scheduler.HandlerFuncs{
			ConnectedFunc: func(ctx context.Context, s *scheduler.Session, c scheduler.Connected) error {
				if connections++; connections == 1 {
					return f.FailOver(ctx)
				}
				return nil
			},
			Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
				if connections < 2 {
					return nil
				}
				got, err := m.GetFrameworks(ctx)
				if err != nil {
					return err
				}
				if list := got.GetFrameworks(); len(list) != 1 || list[0].GetFrameworkInfo().GetPrincipal() != "marathon" {
					t.Errorf("after the failover there are %v", list)
				}
				return s.Teardown(ctx)
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Run(ctx); err != nil {
		t.Fatal(err)
	}
}
