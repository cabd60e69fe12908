package detector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddressesBecomeBaseURLs(t *testing.T) {
	for _, test := range []struct{ spec, scheme, want string }{
		{"localhost:5050", "http", "http://localhost:5050"},
		{"localhost:5050", "https", "https://localhost:5050"},
		{" master@10.0.0.1:5050 ", "http", "http://10.0.0.1:5050"},
		{"localhost", "http", "http://localhost:5050"},
		{"::1", "http", "http://[::1]:5050"},
		{"[::1]", "http", "http://[::1]:5050"},
		{"[::1]:80", "http", "http://[::1]:80"},
		{"http://m:5050/", "https", "http://m:5050"},
		{"HTTPS://m/mesos/", "http", "https://m/mesos"},
		{"http://m", "http", "http://m"},
		{"", "http", ""},
		{"localhost:", "http", ""},
		{"localhost:0", "http", ""},
		{"localhost:65536", "http", ""},
		{"localhost:http", "http", ""},
		{"localhost:5050/x", "http", ""},
		{"http://", "http", ""},
		{"ftp://m", "http", ""},
		{"http://user:s3cr3t@m", "http", ""},
		{"user:s3cr3t@m", "http", ""},
		{"http://m?x=y", "http", ""},
		{"http://m#x", "http", ""},
		{"http://m:%zz", "http", ""},
	} {
		got, err := BaseURL(test.spec, test.scheme)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: got %q, %v; want %q", test.spec, got, err, test.want)
		}
		var wrong *SpecError
		if err != nil && (!errors.As(err, &wrong) || strings.Contains(err.Error(), "s3cr3t")) {
			t.Errorf("%q: %v (%T)", test.spec, err, err)
		}
	}
}

func TestParseTellsTheFormsApart(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{"a:1", "http://a:1"},
		{"a:1,https://b:2, c", "http://a:1,https://b:2,http://c:5050"},
		{"zk://user:s3cr3t@a:1,b/mesos", "zk://user:***@a:1,b:2181/mesos"},
		{"file:///etc/mesos/zk", "file:///etc/mesos/zk"},
		{"file://relative", ""},
		{"zk://a", ""},
		{"a:1,", ""},
		{"a:1,zk://b/c", ""},
	} {
		d, err := Parse(test.spec, Config{})
		if (err == nil) != (test.want != "") || err == nil && d.String() != test.want {
			t.Errorf("%q: got %v, %v; want %q", test.spec, d, err, test.want)
		}
	}
	if _, err := Parse("a", Config{Scheme: "ftp"}); err == nil {
		t.Error("scheme ftp was accepted")
	}
}

func TestListIsKnownAtOnceAndEndsWithTheContext(t *testing.T) {
	d, err := Parse("a:1,b:2", Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []Masters
	for now, err := range d.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, now)
		cancel()
	}
	if diff := cmp.Diff([]Masters{{Candidates: []string{"http://a:1", "http://b:2"}}}, seen, cmp.Comparer(Masters.Equal)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Leader(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("Leader after the end: %v", err)
	}
	if now, err := Leader(t.Context(), Fixed("http://x")); err != nil || now.String() != "http://x" {
		t.Errorf("Leader: %v, %v", now, err)
	}
}

func TestZooKeeperURLs(t *testing.T) {
	type parsed struct {
		Servers                   []string
		Path, User, Password, Err string
	}
	for _, test := range []struct {
		spec string
		want parsed
	}{
		{"zk://a:1/mesos", parsed{Servers: []string{"a:1"}, Path: "/mesos"}},
		{"zk://a,b:2,[::1]:3/x/y/", parsed{Servers: []string{"a:2181", "b:2", "[::1]:3"}, Path: "/x/y"}},
		{"zk://u:p@a:1/m", parsed{Servers: []string{"a:1"}, Path: "/m", User: "u", Password: "p"}},
		{"zk://u:p@ss:w@rd@a:1/m", parsed{Servers: []string{"a:1"}, Path: "/m", User: "u", Password: "p@ss:w@rd"}},
		{"zk://u:@a:1/m", parsed{Servers: []string{"a:1"}, Path: "/m", User: "u"}},
		{"zk://a:1/m@n", parsed{Servers: []string{"a:1"}, Path: "/m@n"}},
		{"zk://a:1", parsed{Err: "path is missing"}},
		{"zk://a:1/", parsed{Err: "root"}},
		{"zk://a:1//", parsed{Err: "component"}},
		{"zk://a:1/x//y", parsed{Err: "component"}},
		{"zk://a:1/x/../y", parsed{Err: "component"}},
		{"zk://a:1/x\x00", parsed{Err: "control"}},
		{"zk:///mesos", parsed{Err: "server"}},
		{"zk://a:1,/mesos", parsed{Err: "server"}},
		{"zk://a:x/mesos", parsed{Err: "port"}},
		{"zk://a:0/mesos", parsed{Err: "port"}},
		{"zk://u@a:1/mesos", parsed{Err: "user:password"}},
		{"zk://:s3cr3t@a:1/mesos", parsed{Err: "user:password"}},
		{"zk://u:s3cr3t/more@a:1/mesos", parsed{Err: "port"}},
		{"http://a:1/mesos", parsed{Err: "want zk://"}},
	} {
		u, err := ParseZooKeeperURL(test.spec)
		if test.want.Err != "" {
			var wrong *SpecError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.want.Err) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%q: error %v, want one about %q", test.spec, err, test.want.Err)
			}
			continue
		}
		user, password, _ := u.Credentials()
		if diff := cmp.Diff(test.want, parsed{Servers: u.Servers, Path: u.Path, User: user, Password: password}); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", test.spec, err, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a:1,b", "zk://u:p@h:1,g/p/q", "file:///x", "https://[::1]:5/x", "master@1.2.3.4:5050", "zk://@/", "http://%41:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		d, err := Parse(spec, Config{})
		if err != nil {
			_ = err.Error()
			return
		}
		// What is printed without secrets is understood again and means the same.
		if again, err := Parse(d.String(), Config{}); err != nil || again.String() != d.String() {
			t.Errorf("%q prints as %q, which gives %v, %v", spec, d, again, err)
		}
	})
}

func FuzzZooKeeperURL(f *testing.F) {
	for _, s := range []string{"zk://u:p@h:1,g/p/q", "zk://h/p", "zk://u:p:q@r@h/p", "zk://@h/p", "zk://h:1/p@q"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		u, err := ParseZooKeeperURL(spec)
		if err != nil {
			return
		}
		_, password, ok := u.Credentials()
		if len(u.Servers) == 0 || !strings.HasPrefix(u.Path, "/") || u.Path == "/" || strings.HasSuffix(u.Path, "/") {
			t.Errorf("%q gives %+v", spec, u)
		}
		const unlikely = "kjq83"
		if ok && strings.Contains(password, unlikely) && strings.Contains(fmt.Sprintf("%v %+v %#v", u, u, struct{ u any }{u}), password) {
			t.Errorf("the password of %q is printed", spec)
		}
	})
}

func TestPasswordOfAZooKeeperURLIsNotPrinted(t *testing.T) {
	u, err := ParseZooKeeperURL("zk://user:s3cr3t@h/p")
	if err != nil {
		t.Fatal(err)
	}
	d, _ := Parse("zk://user:s3cr3t@h/p", Config{})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		for _, x := range []any{u, &u, struct{ u ZooKeeperURL }{u}, d, struct{ d Detector }{d}} {
			if text := fmt.Sprintf(verb, x); strings.Contains(text, "s3cr3t") {
				t.Errorf("%s prints %q", verb, text)
			}
		}
	}
}
