package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// terminal is a pseudo terminal: keys are typed at ours; theirs is the stdin of a command.
type terminal struct {
	t            *testing.T
	ours, theirs *os.File
}

// onDescriptor works on a descriptor without making reads ones that cannot be interrupted, as File.Fd would.
func onDescriptor(t *testing.T, f *os.File, work func(fd int) error) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := errors.Join(raw.Control(func(fd uintptr) { failed = work(int(fd)) }), failed); err != nil {
		t.Fatal(err)
	}
}

func openTerminal(t *testing.T, rows, columns uint16) *terminal {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n uint32
	onDescriptor(t, ours, func(fd int) (err error) {
		n, err = unix.IoctlGetUint32(fd, unix.TIOCGPTN)
		return errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	})
	theirs, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t, ours, theirs}
	term.resize(rows, columns)
	// What the terminal echoes is read, as somebody has to.
	var echo sync.WaitGroup
	echo.Go(func() { _, _ = io.Copy(io.Discard, ours) })
	t.Cleanup(func() {
		theirs.Close() // which ends reads that are left
		ours.Close()
		echo.Wait()
	})
	return term
}

func (x *terminal) resize(rows, columns uint16) {
	x.t.Helper()
	onDescriptor(x.t, x.theirs, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
}

func (x *terminal) typeKeys(keys string) {
	x.t.Helper()
	if _, err := x.ours.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// raw tells whether keys go to the program as they are.
func (x *terminal) raw() (raw bool) {
	x.t.Helper()
	onDescriptor(x.t, x.theirs, func(fd int) error {
		state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		raw = err == nil && state.Lflag&unix.ICANON == 0
		return err
	})
	return raw
}

// command runs a command at the terminal.
func (x *terminal) command(args ...string) (out *syncBuffer, stderr *bytes.Buffer, done chan int) {
	out, stderr, done = &syncBuffer{written: make(chan struct{}, 1)}, new(bytes.Buffer), make(chan int, 1)
	go func() { done <- run(x.t.Context(), args, x.theirs, out, stderr) }()
	return out, stderr, done
}

// await waits until output has a text, as often.
func await(t *testing.T, out *syncBuffer, done chan int, text string) {
	t.Helper()
	for !strings.Contains(out.text(), text) {
		select {
		case <-out.written:
		case code := <-done:
			t.Fatalf("it ended with exit code %d; no %q in %q", code, text, out.text())
		}
	}
}

func TestExecGivesTheCommandTheTerminal(t *testing.T) {
	c := processes(t, task("web", "sleep 1000"))
	t.Setenv(envMaster, c.Master())
	x := openTerminal(t, 33, 99)
	out, stderr, done := x.command("agent", "exec", "-t", "web", "--",
		`trap 'echo interrupted' INT; trap 'stty size' WINCH; stty size; while ! read line; do :; done; echo "got $line"; exit 5`)
	await(t, out, done, "33 99")
	if !x.raw() {
		t.Error("the terminal is not raw")
	}
	x.typeKeys("\x03")
	await(t, out, done, "interrupted")
	x.resize(44, 111)
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil { // the kernel tells only who has it as controlling terminal
		t.Fatal(err)
	}
	await(t, out, done, "44 111")
	x.typeKeys("hello\r")
	await(t, out, done, "got hello")
	if code := <-done; code != 5 {
		t.Errorf("exit code %d, want 5; %s", code, stderr)
	}
	if x.raw() {
		t.Error("the terminal was left raw")
	}
}

func TestAttachIsLeftByKeys(t *testing.T) {
	shell := task("shell", `trap 'stty size' WINCH; while :; do read line && echo "got $line"; done`)
	shell.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), TtyInfo: &mesospb.TTYInfo{WindowSize: &mesospb.TTYInfo_WindowSize{Rows: proto.Uint32(10), Columns: proto.Uint32(40)}}}
	c := processes(t, shell)
	t.Setenv(envMaster, c.Master())
	for range 2 { // the task goes on meanwhile
		x := openTerminal(t, 20, 70)
		out, stderr, done := x.command("agent", "attach", "-i", "shell")
		x.typeKeys("one\r")
		await(t, out, done, "got one")
		x.typeKeys("\x10\x11")
		if code := <-done; code != 0 {
			t.Errorf("exit code %d; %s", code, stderr)
		}
		if x.raw() {
			t.Error("the terminal was left raw")
		}
	}
	if got := operate(t, c, "master", "tasks"); !strings.Contains(got.stdout, "TASK_RUNNING") {
		t.Errorf("the task is gone: %+v", got)
	}
}
