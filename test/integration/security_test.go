package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// hush is a secret that must be seen nowhere.
const hush = "hush-3Fv9-never-printed"

// fort is a cluster in which everybody must authenticate, over TLS, with its whole log.
type fort struct {
	*cluster.Cluster
	log  *buffer
	errs []error // of clients
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

// build starts a fort. At the end of the test nothing that was logged or returned as an error may have a secret.
func build(t *testing.T, change ...func(*cluster.Config)) *fort {
	t.Helper()
	f := &fort{log: &buffer{}}
	cfg := cluster.Config{
		Logger: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Security: cluster.Security{
			Credentials:            []auth.Credential{{Principal: "marathon", Secret: hush}, {Principal: "ops", Secret: hush}},
			AuthenticateFrameworks: true, AuthenticateReadOnly: true, AuthenticateReadWrite: true, AuthenticateExecutors: true,
			ExecutorKey: auth.Key(hush),
			TLS:         &cluster.TLS{},
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	// Registered first, and so called last: after Close.
	t.Cleanup(func() {
		text := f.log.String() + fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg)
		for _, err := range f.errs {
			text += fmt.Sprintf("\n%v %+v %#v", err, err, err)
			for ; err != nil; err = errors.Unwrap(err) {
				text += fmt.Sprintf("\n%#v", err)
			}
		}
		for _, secret := range []string{hush, base64.StdEncoding.EncodeToString([]byte("marathon:" + hush)), base64.StdEncoding.EncodeToString([]byte("ops:" + hush)), "wrong-" + hush} {
			if strings.Contains(text, secret) {
				t.Errorf("a log, an error or a printed Config has a secret:\n%s", text)
			}
		}
		if token := jwt.FindString(text); token != "" {
			t.Errorf("a log or an error has the token %s:\n%s", token, text)
		}
	})
	f.Cluster = start(t, cfg)
	return f
}

// client returns a transport of a principal, or of somebody without credentials.
func (f *fort) client(t *testing.T, credentials transport.Credentials) *transport.Client {
	t.Helper()
	trust, err := f.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	tr, err := transport.New(transport.Config{TLS: trust, Credentials: credentials})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// subscribe subscribes a framework of a principal.
func (f *fort) subscribe(t *testing.T, principal string, info *mesospb.FrameworkInfo) *framework {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: f.MasterURL(), Transport: f.client(t, transport.Basic(principal, hush))})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := client.Subscribe(ctx, info, scheduler.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w := &framework{t: t, Subscription: sub, events: make(chan *schedulerpb.Event, 1000), ctx: ctx}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(w.events)
		for e, err := range sub.Events() {
			if err != nil {
				return
			}
			w.events <- e
		}
	})
	t.Cleanup(func() { sub.Close(); cancel(); wg.Wait(); client.Close() })
	w.id = w.next(schedulerpb.Event_SUBSCRIBED).GetSubscribed().GetFrameworkId()
	return w
}

