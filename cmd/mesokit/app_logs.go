package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/internal/visible"
)

// logsOptions are the flags of logs.
type logsOptions struct {
	follow bool
	files  []string
	tail   int // lines; -1: all
	master string
	connection
}

func newAppLogs() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Annotations: printsStream(), Use: "logs APP[/N]", Short: "Show what the tasks of an application wrote", Args: cobra.ExactArgs(1),
		Long: `logs shows stdout and stderr of the tasks of an application, or of one instance, from the sandboxes on the agents; those of several tasks
with their names in front. The agents are asked directly: where they want to know who asks, --principal and the other flags say it.

With --follow it goes on with what is written from then on, and with the tasks that come, until it is interrupted, the application is
removed or all its instances have reached their goal.`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			name, index, err := findInstance(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if o.tail < 0 && cmd.Flags().Changed("tail") {
				return usagef("--tail %d: want a number of lines", o.tail)
			}
			l := &logs{logsOptions: o, api: c, app: name, index: index, out: &sync.Mutex{}, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), tasks: map[string]*logTask{}}
			if structured(cmd) {
				l.emit = recorder(l.out, l.stdout)
			}
			return l.run(cmd.Context())
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on as more is written")
	f.StringArrayVar(&o.files, "file", []string{"stdout", "stderr"}, "file of the sandbox to show; may be repeated")
	f.IntVarP(&o.tail, "tail", "n", -1, "begin so many lines before the end of each file (default: its beginning)")
	f.StringVar(&o.master, "master", "", "master of the cluster (default: the one that the scheduler is subscribed to)")
	o.connection.flags(cmd)
	return cmd
}

// logs copies files of sandboxes.
type logs struct {
	logsOptions
	api    *apiclient.Client
	app    string
	index  int // -1: all
	out    *sync.Mutex
	stdout io.Writer
	stderr io.Writer
	emit   func(record)

	framework string
	masters   *operator.Master
	wire      *transport.Client
	tasks     map[string]*logTask // by id
	several   bool
	wg        sync.WaitGroup
	mu        sync.Mutex
	failed    error
}

type logTask struct {
	ended chan struct{} // closed when it grows no more
	over  bool
}

func (t *logTask) end() {
	if !t.over {
		t.over = true
		close(t.ended)
	}
}

// instances returns the instances that are meant; none if the application is gone while it is followed.
func (l *logs) instances(ctx context.Context) ([]apiclient.Task, error) {
	if l.index >= 0 {
		i, err := l.api.Instance(ctx, l.app, l.index)
		if err != nil {
			return nil, err
		}
		return []apiclient.Task{*i}, nil
	}
	if _, err := l.api.App(ctx, l.app); err != nil {
		return nil, err
	}
	return l.api.Tasks(ctx, apiclient.TaskFilter{Apps: []string{l.app}})
}

func (l *logs) run(ctx context.Context) error {
	list, err := l.instances(ctx)
	if err != nil {
		return err
	}
	if err := l.connectMaster(ctx); err != nil {
		return err
	}
	defer l.wire.Close()
	defer l.masters.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer l.wg.Wait()
	defer cancel()
	l.several = l.index < 0 && (l.follow || len(list) > 1) || len(list) > 0 && len(list[0].Members) > 1

	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		current, going := map[string]bool{}, false
		for _, i := range list {
			for id, name := range namesOf(i) {
				current[id] = i.State != "ended" && i.State != "lost" && i.Outcome == "active"
				if l.tasks[id] == nil {
					l.begin(ctx, id, name)
				}
			}
			going = going || i.Outcome == "active"
		}
		for id, t := range l.tasks {
			if !l.follow || !current[id] {
				t.end()
			}
		}
		if !l.follow || !going {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if list, err = l.instances(ctx); err != nil {
			if p, ok := errors.AsType[*apiclient.Problem](err); !ok || p.Status != 404 {
				return err
			}
			list = nil
		}
	}
	l.wg.Wait()
	if len(l.tasks) == 0 {
		return fmt.Errorf("nothing of %s has run yet; see mesokit app explain %[1]s", l.app)
	}
	return l.failed
}

