package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/server"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/resources"
)

// schedulerOptions are the flags of scheduler.
type schedulerOptions struct {
	name      string
	master    string
	user      string
	roles     []string
	failover  time.Duration
	store     string
	election  string
	listen    string
	advertise string
	hosts     []string
	apps      []string
	artifacts []string
	log       string
	logLevel  string
	authFile  string
	cert, key string
	agents    int
	uninstall bool
	pack      bool
	gpus      bool
	force     bool
	record    string
	placeTLS  placeTLS
	connection
}

func newScheduler() *cobra.Command {
	var o schedulerOptions
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "scheduler",
		Short: "Run the ready-made scheduler, which keeps applications running",
		Long: `scheduler registers with a Mesos master and keeps applications running: those of --app, and those that mesokit app submit, or
anybody else, gives to its REST API (described at /v1/openapi.json). Beside the API it serves /metrics, /healthz, /readyz and the
files of --artifact.

What it has to remember is in --store: by default a file, $XDG_STATE_HOME/mesokit/NAME.db (~/.local/state/mesokit/NAME.db). Interrupted
or killed, it leaves the tasks running, and goes on with them when it is started again with the same store. --uninstall removes
everything, tasks, volumes and the framework, and ends.

Several schedulers of the same --name stand in for each other with an --election and a --store that they share, in etcd or ZooKeeper: one
leads, the others send the users of their API to it.

Without --master and $` + envMaster + ` an embedded Mesos is started, whose tasks end with the scheduler; the store is in memory then.

A user in etcd: or zk: is authenticated with the password in $` + envStorePassword + `. With --store-tls, --store-ca or --store-cert
connections to etcd are secure. The file of --auth-file says who may use the API:
{"read": [{"token": "…"}], "write": [{"user": "admin", "password": "…"}]}
Readers are not shown what may be secret in definitions. "public_read": true lets everybody read so.`,
		Example: `  mesokit scheduler --app web.json
  mesokit scheduler --name prod --master zk://10.0.0.1:2181/mesos --role prod --listen 0.0.0.0:8080 --auth-file auth.json
  mesokit scheduler --name prod --master zk://10.0.0.1:2181/mesos --store etcd:10.0.0.1:2379/prod --election etcd:10.0.0.1:2379/prod`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runScheduler(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "mesokit", "name of the framework")
	f.StringVar(&o.master, "master", "", "master of the cluster: host:port, several with commas, or zk://… (or $"+envMaster+"); empty: an embedded Mesos")
	f.StringVar(&o.user, "user", "", "user that tasks run as (default: the current user)")
	f.StringArrayVar(&o.roles, "role", nil, "role of the framework; may be repeated (default *)")
	f.DurationVar(&o.failover, "failover-timeout", 7*24*time.Hour, "how long the master keeps the tasks while no scheduler is there")
	f.StringVar(&o.store, "store", "", "where the state is kept: memory, bolt:PATH, etcd:HOST:PORT,…/PREFIX or zk:HOST:PORT,…/PATH (default: a file)")
	f.StringVar(&o.election, "election", "standalone", "who leads: standalone, etcd:HOST:PORT,…/PREFIX or zk:HOST:PORT,…/PATH")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "where the API listens; port 0 for a free one")
	f.StringVar(&o.advertise, "advertise", "", "URL of the API for others: the other schedulers and the agents (default: from --listen)")
	f.StringArrayVar(&o.hosts, "allow-host", nil, "name by which a proxy on this machine calls the API; --advertise is one already; may be repeated")
	f.StringArrayVar(&o.apps, "app", nil, "file with an application in JSON, or directory with *.json, to run; may be repeated")
	f.StringArrayVar(&o.artifacts, "artifact", nil, "file to serve to tasks; its URL is printed; may be repeated")
	f.StringVar(&o.log, "log", "text", "format of the log on stderr: text, json or mlog")
	f.StringVar(&o.logLevel, "log-level", "info", "least level that is logged: debug, info, warn or error")
	f.StringVar(&o.authFile, "auth-file", "", "file that says who may use the API (default: everybody who can reach it)")
	f.StringVar(&o.cert, "tls-cert", "", "file with the certificate of the API and its chain, in PEM: it speaks https")
	f.StringVar(&o.key, "tls-key", "", "file with the key of --tls-cert, in PEM")
	f.IntVar(&o.agents, "agents", 1, "number of agents of the embedded Mesos")
	f.BoolVar(&o.gpus, "gpus", false, "ask for agents with GPUs from the beginning (default: as soon as an application needs them)")
	f.BoolVar(&o.pack, "pack", false, "fill agents up before others are used, unless an application says otherwise (default: spread instances over agents and zones)")
	f.StringVar(&o.record, "record", "", "record everything that the engine is told to this file, for mesokit replay; further terms go to FILE.2 and so on")
	f.BoolVar(&o.force, "force", false, "with --uninstall: give up what is on agents that are cut off or not offered, and list it")
	f.BoolVar(&o.uninstall, "uninstall", false, "kill all tasks, destroy the volumes, remove the framework and end; it cannot be undone")
	confirmFlag(cmd)
	o.placeTLS.flags(f)
	o.connection.flags(cmd)
	return cmd
}

