package redact

import "testing"

func TestPasswordsAreTakenOutOfAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"http://u:pw@h:5050/":                              "http://u:[redacted]@h:5050/",
		`cannot parse "zk://u:p/w@h1:1,h2:2/mesos": bad`:   `cannot parse "zk://u:[redacted]@h1:1,h2:2/mesos": bad`,
		"zk:u:pw@h:2181/x, etcd:u:pw@h:2379":               "zk:u:[redacted]@h:2181/x, etcd:u:[redacted]@h:2379",
		"http://u:p@w@h":                                   "http://u:[redacted]@h",
		"http://u:123@h":                                   "http://u:[redacted]@h",
		"http://:pw@h":                                     "http://:[redacted]@h",
		"https://h:5050/a@b":                               "https://h:5050/a@b",
		"zk://h1:2181,h2:2181/mesos of slave(1)@127.0.0.1": "zk://h1:2181,h2:2181/mesos of slave(1)@127.0.0.1",
		"zk:h1:2181/x":                                     "zk:h1:2181/x",
		"slave(1)@127.0.0.1:5051":                          "slave(1)@127.0.0.1:5051",
		"user@example.com":                                 "user@example.com",
		"":                                                 "",
	} {
		if got := Passwords(in); got != want {
			t.Errorf("Passwords(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestURIsLoseUsersAndTheValuesOfQueries(t *testing.T) {
	for in, want := range map[string]string{
		"https://ci:pw@h/a.tgz?sig=x&v":                            "https://[redacted]@h/a.tgz?sig=[redacted]&[redacted]",
		`{"message":"cannot fetch \"http://t@h/a?x=1\u0026y=2\""}`: `{"message":"cannot fetch \"http://[redacted]@h/a?x=[redacted]\u0026y=[redacted]\""}`,
		"http://u:p/w@h/x and http://h:80/a@b?":                    "http://[redacted]@h/x and http://h:80/a@b?",
		"hdfs://h/a@b, file:///x":                                  "hdfs://h/a@b, file:///x",
		"slave(1)@127.0.0.1:5051 what?a=b":                         "slave(1)@127.0.0.1:5051 what?a=b",
		"http://h/a?=x&y=":                                         "http://h/a?=[redacted]&[redacted]",
	} {
		if got := URIs(in); got != want {
			t.Errorf("URIs(%q) = %q, want %q", in, got, want)
		}
	}
}
