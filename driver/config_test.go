package driver

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func goodConfig() DriverConfig {
	return DriverConfig{Scheduler: NopScheduler{}, Master: "127.0.0.1:5050", Framework: &mesospb.FrameworkInfo{Name: proto.String("test")}}
}

func TestEveryWrongFieldIsNamed(t *testing.T) {
	for field, change := range map[string]func(*DriverConfig){
		"DriverConfig.Scheduler":       func(c *DriverConfig) { c.Scheduler = nil },
		"DriverConfig.Master":          func(c *DriverConfig) { c.Master = "" },
		"DriverConfig.Framework":       func(c *DriverConfig) { c.Framework = nil },
		"DriverConfig.FailoverTimeout": func(c *DriverConfig) { c.FailoverTimeout = -1 },
		"DriverConfig.CallTimeout":     func(c *DriverConfig) { c.CallTimeout = -1 },
		"DriverConfig.StopTimeout":     func(c *DriverConfig) { c.StopTimeout = -1 },
		"DriverConfig.Credential":      func(c *DriverConfig) { c.Credential = new(mesospb.Credential) },
	} {
		cfg := goodConfig()
		change(&cfg)
		_, err := NewMesosSchedulerDriver(cfg)
		var wrong *ConfigError
		if !errors.As(err, &wrong) || wrong.Field != field || errors.Unwrap(wrong) == nil {
			t.Errorf("%s: error is %v", field, err)
		}
	}
	cfg := goodConfig()
	cfg.Framework = new(mesospb.FrameworkInfo)
	cfg.Credential = &mesospb.Credential{Principal: proto.String("p")}
	cfg.Transport.Credentials = transport.Bearer("t")
	_, err := NewMesosSchedulerDriver(cfg)
	if err == nil || !strings.Contains(err.Error(), "DriverConfig.Framework") || !strings.Contains(err.Error(), "DriverConfig.Credential") {
		t.Errorf("error is %v, want both fields", err)
	}
	if _, err := NewMesosExecutorDriver(ExecutorDriverConfig{CallTimeout: -1}); err == nil ||
		!strings.Contains(err.Error(), "ExecutorDriverConfig.Executor") || !strings.Contains(err.Error(), "ExecutorDriverConfig.CallTimeout") || !strings.Contains(err.Error(), "MESOS_FRAMEWORK_ID") {
		t.Errorf("error is %v, want both fields and the environment", err)
	}
	if _, err := NewMesosExecutorDriver(ExecutorDriverConfig{Executor: NopExecutor{}, Client: &executor.Config{}}); err == nil {
		t.Error("no error for a client without ids")
	}
}

func TestWhatIsMadeOfAMasterIsSaid(t *testing.T) {
	for _, master := range []string{"nonsense://x", "zk://nopath:2181", "host:99999"} {
		cfg := goodConfig()
		cfg.Master = master
		if _, err := NewMesosSchedulerDriver(cfg); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(master, "nonsense://")) {
			t.Errorf("%q: error is %v", master, err)
		}
	}
	for _, master := range []string{"10.0.0.1:5050", "10.0.0.1:5050,10.0.0.2:5050", "https://m:5050", "zk://u:p@h1:2181,h2:2181/mesos", "file:///tmp/master"} {
		cfg := goodConfig()
		cfg.Master = master
		if _, err := NewMesosSchedulerDriver(cfg); err != nil {
			t.Errorf("%q: %v", master, err)
		}
	}
}

func TestTheCallersFrameworkInfoIsCompletedInACopy(t *testing.T) {
	info := &mesospb.FrameworkInfo{Name: proto.String("test"), Id: &mesospb.FrameworkID{Value: proto.String("F1")}}
	before := proto.CloneOf(info)
	cfg := goodConfig()
	cfg.Framework = info
	cfg.FailoverTimeout = 90 * time.Second
	cfg.Credential = &mesospb.Credential{Principal: proto.String("boss"), Secret: proto.String("s3cret")}
	got, err := cfg.prepare()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, info, protocmp.Transform()); diff != "" {
		t.Errorf("the caller's info changed (-before +after):\n%s", diff)
	}
	f := got.Framework
	if f.GetUser() == "" || f.GetHostname() == "" || f.GetPrincipal() != "boss" || f.GetFailoverTimeout() != 90 || f.GetId().GetValue() != "F1" {
		t.Errorf("info is %v", f)
	}
	if got.Transport.Credentials == nil || got.CallTimeout != DefaultCallTimeout || got.StopTimeout != DefaultStopTimeout {
		t.Errorf("config is %+v", got)
	}
	cfg.Framework = &mesospb.FrameworkInfo{Name: proto.String("test"), User: proto.String("u"), Hostname: proto.String("h"), Principal: proto.String("p"), FailoverTimeout: proto.Float64(7)}
	cfg.FailoverTimeout = 0
	if got, err = cfg.prepare(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cfg.Framework, got.Framework, protocmp.Transform()); diff != "" {
		t.Errorf("what the caller said changed (-said +made):\n%s", diff)
	}
}