func TestSchedulerSessionWithCredentialsOverTLS(t *testing.T) {
	f := build(t)
	var last *mesospb.TaskStatus
	var principals []string
	session, err := scheduler.NewSession(scheduler.SessionConfig{
		Master: f.MasterURL(), FrameworkInfo: modern("secure"), Transport: f.client(t, transport.Basic("marathon", hush)),
		Handler: scheduler.HandlerFuncs{
			Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
				if offers[0].GetUrl().GetScheme() != "https" {
					t.Errorf("the offer's url is %v", offers[0].GetUrl())
				}
				if principals != nil {
					return nil
				}
				m, err := operator.NewMaster(operator.MasterConfig{Masters: f.MasterURL(), Transport: f.client(t, transport.Basic("ops", hush))})
				if err != nil {
					return err
				}
				defer m.Close()
				list, err := m.GetFrameworks(ctx)
				if err != nil {
					return err
				}
				for _, fw := range list.GetFrameworks() {
					principals = append(principals, fw.GetFrameworkInfo().GetPrincipal())
				}
				return s.Accept(ctx, scheduler.OfferIDs(offers[0]), nil, scheduler.Launch(shell("t", offers[0], "exit 0")))
			},
			Update: func(ctx context.Context, s *scheduler.Session, status *mesospb.TaskStatus) error {
				if last = status; status.GetState() == mesospb.TaskState_TASK_FINISHED {
					return s.Teardown(ctx)
				}
				return nil
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := session.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if last.GetState() != mesospb.TaskState_TASK_FINISHED {
		t.Errorf("the task ended as %v", last)
	}
	if len(principals) != 1 || principals[0] != "marathon" {
		t.Errorf("the framework's principal is %q, want that of its credentials", principals)
	}
}

func TestWithoutGoodCredentialsNobodyGetsIn(t *testing.T) {
	f := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	agentURL := f.Scheme() + "://" + f.Agents()[0].Address
	for name, credentials := range map[string]transport.Credentials{
		"none": nil, "wrong secret": transport.Basic("ops", "wrong-"+hush), "unknown principal": transport.Basic("nobody", hush),
		"forged token": transport.Bearer("eyJhbGciOiJIUzI1NiJ9.e30.wrong-" + hush),
	} {
		tr := f.client(t, credentials)
		client, err := scheduler.NewClient(scheduler.ClientConfig{Master: f.MasterURL(), Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		_, subscribed := client.Subscribe(ctx, modern("no"), scheduler.SubscribeOptions{})
		m, err := operator.NewMaster(operator.MasterConfig{Masters: f.MasterURL(), Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		_, mastered := m.GetAgents(ctx)
		a, err := operator.NewAgent(operator.AgentConfig{Address: agentURL, Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		_, asked := a.GetState(ctx)
		for what, err := range map[string]error{"SUBSCRIBE": subscribed, "GET_AGENTS": mastered, "GET_STATE of the agent": asked} {
			f.errs = append(f.errs, err)
			if !errors.Is(err, transport.ErrUnauthorized) {
				t.Errorf("%s: %s: got %v", name, what, err)
			}
		}
	}
	// With good ones all is open.
	tr := f.client(t, transport.Basic("ops", hush))
	m, err := operator.NewMaster(operator.MasterConfig{Masters: f.MasterURL(), Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.GetAgents(ctx); err != nil {
		t.Error(err)
	}
	a, err := operator.NewAgent(operator.AgentConfig{Address: agentURL, Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.GetState(ctx); err != nil {
		t.Error(err)
	}
	// Who does not trust the authority does not talk at all.
	stranger, err := transport.New(transport.Config{Credentials: transport.Basic("ops", hush)})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if m, err = operator.NewMaster(operator.MasterConfig{Masters: f.MasterURL(), Transport: stranger}); err != nil {
		t.Fatal(err)
	}
	_, err = m.GetAgents(ctx)
	f.errs = append(f.errs, err)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("without trust: got %v", err)
	}
}

func TestClientsWithoutCertificateAreRefusedWhereOneIsRequired(t *testing.T) {
	f := build(t, func(c *cluster.Config) { c.Security.TLS.RequireClientCertificate = true })
	trust, err := f.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	get := func(cfg *tls.Config) error {
		tr := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr}).Get(f.MasterURL() + "/health")
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(trust); err != nil {
		t.Error(err)
	}
	if err := get(&tls.Config{RootCAs: trust.RootCAs}); err == nil {
		t.Error("a client without a certificate was served")
	}
}

func TestFrameworksSeeWhatACLsForbid(t *testing.T) {
	acls, err := auth.ParseACLs([]byte(`{
		"register_frameworks": [{"principals": {"values": ["marathon"]}, "roles": {"values": ["*", "eng"]}}, {"principals": {"type": "NONE"}, "roles": {"type": "ANY"}}],
		"run_tasks": [{"principals": {"type": "ANY"}, "users": {"values": ["nobody"]}}, {"principals": {"type": "NONE"}, "users": {"type": "ANY"}}],
		"teardown_frameworks": [{"principals": {"values": ["marathon"]}, "framework_principals": {"type": "NONE"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	f := build(t, func(c *cluster.Config) { c.Security.ACLs = acls })
	w := f.subscribe(t, "marathon", modern("allowed"))
	offer := w.offers()[0]
	root := shell("root", offer, "true")
	root.Command.User = proto.String("root")
	w.launch(offer, root)
	status := w.next(schedulerpb.Event_UPDATE).GetUpdate().GetStatus()
	if status.GetState() != mesospb.TaskState_TASK_ERROR || status.GetReason() != mesospb.TaskStatus_REASON_TASK_UNAUTHORIZED {
		t.Errorf("a task as root: got %v", status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: f.MasterURL(), Transport: f.client(t, transport.Basic("ops", hush))})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Subscribe(ctx, modern("forbidden"), scheduler.SubscribeOptions{})
	if err == nil || !strings.Contains(err.Error(), "Not authorized to register framework") {
		t.Errorf("a framework in a role that is not its principal's: got %v", err)
	}
	for principal, want := range map[string]error{"marathon": transport.ErrForbidden, "ops": nil} {
		m, err := operator.NewMaster(operator.MasterConfig{Masters: f.MasterURL(), Transport: f.client(t, transport.Basic(principal, hush))})
		if err != nil {
			t.Fatal(err)
		}
		if want != nil {
			if err = m.Teardown(ctx, w.id.GetValue()); !errors.Is(err, want) {
				t.Errorf("TEARDOWN by %s: got %v, want %v", principal, err, want)
			}
			f.errs = append(f.errs, err)
		} else {
			defer func() {
				if err := m.Teardown(ctx, w.id.GetValue()); err != nil {
					t.Errorf("TEARDOWN by %s: %v", principal, err)
				}
			}()
		}
	}
}

// envHelper is set for the process that TestExecutorProcess is to be.
const envHelper = "MESOKIT_TEST_EXECUTOR"

// TestExecutorProcess is the program of a custom executor where an agent runs it, and nothing otherwise.
func TestExecutorProcess(t *testing.T) {
	if os.Getenv(envHelper) == "" {
		return
	}
	cfg, err := executor.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.HTTPS || os.Getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN") != "" {
		t.Fatal("no TLS, or the token is still in the environment")
	}
	err = executor.Run(t.Context(), cfg, executor.Handler{
		Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
			return s.Update(ctx, &mesospb.TaskStatus{TaskId: task.TaskId, State: mesospb.TaskState_TASK_FINISHED.Enum(), Message: proto.String("by the executor")})
		},
		Acknowledged: nil,
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestExecutorWithTokenOverTLS(t *testing.T) {
	for _, mutual := range []bool{false, true} {
		t.Run(fmt.Sprintf("client certificate %v", mutual), func(t *testing.T) {
			f := build(t, func(c *cluster.Config) { c.Security.TLS.RequireClientCertificate = mutual })
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			w := f.subscribe(t, "marathon", modern("custom"))
			offer := w.offers()[0]
			task := shell("t", offer, "")
			task.Command = nil
			task.Executor = &mesospb.ExecutorInfo{
				ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}, Resources: []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(64)},
				Command: &mesospb.CommandInfo{
					Value:       proto.String("'" + self + "' -test.run '^TestExecutorProcess$'"),
					Environment: &mesospb.Environment{Variables: []*mesospb.Environment_Variable{{Name: proto.String(envHelper), Value: proto.String("1")}}},
				},
			}
			w.launch(offer, task)
			if got := w.expect(mesospb.TaskState_TASK_FINISHED); got.GetMessage() != "by the executor" {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestSecureClusterInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network cluster.Network
		c, err := cluster.Start(t.Context(), cluster.Config{
			Network: &network, Seed: 1, Agents: cluster.Agents(2, cluster.AgentConfig{Simulated: true}),
			Security: cluster.Security{
				Credentials: []auth.Credential{{Principal: "ops", Secret: hush}}, AuthenticateReadWrite: true, TLS: &cluster.TLS{},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		trust, err := c.ClientTLS()
		if err != nil {
			t.Fatal(err)
		}
		tr, err := transport.New(transport.Config{DialContext: network.DialContext, TLS: trust, Credentials: transport.Basic("ops", hush)})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		m, err := operator.NewMaster(operator.MasterConfig{Masters: c.MasterURL(), Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.GetAgents(t.Context())
		if err != nil || len(got.GetAgents()) != 2 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestSecurityThatCannotBeMeantIsRefused(t *testing.T) {
	for name, s := range map[string]cluster.Security{
		"nobody could":       {AuthenticateFrameworks: true},
		"twice":              {Credentials: []auth.Credential{{Principal: "a", Secret: hush}, {Principal: "a", Secret: hush}}},
		"short key":          {AuthenticateExecutors: true, ExecutorKey: auth.Key("hush")},
		"unknown action":     {ACLs: &auth.ACLs{Rules: map[auth.Action][]auth.Rule{"run": {{}}}}},
		"empty certificate":  {TLS: &cluster.TLS{Certificate: &tls.Certificate{}}},
		"CA without reason":  {TLS: &cluster.TLS{CA: []byte("x")}},
		"clients' CA unused": {TLS: &cluster.TLS{ClientCAs: []byte("x")}},
	} {
		c, err := cluster.Start(t.Context(), cluster.Config{Security: s})
		if err == nil {
			c.Close()
			t.Errorf("%s: was accepted", name)
		} else if !strings.HasPrefix(err.Error(), "cluster: Config.Security") || strings.Contains(err.Error(), hush) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
