package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/internal/visible"
)

// Variables of the environment that stand for flags of app.
const (
	envAPI   = "MESOKIT_API"
	envToken = "MESOKIT_TOKEN"
)

func newApp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "app",
		Short: "Submit, show, steer and explain the applications of a scheduler",
		Long: `app talks to the API of mesokit scheduler. Where several schedulers stand in for each other, any of them will do, and --api may list
more than one. APP is the name of an application, APP/N its instance number N.`,
		Example: `  mesokit app submit --wait web.json
  mesokit app ls
  mesokit app scale web 5
  mesokit app explain web
  mesokit app logs -f web/0`,
	}
	f := cmd.PersistentFlags()
	f.String("api", "", "URL of the scheduler's API, several with commas (or $"+envAPI+"; default "+apiclient.DefaultAddress+")")
	f.String("token-file", "", "file with nothing but the token for the API (or the token itself in $"+envToken+")")
	f.String("api-user", "", "authenticate to the API as this user, with the token as password")
	f.String("api-ca", "", "file with the certificate authorities to trust for the API, in PEM; default: those of the system")
	cmd.AddCommand(newAppSubmit(), newAppUpdate(), newAppValidate(), newAppList(), newAppShow(), newAppScale(), newAppRestart(), newAppRemove(),
		newAppSteer(apiclient.Pause, "Stop a deployment from going on"),
		newAppSteer(apiclient.Resume, "Let a paused or stalled deployment go on"),
		newAppSteer(apiclient.Promote, "Let a deployment go on after its canaries"),
		newAppSteer(apiclient.Rollback, "Return to the version before"),
		newAppLogs(), newAppExplain(), newAppStatus(), newAppEvents(), newAppHistory(), newAppOrphans(), newAppLeftovers(), newAppGuard(), newAppBackup())
	return cmd
}

// openAPI returns the client that the flags describe.
func openAPI(cmd *cobra.Command) (*apiclient.Client, error) {
	flag := func(name string) string { s, _ := cmd.Flags().GetString(name); return s }
	var cfg apiclient.Config
	if addresses := cmp.Or(flag("api"), os.Getenv(envAPI)); addresses != "" {
		cfg.Addresses = strings.Split(addresses, ",")
	}
	cfg.Token = os.Getenv(envToken)
	if file := flag("token-file"); file != "" {
		var err error
		if cfg.Token, err = readSecret("--token-file", file); err != nil {
			return nil, err
		}
	}
	if user := flag("api-user"); user != "" {
		if cfg.Token == "" {
			return nil, usagef("--api-user %s needs a password: put it into a file and name that with --token-file, or into $%s", user, envToken)
		}
		cfg.User, cfg.Password, cfg.Token = user, cfg.Token, ""
	}
	if ca := flag("api-ca"); ca != "" {
		var err error
		if cfg.TLS, err = new(connection).trust(ca); err != nil {
			return nil, err
		}
	}
	c, err := apiclient.New(cfg)
	if err != nil {
		return nil, usagef("--api: %w", err)
	}
	return c, nil
}

// withAPI runs a command with a client, and says what to do about its error.
func withAPI(run func(cmd *cobra.Command, c *apiclient.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := openAPI(cmd)
		if err != nil {
			return err
		}
		defer c.Close()
		err = run(cmd, c, args)
		if _, unreachable := errors.AsType[*apiclient.UnreachableError](err); !unreachable && cmd.Name() != "explain" && cmd.Name() != "status" { // which tell it
			tellTrouble(cmd, c)
		}
		if _, told := errors.AsType[*exitError](err); !told && err != nil && cmd.Context().Err() != nil {
			return &exitError{exitInterrupted, errors.New("interrupted")}
		}
		return advise(err)
	}
}

// tellTrouble warns of what keeps the scheduler from acting, such as a store that fails: what commands show, or wait for, does not tell.
func tellTrouble(cmd *cobra.Command, c *apiclient.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), time.Second)
	defer cancel()
	if st, err := c.Status(ctx); err == nil && st.Trouble != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "mesokit: the scheduler at %s has trouble: %s\n", c.Address(), st.Trouble)
	}
}