// setup is what the flags of scheduler mean, checked before anything is started.
type setup struct {
	log       *slog.Logger
	apps      []*app.App
	auth      server.Auth
	tls       *tls.Config
	store     place
	election  place
	artifacts server.Artifacts
	files     map[string]string // names of artifacts, and the ends of their URLs
	to        access
}

func (o *schedulerOptions) setup(cmd *cobra.Command) (*setup, error) {
	s := &setup{files: map[string]string{}}
	var err error
	if s.log, err = newLog(cmd.ErrOrStderr(), o.log, o.logLevel); err != nil {
		return nil, err
	}
	if o.name == "" {
		return nil, usagef("--name is empty: the master shows frameworks by their names")
	}
	if o.master = masterOr(cmd, o.master); o.master == "" {
		err = o.connection.unused(cmd)
	} else {
		err = unusedFlags(cmd, "is for the embedded Mesos, and the one of --master or $"+envMaster+" is used", "agents")
	}
	if err != nil {
		return nil, err
	}
	if o.agents < 0 {
		return nil, usagef("--agents %d: want 0 or more", o.agents)
	}
	if o.failover < 0 {
		return nil, usagef("--failover-timeout %v: want 0 or more", o.failover)
	}
	for _, role := range o.roles {
		if err := resources.ValidateRole(role); err != nil {
			return nil, usagef("--role %q: %w", role, err)
		}
	}
	if o.store == "" && o.master == "" {
		o.store = "memory" // what it remembered would be gone with the embedded Mesos
	}
	if o.store == "" {
		if o.store, err = defaultStore(o.name); err != nil {
			return nil, err
		}
	}
	if s.store, err = parsePlace(o.store); err != nil || s.store.kind == "standalone" {
		return nil, usagef("--store: %w; want memory, bolt:PATH, etcd:HOST:PORT,…/PREFIX or zk:HOST:PORT,…/PATH", cmp.Or(err, errors.New("standalone is no store")))
	}
	if s.election, err = parsePlace(o.election); err != nil || s.election.kind == "memory" || s.election.kind == "bolt" {
		return nil, usagef("--election: %w; want standalone, etcd:HOST:PORT,…/PREFIX or zk:HOST:PORT,…/PATH", cmp.Or(err, fmt.Errorf("%s holds no elections", s.election.kind)))
	}
	if s.election.shared() && !s.store.shared() {
		return nil, usagef("--election %s with --store %s: whoever takes over would know nothing; use a store in etcd or ZooKeeper", s.election, s.store)
	}
	if err := o.placeTLS.secure(&s.store, &s.election); err != nil {
		return nil, err
	}
	if s.apps, err = readApps(o.apps); err != nil {
		return nil, err
	}
	if o.force && !o.uninstall {
		return nil, usagef("--force is for --uninstall")
	}
	if o.uninstall && (len(s.apps) > 0 || o.master == "") {
		return nil, usagef("--uninstall removes everything that runs on --master: it needs that, and no --app")
	}
	if s.auth, err = readAuth(o.authFile); err != nil {
		return nil, err
	}
	pair, err := keyPair("--tls-cert", o.cert, "--tls-key", o.key)
	if err != nil {
		return nil, err
	}
	if pair != nil {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair}}
	}
	for _, file := range o.artifacts {
		end, err := s.artifacts.AddFile(file)
		if err != nil {
			return nil, usagef("--artifact: %w", err)
		}
		if name := filepath.Base(file); s.files[name] == "" {
			s.files[name] = end
		} else {
			return nil, usagef("--artifact %s: there is another file of that name", file)
		}
	}
	s.to, err = o.connect(o.master)
	return s, err
}

