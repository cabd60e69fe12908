package cluster

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// logFiles are the log files of a cluster with a LogDir; a nil one keeps none. Everybody's Logger gets everything beside.
type logFiles struct {
	dir string

	mu   sync.Mutex
	open map[string]*os.File
}

// openLogs makes the directory of the log files, if there is to be one.
func (c *Cluster) openLogs() error {
	if c.cfg.LogDir == "" {
		return nil
	}
	dir, err := filepath.Abs(c.cfg.LogDir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return fmt.Errorf("cluster: no directory for log files: %w", err)
	}
	c.logs = &logFiles{dir: dir, open: map[string]*os.File{}}
	return nil
}

// master returns the logger and log file of a master. All masters of the cluster share one.
func (l *logFiles) master(logger *slog.Logger) (*slog.Logger, string, error) {
	return l.add("master.log", logger)
}

// agent returns the logger and log file of the n-th agent.
func (l *logFiles) agent(logger *slog.Logger, n int) (*slog.Logger, string, error) {
	return l.add("agent-"+strconv.Itoa(n)+".log", logger)
}

func (l *logFiles) add(name string, logger *slog.Logger) (*slog.Logger, string, error) {
	if l == nil {
		return logger, "", nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	path := filepath.Join(l.dir, name)
	if l.open[name] == nil {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return nil, "", fmt.Errorf("cluster: no log file: %w", err)
		}
		l.open[name] = file
	}
	return slog.New(slog.NewMultiHandler(logger.Handler(), slog.NewTextHandler(l.open[name], nil))), path, nil
}

// close closes the files, when nobody logs any more. They stay.
func (l *logFiles) close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var first error
	for name, file := range l.open {
		if err := file.Close(); first == nil {
			first = err
		}
		delete(l.open, name)
	}
	return first
}
