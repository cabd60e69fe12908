package server

import (
	"fmt"
	"net/http"
)

// backupMedia is the media type of backups, whose format is that of package store.
const backupMedia = "application/vnd.mesokit.backup"

// maxBackups bounds backups under way: each holds the whole state in memory.
const maxBackups = 2

// getBackup sends the whole state. Whoever reads it finds out by its last line whether it is complete.
func getBackup(q *request) (any, error) {
	if q.server.cfg.Backup == nil {
		return nil, &Problem{Type: "no-backup", Status: http.StatusNotImplemented, Detail: "this scheduler makes no backups; make one of its store"}
	}
	if q.Method == http.MethodHead {
		q.answered = true
		q.w.Header().Set("Content-Type", backupMedia)
		return nil, nil
	}
	select {
	case q.server.backups <- struct{}{}:
		defer func() { <-q.server.backups }()
	default:
		return nil, &Problem{Type: "busy", Status: http.StatusServiceUnavailable, Detail: fmt.Sprintf("%d backups are under way already; try again", maxBackups)}
	}
	w := &lateWriter{w: q.w}
	err := q.server.cfg.Backup(q.Context(), w)
	if err != nil && !w.begun {
		return nil, err
	}
	q.answered = true
	if err != nil {
		q.server.cfg.Log.Warn("a backup broke off", "error", err)
	}
	return nil, nil
}

// lateWriter sends the header with the first byte, so that an error before that can be told.
type lateWriter struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lateWriter) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", backupMedia)
		l.w.Header().Set("Cache-Control", "no-store")
	}
	return l.w.Write(p)
}