// newLog returns the logger of --log and --log-level.
func newLog(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %q: want debug, info, warn or error", level)
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: least})), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least})), nil
	case "mlog":
		return slog.New(framework.NewMLOGHandler(w, framework.MLOGOptions{Level: least})), nil
	}
	return nil, usagef("--log %q: want text, json or mlog", format)
}

// readAuth reads the file of --auth-file.
func readAuth(file string) (auth server.Auth, err error) {
	if file == "" {
		return auth, nil
	}
	text, err := readPrivate("--auth-file", file)
	if err != nil {
		return auth, err
	}
	type credential struct {
		Token    string `json:"token"`
		User     string `json:"user"`
		Password string `json:"password"`
	}
	var all struct {
		Read       []credential `json:"read"`
		PublicRead bool         `json:"public_read"`
		Write      []credential `json:"write"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&all); err != nil {
		return auth, usagef("--auth-file %s: %w", file, err)
	}
	for _, c := range all.Read {
		auth.Read = append(auth.Read, server.Credential(c))
	}
	auth.PublicRead = all.PublicRead
	for _, c := range all.Write {
		auth.Write = append(auth.Write, server.Credential(c))
	}
	if len(auth.Write) == 0 {
		return auth, usagef(`--auth-file %s names nobody who may write: want {"write": [{"token": "…"}]}`, file)
	}
	return auth, nil
}

func runScheduler(cmd *cobra.Command, o schedulerOptions) (err error) {
	s, err := o.setup(cmd)
	if err != nil {
		return err
	}
	if o.uninstall {
		if err := confirm(cmd, "--uninstall kills all tasks of framework %s at %s, destroys their volumes and removes the framework", o.name, o.master); err != nil {
			return err
		}
	}
	ctx, end := context.WithCancelCause(cmd.Context())
	defer end(nil)
	embedded := o.master == ""
	if embedded {
		c, err := cluster.Start(ctx, cluster.Config{Agents: cluster.Agents(o.agents, cluster.AgentConfig{})})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		o.master = c.Master()
	}
	masters, err := s.to.detector(o.master, func(line string) { s.log.Warn(line, "part", "detector") })
	if err != nil {
		return err
	}
	slow := time.AfterFunc(connectPatience, func() { s.log.Warn("the store does not answer yet; waiting for it", "store", s.store.String()) })
	db, err := s.store.openStore(ctx)
	slow.Stop()
	if err != nil {
		return storeTrouble(s.store, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	elector, closeElector, err := s.election.elector(s.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeElector()) }()

	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	defer l.Close()
	api, err := o.url(l, s.tls != nil)
	if err != nil {
		return err
	}
	if u, err := url.Parse(api); err == nil {
		o.hosts = append(o.hosts, u.Host)
	}
	if host, _, _ := net.SplitHostPort(l.Addr().String()); len(s.auth.Write) == 0 && !net.ParseIP(host).IsLoopback() {
		s.log.Warn("everybody who can reach the API may do everything: name an --auth-file", "listen", l.Addr().String())
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var record func() (io.WriteCloser, error)
	if o.record != "" {
		record = func() (io.WriteCloser, error) { return openRecording(o.record) }
	}
	f, err := framework.New(framework.Config{
		Record: record,
		Name:   o.name, Detector: masters, Transport: s.to.config, Roles: o.roles, Principal: s.to.principal, User: o.user, GPUs: o.gpus, Core: core.Config{Pack: o.pack},
		FailoverTimeout: o.failover, Apps: s.apps, Store: db, Elector: elector, Info: election.Info{URL: api}, Log: s.log, Metrics: registry,
	})
	if err != nil {
		return err
	}
	srv, err := server.New(f, server.Config{Name: o.name, Auth: s.auth, Hosts: o.hosts, Backup: backupOf(db), TLS: s.tls, Metrics: registry, Artifacts: &s.artifacts, Log: s.log})
	if err != nil {
		return usagef("--auth-file %s: %w", o.authFile, err)
	}

	served := make(chan error, 1)
	go func() {
		err := srv.Serve(ctx, l)
		if err != nil {
			end(fmt.Errorf("the API: %w", err))
		}
		served <- err
	}()
	told := make(chan struct{})
	go func() {
		defer close(told)
		tell := ready{API: api, Store: s.store.String(), Name: o.name, Embedded: embedded, Artifacts: map[string]string{}}
		for name, tail := range s.files {
			tell.Artifacts[name] = api + "/artifacts/" + tail
		}
		if o.uninstall {
			if err := uninstall(ctx, cmd, f, o.force); err != nil {
				end(err)
			}
			return
		}
		tell.when(ctx, cmd, f)
	}()
	err = f.Run(ctx)
	interrupted := cmd.Context().Err() != nil
	end(nil)
	<-told
	if serveErr := <-served; serveErr != nil {
		return serveErr
	}
	switch {
	case interrupted:
		return nil
	case o.uninstall && err == nil:
		return emit(cmd, map[string]any{"uninstalled": o.name}, "The framework %s is removed.", o.name)
	case errors.Is(err, context.Canceled):
		return context.Cause(ctx)
	}
	if advice := s.to.refused(err); advice != "" {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return err
}

// storeTrouble says what to do about a store that cannot be opened.
func storeTrouble(p place, err error) error {
	var corrupt *store.CorruptError
	switch {
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("--store %s: %w: is this scheduler running already? Another one needs another --name or --store", p, err)
	case errors.As(err, &corrupt):
		return fmt.Errorf("--store %s: %w; restore a backup, or start with a new store: tasks that still run are reported then", p, err)
	}
	return fmt.Errorf("--store %s: %w", p, err)
}

// url is where others reach the API.
func (o *schedulerOptions) url(l net.Listener, secure bool) (string, error) {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if o.advertise != "" {
		if !strings.Contains(o.advertise, "://") {
			return scheme + "://" + o.advertise, nil
		}
		return strings.TrimRight(o.advertise, "/"), nil
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("what others know this machine as: %w; say it with --advertise", err)
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// ready is what scheduler tells when it works.
type ready struct {
	API         string            `json:"api"`
	Master      string            `json:"master,omitempty"`
	Name        string            `json:"name"`
	FrameworkID string            `json:"framework_id,omitempty"`
	Store       string            `json:"store"`
	Leading     bool              `json:"leading"`
	Leader      string            `json:"leader,omitempty"` // URL of another scheduler that leads
	Embedded    bool              `json:"embedded,omitempty"`
	Artifacts   map[string]string `json:"artifacts,omitempty"` // URLs by name
}

// when tells once the framework is subscribed, or guarded, or follows another scheduler.
func (r ready) when(ctx context.Context, cmd *cobra.Command, f *framework.Framework) {
	for s, st := range f.Watch(ctx) {
		r.Leading, r.Master, r.FrameworkID = st.Leading, st.Master, s.FrameworkID
		switch {
		case st.Leading && (st.Master != "" && s.Connected || s.Guard != nil):
		case !st.Leading && st.Leader != nil && st.Running && st.Leader.URL != r.API:
			r.Leader = cmp.Or(st.Leader.URL, st.Leader.ID)
		default:
			continue
		}
		r.tell(cmd, s)
		return
	}
}

func (r ready) tell(cmd *cobra.Command, s *core.Snapshot) {
	out := cmd.OutOrStdout()
	if structured(cmd) {
		_ = emit(cmd, r, "")
		return
	}
	switch {
	case r.Leader != "":
		fmt.Fprintf(out, "The scheduler %s stands by; %s leads. Its API is at %s\n", r.Name, r.Leader, r.API)
	case s.Guard != nil:
		fmt.Fprintf(out, "The scheduler %s does nothing yet: %s\n%s\nSee mesokit app guard --api %s\n", r.Name, s.Guard.Why, s.Guard.Advice, r.API)
	case r.Embedded:
		fmt.Fprintf(out, "The scheduler %s runs on an embedded Mesos at %s; its tasks end with it. Its API is at %s\n", r.Name, r.Master, r.API)
	default:
		fmt.Fprintf(out, "The scheduler %s runs as %s at %s, its state is in %s. Its API is at %s\n", r.Name, r.FrameworkID, r.Master, r.Store, r.API)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Artifacts)) {
		fmt.Fprintf(out, "%s: %s\n", name, r.Artifacts[name])
	}
	if s.Guard == nil {
		fmt.Fprintf(out, "Try: mesokit app ls --api %s. Stop with Ctrl-C.\n", r.API)
	}
}
