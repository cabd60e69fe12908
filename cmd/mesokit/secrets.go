package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mesokit/mesokit/internal/redact"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// addressFlags are the flags whose values may have a password in them. @FILE stands for what is in a file.
var addressFlags = []string{"master", "store", "election", "zk", "uri"}

// maxSecret bounds files of secrets, in bytes.
const maxSecret = 1 << 20

// readAddresses puts the contents of files into the flags that name them with @FILE, and warns of passwords that everybody on the machine
// can see, as command lines are.
func readAddresses(cmd *cobra.Command) (err error) {
	read := func(flag, value string) string {
		if file, ok := strings.CutPrefix(value, "@"); ok && err == nil {
			value, err = readSecret("--"+flag, file)
		} else if redact.Passwords(value) != value {
			fmt.Fprintf(cmd.ErrOrStderr(), "mesokit: warning: everybody on this machine can see the password in --%s: put the value into a file, and give --%s @FILE\n", flag, flag)
		}
		return value
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(addressFlags, f.Name) || err != nil {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values := each(list.GetSlice(), func(v string) string { return read(f.Name, v) })
			err = cmp.Or(err, list.Replace(values))
		} else if value := read(f.Name, f.Value.String()); err == nil {
			err = f.Value.Set(value)
		}
	})
	return err
}

// readSecret reads the file that a flag names, which has nothing but a secret in it. Others must not be able to read it.
func readSecret(flag, path string) (string, error) {
	text, err := readPrivate(flag, path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", usagef("%s %s is empty", flag, path)
	}
	return secret, nil
}

// readPrivate reads a file with secrets that a flag names.
func readPrivate(flag, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("%s: %w", flag, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = checkPrivate(info)
	}
	if err != nil {
		return nil, usagef("%s %s: %w", flag, path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return nil, usagef("%s: %w", flag, err)
	case len(text) > maxSecret:
		return nil, usagef("%s %s: it is larger than %d bytes", flag, path, maxSecret)
	}
	return text, nil
}

// checkPrivate refuses files that others can read or write, as ssh does. Those of root may be readable by a group, whose members are meant
// then, as with psql. What is not a regular file, such as a pipe, is nobody else's anyway.
func checkPrivate(info os.FileInfo) error {
	open := info.Mode().Perm() & 0o077
	if ownedByRoot(info) {
		open &^= 0o040
	}
	if !info.Mode().IsRegular() || open == 0 || runtime.GOOS == "windows" {
		return nil
	}
	return fmt.Errorf("its mode is %04o, so that others can get at the secrets in it: chmod 600 %s", info.Mode().Perm(), info.Name())
}

// keyPair reads a certificate and its key, in PEM, that flags name.
func keyPair(certFlag, cert, keyFlag, key string) (*tls.Certificate, error) {
	if (cert == "") != (key == "") {
		return nil, usagef("%s and %s go together", certFlag, keyFlag)
	}
	if cert == "" {
		return nil, nil
	}
	secret, err := readPrivate(keyFlag, key)
	if err != nil {
		return nil, err
	}
	public, err := os.ReadFile(cert)
	if err != nil {
		return nil, usagef("%s: %w", certFlag, err)
	}
	pair, err := tls.X509KeyPair(public, secret)
	if err != nil {
		return nil, usagef("%s %s, %s %s: %w", certFlag, cert, keyFlag, key, err)
	}
	return &pair, nil
}

const envUsage = "environment variable NAME=VALUE, or NAME for one that is in the environment of this command, where others do not see it; may be repeated"

// environment reads the values of --env. Of a name that comes several times the last one counts; nil is no variables.
func environment(list []string) (*mesospb.Environment, error) {
	var vars []*mesospb.Environment_Variable
	for _, text := range list {
		name, value, given := strings.Cut(text, "=")
		if !given {
			value, given = os.LookupEnv(name)
		}
		if name == "" || !given {
			return nil, usagef("--env %q: want NAME=VALUE, or the NAME of a variable that is set", name)
		}
		vars = slices.DeleteFunc(vars, func(v *mesospb.Environment_Variable) bool { return v.GetName() == name })
		vars = append(vars, &mesospb.Environment_Variable{Name: &name, Value: &value})
	}
	if len(vars) == 0 {
		return nil, nil
	}
	return &mesospb.Environment{Variables: vars}, nil
}
