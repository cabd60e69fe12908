package framework_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework"
)

// logged takes the lines of a log.
type logged chan string

func (l logged) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}

func TestAZooKeeperThatCannotBeReachedIsToldOf(t *testing.T) {
	lines := make(logged, 100)
	f, err := framework.New(framework.Config{Name: "test", Master: "zk://user:secret@127.0.0.1:1/mesos", Log: slog.New(slog.NewTextHandler(lines, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	for told := false; !told; {
		select {
		case line := <-lines:
			told = strings.Contains(line, "level=WARN") && strings.Contains(line, "127.0.0.1:1")
			if strings.Contains(line, "secret") {
				t.Errorf("the password is in the log: %s", line)
			}
		case <-ctx.Done():
			t.Fatal("nobody was told")
		}
	}
	cancel()
	<-done
}
