package store

import (
	"errors"
	"fmt"
)

// What a caller may act upon; test with errors.Is.
var (
	// ErrNotFound is returned for a key that does not exist.
	ErrNotFound = errors.New("no such record")
	// ErrConflict is what a *ConflictError is.
	ErrConflict = errors.New("the record has changed")
	// ErrFenced is what a *FencedError is.
	ErrFenced = errors.New("another leader has taken over, or the store was restored")
	// ErrCompacted is what a *CompactedError is.
	ErrCompacted = errors.New("the changes are not remembered any more; list again")
	// ErrClosed is returned by calls on a store that was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrUncertain is returned when nobody can tell whether a commit happened: the connection broke, or the context ended while it was
	// under way.
	ErrUncertain = errors.New("the commit may or may not have happened")
	// ErrNotEmpty is returned by Restore for a store that has records.
	ErrNotEmpty = errors.New("the store has records already; restore into an empty one or replace them")
	// ErrBroken is wrapped by commits of local stores that cannot be written after a failure, and could not be opened again either. Every further commit tries that
	// again.
	ErrBroken = errors.New("the store is broken")
	// ErrFull is wrapped by commits of local backends that found no space. Nothing was changed; the same commit may pass when there is.
	ErrFull = errors.New("no space left for the store")
	// ErrLocked is wrapped by attempts to open a local store that another process has open.
	ErrLocked = errors.New("another process has the store open")
)

// ConflictError tells which check refused a batch. It is ErrConflict.
type ConflictError struct {
	Key  string
	Want Revision // that the batch asked for; 0: should not exist
	Have Revision // 0: does not exist
}

func (e *ConflictError) Error() string {
	switch {
	case e.Want == 0:
		return fmt.Sprintf("record %q exists already, at revision %d", e.Key, e.Have)
	case e.Have == 0:
		return fmt.Sprintf("record %q does not exist any more, wanted revision %d", e.Key, e.Want)
	}
	return fmt.Sprintf("record %q is at revision %d, wanted %d", e.Key, e.Have, e.Want)
}

// Is makes the error ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// FencedError tells that a later leader has written. It is ErrFenced.
type FencedError struct {
	Token   Token // of the writer that was refused
	Highest Token // that the store has seen
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("refused the fencing token %d, as the store has seen %d: a later leader has taken over, or the store was restored; start again (if the election service was set up again, reset the store's fence)",
		e.Token, e.Highest)
}

// Is makes the error ErrFenced.
func (e *FencedError) Is(target error) bool { return target == ErrFenced }

// CompactedError tells that a watch starts too early. It is ErrCompacted.
type CompactedError struct {
	After  Revision // that the watch wanted
	Oldest Revision // after which watching would be possible; 0 if not known
}

func (e *CompactedError) Error() string {
	if e.Oldest == 0 {
		return fmt.Sprintf("the changes after revision %d are not remembered any more; list again", e.After)
	}
	return fmt.Sprintf("the changes after revision %d are not remembered any more, only those after %d; list again", e.After, e.Oldest)
}

// Is makes the error ErrCompacted.
func (e *CompactedError) Is(target error) bool { return target == ErrCompacted }

// TooLargeError tells what of a batch exceeds which limit. Nothing was changed.
type TooLargeError struct {
	Key   string // of the value; "" if the batch as a whole is meant
	Size  int    // in bytes
	Limit int    // in bytes
}

func (e *TooLargeError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("the batch has %d bytes, more than the limit of %d; commit it in parts", e.Size, e.Limit)
	}
	return fmt.Sprintf("the value of %q has %d bytes, more than the limit of %d; keep large data elsewhere and store where", e.Key, e.Size, e.Limit)
}

// KeyError tells what is wrong with a key.
type KeyError struct {
	Key    string
	Reason string
}

func (e *KeyError) Error() string { return fmt.Sprintf("key %.100q: %s", e.Key, e.Reason) }

// CorruptError tells that stored data is not what was written: a disk, a transfer or a hand damaged it.
type CorruptError struct {
	Where  string // a key, a file, or a place in a file
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged: %s; restore it from a backup", e.Where, e.Reason)
}

// NewerVersionError tells that data was written by a later release, which this one does not understand.
type NewerVersionError struct {
	Where     string // a key or a file
	Kind      string // what it is, such as task
	Version   int    // that it has
	Supported int    // that this release writes
}

func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("%s: %s of version %d, this release knows versions up to %d; run the release that wrote it, or a later one",
		e.Where, e.Kind, e.Version, e.Supported)
}
