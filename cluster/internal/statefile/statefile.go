// Package statefile keeps a state in a file such that a crash at any moment leaves the old state or the new one, and that
// damage is noticed when the file is read.
//
// A file is one JSON object: {"kind": …, "version": …, "sum": …, "data": …}. The sum is the CRC-32C of the data
// without white space; a file without sum is taken as it is, so that people can edit it.
package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Errors that an Error wraps.
var (
	// ErrCorrupt: the file is not what was written.
	ErrCorrupt = errors.New("corrupt")
	// ErrVersion: the file has a version that this program does not know.
	ErrVersion = errors.New("unknown version")
)

// Error reports a state file that cannot be used.
type Error struct {
	Path string
	Err  error
	// Advice says what to do.
	Advice string
}

func (e *Error) Error() string { return fmt.Sprintf("state file %s: %v; %s", e.Path, e.Err, e.Advice) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Kind describes a kind of state files.
type Kind struct {
	// Name stands in the files, so that one is not taken for another.
	Name string
	// Version of the data's format.
	Version int
	// Loss says, for errors, what is forgotten when the file is moved away.
	Loss string
}

type envelope struct {
	Kind    string          `json:"kind"`
	Version int             `json:"version"`
	Sum     string          `json:"sum,omitempty"`
	Data    json.RawMessage `json:"data"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum returns the checksum of JSON, which must be valid.
func sum(data []byte) string {
	var b bytes.Buffer
	_ = json.Compact(&b, data)
	return strconv.FormatUint(uint64(crc32.Checksum(b.Bytes(), castagnoli)), 16)
}

// Encode returns the content of a file.
func (k Kind) Encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	content, err := json.MarshalIndent(envelope{k.Name, k.Version, sum(data), data}, "", " ")
	return append(content, '\n'), err
}

// Decode reads the content of a file into v. Its errors wrap ErrCorrupt or ErrVersion.
func (k Kind) Decode(content []byte, v any) error {
	corrupt := func(err error) error { return fmt.Errorf("%w: %w", ErrCorrupt, err) }
	var e envelope
	if err := strict(content, &e); err != nil {
		return corrupt(err)
	}
	switch {
	case e.Kind != k.Name:
		return fmt.Errorf("%w: it holds a %q, not a %q", ErrCorrupt, e.Kind, k.Name)
	case e.Version != k.Version:
		return fmt.Errorf("%w: it has version %d, this program reads version %d", ErrVersion, e.Version, k.Version)
	case len(e.Data) == 0:
		return fmt.Errorf("%w: it has no data", ErrCorrupt)
	case e.Sum != "" && e.Sum != sum(e.Data):
		return fmt.Errorf("%w: the checksum is %s, not %s", ErrCorrupt, sum(e.Data), e.Sum)
	}
	if err := strict(e.Data, v); err != nil {
		return corrupt(err)
	}
	return nil
}

// strict decodes JSON without unknown fields and without anything after it.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("it is empty")
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// Read reads a file into v; found is false if there is none. All errors are of type *Error.
func (k Kind) Read(path string, v any) (found bool, err error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, &Error{path, err, "make it readable for this user"}
	}
	if err := k.Decode(content, v); err != nil {
		return true, k.Unusable(path, err)
	}
	return true, nil
}

// Unusable returns the error of a file whose content does not make sense.
func (k Kind) Unusable(path string, err error) error {
	advice := "restore it from a copy, or move it away: then " + k.Loss
	switch {
	case errors.Is(err, ErrVersion):
		advice = "run the mesokit that wrote it, or move it away: then " + k.Loss
	case !errors.Is(err, ErrCorrupt):
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &Error{path, err, advice}
}

// Write replaces a file by v, or leaves it as it was.
func (k Kind) Write(path string, v any) error {
	content, err := k.Encode(v)
	if err != nil {
		return fmt.Errorf("state file %s: %w", path, err)
	}
	if err := replace(path, content); err != nil {
		return &Error{path, err, "make room and see to the permissions of its directory"}
	}
	return nil
}

// replace writes a file beside the old one and then puts it in its place. What a crash has left there is overwritten. A file has
// one writer at a time.
func replace(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.OpenFile(filepath.Join(dir, "."+filepath.Base(path)+".new"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if d, err := os.Open(dir); err == nil { // the name must be on the disk too; not all systems can do that
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}
