package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hush is a secret that must be seen nowhere.
const hush = "hush-3Fv9-never-printed"

func write(t *testing.T, name, content string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// dev runs mesokit dev until the end of the test and returns what it said when it was ready. What it writes to stderr must not have the
// secret.
func dev(t *testing.T, args ...string) (d struct{ Master, Scheme, CA string }) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() {
		defer w.Close()
		done <- run(ctx, append([]string{"dev", "--port", "0", "--json", "--verbose"}, args...), nil, w, &stderr)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != 0 || strings.Contains(stderr.String(), hush) {
			t.Errorf("dev %q: exit code %d; stderr must not have the secret:\n%s", args, code, &stderr)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("dev %q: %v; %s", args, err, &stderr)
	}
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return d
}

func TestRunGetsIntoASecureCluster(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := dev(t, "--tls", "--authenticate-executors",
		"--credentials", write(t, "credentials", `{"credentials":[{"principal":"ops","secret":"`+hush+`"}]}`),
		"--acls", `{"register_frameworks": [{"principals": {"type": "ANY"}, "roles": {"values": ["*"]}}, {"principals": {"type": "NONE"}, "roles": {"type": "ANY"}}]}`)
	if d.Scheme != "https" {
		t.Fatalf("the scheme is %q", d.Scheme)
	}
	secret, wrong := write(t, "secret", hush+"\n"), write(t, "wrong", "wrong-"+hush)
	url := "https://" + d.Master
	for _, tc := range []struct {
		name   string
		env    map[string]string
		args   []string
		code   int
		stderr string
	}{
		{"by flags", nil, []string{"--master", url, "--ca", d.CA, "--principal", "ops", "--secret-file", secret}, 0, ""},
		{"https by --ca", nil, []string{"--master", d.Master, "--ca", d.CA, "--principal", "ops", "--secret-file", secret}, 0, ""},
		{"by the environment", map[string]string{envPrincipal: "ops", envSecret: hush, envCA: d.CA}, []string{"--master", d.Master}, 0, ""},
		{"by a file that the environment names", map[string]string{envPrincipal: "ops", envSecretFile: secret}, []string{"--master", url, "--ca", d.CA}, 0, ""},
		{"wrong secret", nil, []string{"--master", url, "--ca", d.CA, "--principal", "ops", "--secret-file", wrong}, 1, `the secret is not that of principal "ops"`},
		{"no secret", nil, []string{"--master", url, "--ca", d.CA, "--principal", "ops"}, 1, `principal "ops" needs its secret, in --secret-file`},
		{"a flag beats the environment", map[string]string{envSecret: hush}, []string{"--master", url, "--ca", d.CA, "--principal", "ops", "--secret-file", wrong}, 1, "401 Unauthorized"},
		{"nobody", nil, []string{"--master", url, "--ca", d.CA}, 1, "name a --principal and a --secret-file"},
		{"no trust", nil, []string{"--master", url, "--principal", "ops", "--secret-file", secret}, 1, "certificate signed by unknown authority"},
		{"a forbidden role", nil, []string{"--master", url, "--ca", d.CA, "--principal", "ops", "--secret-file", secret, "--role", "eng"}, 1, `roles { eng }; the ACLs of the cluster do not let principal "ops"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			var out, errs bytes.Buffer
			code := run(t.Context(), append(append([]string{"run"}, tc.args...), "--", "echo there"), nil, &out, &errs)
			if code != tc.code || code == 0 && out.String() != "there\n" || !strings.Contains(errs.String(), tc.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", code, &out, &errs, tc.code, tc.stderr)
			}
			if strings.Contains(out.String()+errs.String(), hush) {
				t.Errorf("the secret was printed: %s %s", &out, &errs)
			}
		})
	}
}

func TestRunShowsItsCertificate(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := dev(t, "--require-client-cert")
	dir := filepath.Dir(d.CA)
	with := []string{"run", "--master", "https://" + d.Master, "--ca", d.CA, "--client-cert", filepath.Join(dir, "client.pem"), "--client-key", filepath.Join(dir, "client-key.pem"), "--", "echo there"}
	var out, errs bytes.Buffer
	if code := run(t.Context(), with, nil, &out, &errs); code != 0 || out.String() != "there\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, &out, &errs)
	}
}

func TestDevNamesACLsWithoutEffect(t *testing.T) {
	o := devSecurity{acls: `{"register_agents": [{"principals": {"type": "ANY"}, "agents": {"type": "NONE"}}], "run_tasks": []}`}
	var stderr bytes.Buffer
	o.stderr = func() io.Writer { return &stderr }
	if _, err := o.config(); err != nil || stderr.String() != "mesokit: --acls: the embedded Mesos does not enforce register_agents\n" {
		t.Errorf("got %v, %q", err, &stderr)
	}
}

func TestSecurityFlagsSayWhatIsWrong(t *testing.T) {
	secret := write(t, "secret", hush)
	for _, tc := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"dev", "--port", "0", "--credentials", "/none"}, "/none"},
		{[]string{"dev", "--port", "0", "--credentials", secret}, "line 1"},
		{[]string{"dev", "--port", "0", "--acls", `{"run_task": []}`}, "run_task"},
		{[]string{"dev", "--port", "0", "--acls", secret}, "JSON"},
		{[]string{"dev", "--port", "0", "--tls-cert", secret}, "--tls-key"},
		{[]string{"dev", "--port", "0", "--tls-cert", secret, "--tls-key", secret}, "--tls-cert"},
		{[]string{"dev", "--port", "0", "--tls", "--tls-ca", secret}, "--tls-cert"},
		{[]string{"run", "--master", "m", "--secret-file", secret, "--", "true"}, "--principal"},
		{[]string{"run", "--master", "m", "--principal", "p", "--secret-file", "/none", "--", "true"}, "/none"},
		{[]string{"run", "--master", "m", "--principal", "p:" + "q", "--secret-file", secret, "--", "true"}, "colon"},
		{[]string{"run", "--master", "m", "--ca", secret, "--", "true"}, "PEM"},
		{[]string{"run", "--master", "m", "--client-cert", secret, "--", "true"}, "--client-key"},
	} {
		got := mesokit(t, t.Context(), tc.args...)
		if got.code != exitUsage || !strings.Contains(got.stderr, tc.stderr) || strings.Contains(got.stderr, hush) {
			t.Errorf("%q: exit code %d, stderr %q; want %d and %q, without the secret", tc.args, got.code, got.stderr, exitUsage, tc.stderr)
		}
	}
}

func TestAMesosWithoutAuthenticationTakesAPrincipalWithoutASecret(t *testing.T) {
	d := dev(t)
	got := mesokit(t, t.Context(), "run", "--master", d.Master, "--principal", "ops", "--", "true")
	if got.code != 0 {
		t.Errorf("exit code %d, %s", got.code, got.stderr)
	}
}

func TestFilesWithSecretsThatOthersCanReadAreRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o640, 0o660, 0o604, 0o620} {
		secret := write(t, "secret", `{"write": [{"token": "`+hush+`"}]}`)
		if err := os.Chmod(secret, mode); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"scheduler", "--auth-file", secret}, {"scheduler", "--master", "@" + secret}, {"scheduler", "--store", "@" + secret}, {"scheduler", "--tls-cert", secret, "--tls-key", secret},
			{"run", "--master", "m", "--principal", "p", "--secret-file", secret, "--", "true"}, {"dev", "--port", "0", "--credentials", secret},
			{"dev", "--port", "0", "--zk", "@" + secret}, {"app", "ls", "--token-file", secret}, {"store", "ls", "--store", "@" + secret},
			{"master", "state", "--client-cert", secret, "--client-key", secret, "--tls"},
		} {
			got := mesokit(t, t.Context(), args...)
			if got.code != exitUsage || !strings.Contains(got.stderr, "chmod 600") || strings.Contains(got.stderr, hush) {
				t.Errorf("%q with mode %o: exit code %d, %s", args, mode, got.code, got.stderr)
			}
		}
	}
}

func TestAddressesWithPasswordsComeFromFiles(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "--master", "@" + write(t, "m", "http://u:"+hush+"@127.0.0.1:1\n"), "--", "true"}, "credentials do not belong into the address"},
		{[]string{"run", "--master", "http://u:" + hush + "@127.0.0.1:1", "--", "true"}, "everybody on this machine can see the password in --master"},
		{[]string{"run", "--master", "u:" + hush + "@127.0.0.1:1", "--", "true"}, `--master "***@127.0.0.1:1"`},
		{[]string{"scheduler", "--master", "zk://u:" + hush + "@127.0.0.1:1", "--store", "memory"}, "the path is missing"},
		{[]string{"scheduler", "--store", "zk:u:" + hush + "@h"}, "can see the password in --store"},
		{[]string{"scheduler", "--store", "@" + write(t, "s", "zk:u:"+hush+"@h")}, "--store"},
		{[]string{"scheduler", "--election", "@" + write(t, "e", "etcd:u:"+hush+"@h")}, "--election"},
		{[]string{"store", "ls", "--store", "@" + write(t, "s", "zk:u:"+hush+"@h")}, "--store"},
		{[]string{"dev", "--port", "0", "--zk", "@" + write(t, "z", "zk://u:"+hush+"@h:x/y")}, "--zk"},
		{[]string{"master", "state", "--master", "@/nowhere"}, "--master: open /nowhere"},
		{[]string{"master", "state", "--master", "@" + write(t, "empty", "\n")}, "is empty"},
		{[]string{"app", "ls", "--api", "http://u:" + hush + "@h:x"}, "--api"},
	} {
		got := mesokit(t, t.Context(), tc.args...)
		if got.code != exitUsage || !strings.Contains(got.stderr, tc.want) || strings.Contains(got.stdout+got.stderr, hush) {
			t.Errorf("%q: exit code %d, %s; want %q and no password", tc.args, got.code, got.stderr, tc.want)
		}
	}
}

func TestVariablesAndURIsComeFromWhereOthersDoNotSeeThem(t *testing.T) {
	t.Setenv("FROM_OUTSIDE", hush)
	uri := write(t, "greeting", "hello")
	got := mesokit(t, t.Context(), "run", "--uri", "@"+write(t, "uri", uri+"\n"), "--", "cat greeting")
	if got.code != 0 || got.stdout != "hello" {
		t.Errorf("exit code %d, stdout %q, stderr %q", got.code, got.stdout, got.stderr)
	}
	if got = mesokit(t, t.Context(), "run", "--uri", "http://ci:"+hush+"@127.0.0.1:1/x", "--", "true"); got.code != 1 || strings.Contains(got.stderr, hush) || !strings.Contains(got.stderr, "--uri @FILE") {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
	got = mesokit(t, t.Context(), "run", "--env", "FROM_OUTSIDE", "--env", "A=1", "--env", "A=2", "--", "echo $FROM_OUTSIDE $A")
	if got.code != 0 || got.stdout != hush+" 2\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", got.code, got.stdout, got.stderr)
	}
	if got = mesokit(t, t.Context(), "run", "--env", "NOT_SET_ANYWHERE", "--", "true"); got.code != exitUsage || !strings.Contains(got.stderr, "NOT_SET_ANYWHERE") {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
}