// namesOf returns the tasks of an instance by id, with the names that they are shown under.
func namesOf(i apiclient.Task) map[string]string {
	if i.Task == "" {
		return nil
	}
	name := fmt.Sprintf("%s/%d", i.App, i.Index)
	if len(i.Members) == 0 {
		return map[string]string{i.Task: name}
	}
	m := map[string]string{}
	for _, t := range i.Members {
		m[t.ID] = name + "/" + t.Name
	}
	return m
}

func (l *logs) connectMaster(ctx context.Context) error {
	st, err := l.api.Status(ctx)
	if err != nil {
		return err
	}
	l.framework = st.FrameworkID
	if l.master == "" {
		l.master = st.Master
	}
	if l.master == "" {
		return fmt.Errorf("the scheduler is not subscribed to a master (%s); name one with --master", st.Trouble)
	}
	to, err := l.connect(l.master)
	if err != nil {
		return err
	}
	masters, err := to.detector(l.master, nil)
	if err != nil {
		return err
	}
	if l.wire, err = to.transport(); err != nil {
		return err
	}
	if l.masters, err = operator.NewMaster(operator.MasterConfig{Detector: masters, Scheme: to.scheme, Transport: l.wire}); err != nil {
		l.wire.Close()
	}
	return err
}

// begin shows the files of a task as they grow, until it has ended.
func (l *logs) begin(ctx context.Context, id, name string) {
	t := &logTask{ended: make(chan struct{})}
	l.tasks[id] = t
	l.wg.Go(func() {
		place, err := l.find(ctx, id, t.ended)
		if err == nil && place.Agent == "" {
			err = fmt.Errorf("its agent %s is not registered any more", place.AgentID)
		}
		if err != nil {
			l.fail(ctx, name, err)
			return
		}
		var files sync.WaitGroup
		for _, file := range l.files {
			files.Go(func() {
				w := l.writer(name, file)
				if err := errors.Join(l.copy(ctx, place, file, w, t.ended), w.Close()); err != nil {
					l.fail(ctx, name, fmt.Errorf("cannot read its %s: %w", file, err))
				}
			})
		}
		files.Wait()
	})
}

// find asks the master for a task. It may hear of it a moment after the scheduler has launched it.
func (l *logs) find(ctx context.Context, id string, ended <-chan struct{}) (*operator.TaskPlace, error) {
	for {
		place, err := l.masters.FindTask(ctx, l.framework, id)
		if _, none := errors.AsType[*operator.NotFoundError](err); !none {
			return place, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ended:
			return nil, err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (l *logs) copy(ctx context.Context, place *operator.TaskPlace, file string, w io.Writer, ended <-chan struct{}) error {
	agent, err := operator.NewAgent(operator.AgentConfig{Address: place.Agent, Transport: l.wire})
	if err != nil {
		return err
	}
	defer agent.Close()
	name := path.Join(place.Sandbox(), file)
	cfg := operator.FollowConfig{Done: ended, RetryFor: 10 * time.Second}
	if l.tail >= 0 {
		if cfg.Offset, err = lastLines(ctx, agent, name, l.tail); err != nil && !errors.Is(err, transport.ErrNotFound) {
			return err
		}
	}
	for piece, err := range agent.Follow(ctx, name, cfg) {
		if errors.Is(err, fs.ErrNotExist) {
			if file == "stdout" || file == "stderr" {
				return nil // it failed before it wrote anything
			}
			return noFile(ctx, agent, name)
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

func (l *logs) writer(name, file string) io.WriteCloser {
	to := visible.Raw(l.stdout)
	if file == "stderr" {
		to = visible.Raw(l.stderr)
	}
	switch {
	case l.emit != nil:
		return &jsonWriter{emit: l.emit, kind: file, task: name}
	case l.several:
		return &lineWriter{mu: l.out, w: to, prefix: visible.Line(name) + "| "}
	}
	return &plainWriter{mu: l.out, w: to}
}

// fail remembers and tells what kept the output of a task from being shown; others go on.
func (l *logs) fail(ctx context.Context, name string, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = &exitError{code: exitFailure}
	}
	l.out.Lock()
	defer l.out.Unlock()
	fmt.Fprintf(l.stderr, "mesokit: %s: %v\n", name, err)
}