// advise adds what to do to an error of the API.
func advise(err error) error {
	if _, ok := errors.AsType[*apiclient.UnreachableError](err); ok {
		return fmt.Errorf("%w; start one with mesokit scheduler, or say where it is with --api or $%s", err, envAPI)
	}
	p, ok := errors.AsType[*apiclient.Problem](err)
	if !ok {
		return err
	}
	advice := map[string]string{
		"no-such-app":     "mesokit app ls shows those there are",
		"no-such-version": "mesokit app show tells which are kept",
		"deploying":       "wait, use --force, or see mesokit app rollback",
		"guarded":         "see mesokit app guard",
		"not-leading":     "see the logs of the schedulers",
	}[p.Type]
	switch p.Status {
	case http.StatusUnauthorized:
		advice = "name a --token-file, or put the token into $" + envToken
	case http.StatusForbidden:
		advice = "use a token that may write"
	}
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

// outcome is what commands tell in JSON.
type outcome struct {
	App  string `json:"app"`
	Text string `json:"text"`
}

func newAppList() *cobra.Command {
	return &cobra.Command{
		Annotations: printsTable(), Use: "ls", Short: "Show all applications", Args: cobra.NoArgs,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, _ []string) error {
			apps, err := c.Apps(cmd.Context())
			if err != nil {
				return err
			}
			if structured(cmd) {
				return emit(cmd, apps, "")
			}
			if len(apps) == 0 {
				if st, err := c.Status(cmd.Context()); err == nil && st.Guarded {
					fmt.Fprintln(cmd.ErrOrStderr(), "There are no applications, and the scheduler refuses to act: see mesokit app guard")
					return nil
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "There are no applications. Try: mesokit app submit FILE")
				return nil
			}
			return emit(cmd, nil, "%s", appTable(cmd, apps))
		}),
	}
}

func appTable(cmd *cobra.Command, apps []apiclient.App) string {
	t := newTable(cmd, "app", "up", "waiting", "done", "given up", "version", "state", "changed", wide("cause"))
	for _, a := range apps {
		t.AppendRow(table.Row{a.Name, upOf(&a), a.Waiting, a.Reached, a.GivenUp, a.Version, stateOfApp(&a), ago(a.Changed), causeOf(&a)})
	}
	return t.Render()
}

// causeOf says why an application is not as it should be.
func causeOf(a *apiclient.App) string {
	if a.Cause == nil {
		return ""
	}
	return a.Cause.Text
}

// upOf is how many instances of how many are up.
func upOf(a *apiclient.App) string {
	if a.Daemon {
		return fmt.Sprintf("%d on %d agents", a.Up, placesOf(a))
	}
	return fmt.Sprintf("%d of %d", a.Up, a.Instances)
}

// placesOf is how many instances there are, those that go included.
func placesOf(a *apiclient.App) int {
	n := a.Waiting + a.Reached + a.GivenUp
	for state, tasks := range a.Tasks {
		if state != "ended" && state != "lost" {
			n += tasks
		}
	}
	return n
}

// stateOfApp is how an application is, in a few words.
func stateOfApp(a *apiclient.App) string {
	if a.Trouble != "" {
		return a.Trouble
	}
	state := a.State
	if c := a.Cause; c != nil {
		var more []string
		if c.Count > 1 {
			more = append(more, plural(c.Count, "instance"))
		}
		if c.Failures > 0 {
			more = append(more, plural(c.Failures, "time"))
		}
		if c.Until != nil {
			more = append(more, "next step "+until(*c.Until))
		}
		if len(more) > 0 {
			state += " (" + strings.Join(more, ", ") + ")"
		}
	}
	return state
}

// failing is the state of what does not stay up.
func failing(failures int, next *time.Time) string {
	text := fmt.Sprintf("failing (%d times", failures)
	if failures == 1 {
		text = "failing (once"
	}
	if next != nil {
		text += ", next try " + until(*next)
	}
	return text + ")"
}