func TestAConfigurationPrintsWithoutItsSecrets(t *testing.T) {
	cfg := goodConfig()
	cfg.Master = "zk://boss:s3cret@h:2181/mesos"
	cfg.Credential = &mesospb.Credential{Principal: proto.String("boss"), Secret: proto.String("s3cret")}
	cfg.Transport.Credentials = transport.Bearer("s3cret")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, cfg); strings.Contains(got, "s3cret") || !strings.Contains(got, "boss") || !strings.Contains(got, "@h:2181/mesos") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	cfg.Master = "boss:s3cret@h:5050" // wrong, but a secret all the same
	if got := fmt.Sprint(cfg); strings.Contains(got, "s3cret") {
		t.Errorf("it prints %s", got)
	}
}

func TestTheLevelOfTheLogComesFromTheOptionOrTheEnvironment(t *testing.T) {
	for _, tc := range []struct {
		env   string
		level slog.Leveler
		want  string // the levels that come through
	}{
		{"", nil, "WARN ERROR"},
		{"debug", nil, "DEBUG INFO WARN ERROR"},
		{"INFO", nil, "INFO WARN ERROR"},
		{"error", nil, "ERROR"},
		{"debug", slog.LevelError, "ERROR"},
		{"nonsense", slog.LevelInfo, "INFO WARN ERROR"},
	} {
		var out bytes.Buffer
		log, tracer, err := logging{level: tc.level, lookup: env(map[string]string{EnvLog: tc.env}), stderr: &out}.open()
		if err != nil || tracer != nil {
			t.Errorf("%+v: tracer %v, error %v", tc, tracer, err)
			continue
		}
		log.Debug("m")
		log.Info("m")
		log.Warn("m")
		log.Error("m")
		var got []string
		for line := range strings.Lines(out.String()) {
			_, level, _ := strings.Cut(line, "level=")
			level, _, _ = strings.Cut(level, " ")
			got = append(got, level)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%+v: got %q", tc, got)
		}
	}
}

func TestAWrongLevelInTheEnvironmentIsNamed(t *testing.T) {
	_, _, err := logging{lookup: env(map[string]string{EnvLog: "loud"})}.open()
	var wrong *ConfigError
	if !errors.As(err, &wrong) || wrong.Field != EnvLog || !strings.Contains(err.Error(), "loud") {
		t.Errorf("error is %v", err)
	}
}

func TestTracesComeOnDemandWithSecretsMasked(t *testing.T) {
	for name, l := range map[string]logging{
		"option":      {trace: true, lookup: env(nil)},
		"environment": {lookup: env(map[string]string{EnvTrace: "1", EnvLog: "error"})},
	} {
		var out bytes.Buffer
		l.stderr = &out
		_, tracer, err := l.open()
		if err != nil || tracer == nil {
			t.Fatalf("%s: tracer %v, error %v", name, tracer, err)
		}
		tracer.TraceStart(t.Context(), transport.TraceStart{Method: "POST", URL: "http://m", Message: &mesospb.Credential{Principal: proto.String("boss"), Secret: proto.String("s3cret")}})
		if got := out.String(); !strings.Contains(got, "boss") || strings.Contains(got, "s3cret") {
			t.Errorf("%s: the trace is %q", name, got)
		}
	}
}

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func TestTheSchemeReachesTheDetector(t *testing.T) {
	cfg := goodConfig()
	cfg.Scheme = "https"
	if _, err := NewMesosSchedulerDriver(cfg); err != nil {
		t.Error(err)
	}
	cfg.Scheme = "ftp"
	if _, err := NewMesosSchedulerDriver(cfg); err == nil || !strings.Contains(err.Error(), `"ftp"`) {
		t.Errorf("got %v, want the scheme named", err)
	}
}
