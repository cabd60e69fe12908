package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// A block is run as it stands, unless it is shown only; one that goes on is what others talk to.
var readmeBlock = regexp.MustCompile("(?ms)^(?:<!-- ([a-z ]+) -->\n)?```sh\n(.*?)^```")

// The wrapper gives servers ports that are free here, in place of the usual ones.
const readmeWrapper = `#!/bin/sh
export MESOKIT_TEST_MAIN=1
case "$1" in
dev) shift; exec "$MESOKIT" dev --port "$MASTER_PORT" "$@" ;;
scheduler) shift; exec "$MESOKIT" scheduler --listen 127.0.0.1:"$API_PORT" "$@" ;;
run) unset MESOKIT_MASTER ;;
esac
exec "$MESOKIT" "$@"
`

func TestTheBlocksOfTheReadmeWorkInTheirOrder(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mesokit"), []byte(readmeWrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	master, api := freePort(t), freePort(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	shell := func(text string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "sh", "-e", "-c", strings.ReplaceAll(text, "127.0.0.1:5050", "127.0.0.1:"+master))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "MESOKIT="+self, "MASTER_PORT="+master, "API_PORT="+api,
			"MESOKIT_MASTER=127.0.0.1:"+master, "MESOKIT_API=127.0.0.1:"+api, "TMPDIR="+dir, "XDG_RUNTIME_DIR=", "XDG_STATE_HOME="+dir)
		return cmd
	}
	ran := 0
	for _, block := range readmeBlock.FindAllStringSubmatch(string(page), -1) {
		switch block[1] {
		case "shown only":
			continue
		case "goes on":
			cmd := shell("exec " + strings.TrimSpace(block[2]))
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
				t.Log(lines.Text())
			}
			rest := make(chan struct{})
			go func() {
				defer close(rest)
				_, _ = io.Copy(io.Discard, out)
			}()
			defer func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				<-rest
				_ = cmd.Wait()
			}()
		default:
			if out, err := shell(block[2]).CombinedOutput(); err != nil {
				t.Fatalf("%s%v\n%s", block[2], err, out)
			}
		}
		ran++
	}
	if ran < 5 {
		t.Errorf("only %d blocks ran", ran)
	}
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