// ago is a time for humans.
func ago(t time.Time) string {
	switch d := time.Since(t); {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return t.Local().Format("2006-01-02")
}

func newAppShow() *cobra.Command {
	var definition bool
	var version uint32
	cmd := &cobra.Command{
		Annotations: printsTable(), Use: "show APP[/N]", Short: "Show an application and its instances, or one of them", Args: cobra.ExactArgs(1),
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			if version != 0 && definition {
				return usagef("--definition is that of the current version: leave it or --version out")
			}
			name, index, err := findInstance(ctx, c, args[0])
			if err != nil {
				return err
			}
			if version != 0 {
				raw, err := c.Version(ctx, name, version)
				if err != nil {
					return err
				}
				return printDefinition(out, raw)
			}
			a, err := c.App(ctx, name)
			if err != nil {
				return err
			}
			if definition {
				return printDefinition(out, a.Definition)
			}
			tasks, err := instancesOf(ctx, c, name, index)
			if err != nil {
				return err
			}
			if structured(cmd) {
				return emit(cmd, struct {
					*apiclient.AppDetails
					Instances []apiclient.Task `json:"instance_list"`
				}{a, tasks}, "")
			}
			return printApp(cmd, a, tasks)
		}),
	}
	cmd.Flags().BoolVar(&definition, "definition", false, "print the definition, to change and submit it")
	cmd.Flags().Uint32Var(&version, "version", 0, "print the definition of this version")
	return cmd
}

// instancesOf returns the instances of an application, or the one of an index that is not -1.
func instancesOf(ctx context.Context, c *apiclient.Client, name string, index int) ([]apiclient.Task, error) {
	if index < 0 {
		return c.Tasks(ctx, apiclient.TaskFilter{Apps: []string{name}})
	}
	one, err := c.Instance(ctx, name, index)
	if err != nil {
		return nil, err
	}
	return []apiclient.Task{*one}, nil
}

func printDefinition(w io.Writer, raw []byte) error {
	_, err := fmt.Fprintln(w, indent(raw))
	return err
}

func printApp(cmd *cobra.Command, a *apiclient.AppDetails, tasks []apiclient.Task) error {
	version := fmt.Sprintf("version %d", a.Version)
	if len(a.Versions) > 1 {
		version += fmt.Sprintf(" (kept: %s)", strings.Trim(fmt.Sprint(a.Versions), "[]"))
	}
	lines := []string{fmt.Sprintf("%s: %s up, %s, %s", a.Name, upOf(&a.App), version, stateOfApp(&a.App))}
	if a.Trouble != "" {
		lines = []string{a.Name + ": " + a.Trouble, "its tasks are left alone; restore it from a backup, or forget it with mesokit app rm"}
	}
	if c := a.Cause; c != nil {
		lines = append(lines, strings.Split(conditionLine("why", c), "\n")...)
	}
	if d := a.Last; d != nil && (a.Cause == nil || a.Cause.Count > 0) {
		line := fmt.Sprintf("deployment %d from version %d to %d: %s, %d of %d switched, %d ready", d.Number, d.From, d.To, d.State, d.Switched, max(a.Instances, len(tasks)), d.Ready)
		if d.Text != "" {
			line += ": " + d.Text
		}
		lines = append(lines, line)
	}
	t := newTable(cmd, column{header: "name", wide: true, name: true}, "instance", "state", "health", "version", "host", "ports", "task", "since", "last")
	for _, i := range tasks {
		state, health, since, last := i.State, "", time.Time{}, strings.TrimPrefix(i.Reason+": "+i.Message, ": ")
		last = strings.TrimPrefix(strings.TrimSuffix(last, ": "), "engine: ")
		switch i.State {
		case "running":
			health, last = i.Health, ""
			if !i.Up {
				last = i.Check
			}
		case "failing":
			state = failing(i.Failures, i.NextTry)
		}
		if i.Changed != nil {
			since = *i.Changed
		}
		if i.Failures > 0 {
			last = strings.TrimSuffix(fmt.Sprintf("failure %d: %s", i.Failures, i.Failure), ": ")
		}
		t.AppendRow(table.Row{fmt.Sprintf("%s/%d", i.App, i.Index), i.Index, state, health, i.Version, i.Hostname, strings.Trim(fmt.Sprint(i.Ports), "[]"), i.Task, ago(since), last})
	}
	if formatOf(cmd) == formatName {
		return emitText(cmd, t.Render())
	}
	lines = each(lines, visible.Line)
	if len(tasks) > 0 {
		lines = append(lines, t.Render())
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(lines, "\n"))
	return err
}

func newAppScale() *cobra.Command {
	var w waitOptions
	cmd := &cobra.Command{
		Use: "scale APP N", Short: "Set the number of instances", Args: cobra.ExactArgs(2),
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 {
				return usagef("%q: want a number of instances from 0", args[1])
			}
			if _, err := wholeApp(args[0]); err != nil {
				return err
			}
			return w.command(cmd, c, args[0], func() (string, error) { return c.Scale(cmd.Context(), args[0], n) })
		}),
	}
	w.flags(cmd)
	return cmd
}

func newAppRestart() *cobra.Command {
	var w waitOptions
	var force, replace bool
	cmd := &cobra.Command{
		Use: "restart APP[/N]", Short: "Replace all instances under the rules for updates, or kill one, which starts again", Args: cobra.ExactArgs(1),
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			name, index, err := findInstance(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if replace && index < 0 {
				return usagef("--replace is for one instance: want APP/N")
			}
			if force && index >= 0 {
				return usagef("--force is for deployments, and restarting one instance is none: leave it out")
			}
			if replace {
				if err := confirm(cmd, "--replace gives up %s/%d where it is, its volumes and what is on them included", name, index); err != nil {
					return err
				}
			}
			return w.command(cmd, c, name, func() (string, error) {
				switch {
				case replace:
					return c.ReplaceInstance(cmd.Context(), name, index)
				case index >= 0:
					return c.RestartInstance(cmd.Context(), name, index)
				}
				return c.Restart(cmd.Context(), name, force)
			})
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a deployment that is under way")
	cmd.Flags().BoolVar(&replace, "replace", false, "give up on the instance where it is, and on its volumes: a new one starts anywhere")
	confirmFlag(cmd)
	w.flags(cmd)
	return cmd
}

func newAppRemove() *cobra.Command {
	var w waitOptions
	var force bool
	cmd := &cobra.Command{
		Use: "rm APP…", Short: "Kill all instances, destroy their volumes and forget the application", Args: cobra.MinimumNArgs(1),
		Long: `rm kills all instances, destroys their volumes, gives their reservations back and forgets the application. Volumes and reservations on agents that are away
stay until these are offered again: --wait waits for that too and says what for, and mesokit app leftovers shows it. --force gives up what is on agents that
are cut off or not offered, and lists it; it also takes an application that is removed and has left something.`,
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			if err := confirmRemoval(cmd, c, args, force); err != nil {
				return err
			}
			for _, name := range args {
				w.gone = true
				if err := w.command(cmd, c, name, func() (string, error) { return c.Remove(cmd.Context(), name, force) }); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "give up what is on agents that are cut off or not offered")
	confirmFlag(cmd)
	w.flags(cmd)
	return cmd
}

// confirmRemoval asks before applications are removed. One that does not exist is an error before anything is done.
func confirmRemoval(cmd *cobra.Command, c *apiclient.Client, names []string, force bool) error {
	var destroyed []string
	for _, name := range names {
		if _, err := wholeApp(name); err != nil {
			return err
		}
		a, err := c.App(cmd.Context(), name)
		if force && isNoApp(err) {
			left, err := leftoversOf(cmd.Context(), c, name)
			if err != nil {
				return err
			}
			if len(left) > 0 {
				destroyed = append(destroyed, plural(len(left), "leftover")+" of "+name)
				continue
			}
		}
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s (%s", name, plural(placesOf(&a.App), "instance"))
		if def, err := app.Parse(a.Definition); err == nil && def.HasVolumes() {
			what += " with their volumes and what is on them"
		}
		destroyed = append(destroyed, what+")")
	}
	return confirm(cmd, "rm destroys %s", strings.Join(destroyed, ", "))
}

func newAppSteer(what apiclient.Steer, short string) *cobra.Command {
	var w waitOptions
	var o apiclient.SteerOptions
	cmd := &cobra.Command{
		Use: string(what) + " APP", Short: short, Args: cobra.ExactArgs(1),
		RunE: withAPI(func(cmd *cobra.Command, c *apiclient.Client, args []string) error {
			if _, err := wholeApp(args[0]); err != nil {
				return err
			}
			w.back = what == apiclient.Rollback
			return w.command(cmd, c, args[0], func() (string, error) { return c.Steer(cmd.Context(), args[0], what, o) })
		}),
	}
	switch what {
	case apiclient.Promote:
		cmd.Flags().BoolVar(&o.Force, "force", false, "go on even though the canaries have failed")
	case apiclient.Rollback:
		cmd.Flags().Uint32Var(&o.To, "to", 0, "return to this version (default: the one before); mesokit app show lists those that are kept")
	}
	if what != apiclient.Pause {
		w.flags(cmd)
	}
	return cmd
}
