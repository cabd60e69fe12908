package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// FileChunk is a part of a file.
//
// ReadFile reads at offset bytes into the file; a negative length means as much as Mesos gives at once (16
// pages, 64 KiB as a rule), 0 asks for the size alone. Data is empty at the end of the file and beyond. An
// unknown path is transport.ErrNotFound, a directory transport.ErrBadRequest.
type FileChunk struct {
	// Size of the whole file at the moment, in bytes.
	Size int64
	// Data read, byte for byte: it may end in the middle of a character.
	Data []byte
}

// SandboxPath returns the virtual path of the sandbox of an executor's latest run, as ListFiles and ReadFile of
// an agent take it. The executor of a command task has the id of the task. Agents before Mesos 1.3 do not know
// such paths; see Agent.Sandbox.
func SandboxPath(frameworkID, executorID string) string {
	return "/frameworks/" + frameworkID + "/executors/" + executorID + "/runs/latest"
}

// nestedPath returns the path of a nested container's sandbox within that of its outermost parent, as
// "/containers/...", or "".
func nestedPath(id *mesospb.ContainerID) string {
	if id.GetParent() == nil {
		return ""
	}
	return nestedPath(id.GetParent()) + "/containers/" + id.GetValue()
}

// Sandbox returns the path of the sandbox of an executor's latest run: the virtual one if the agent knows it,
// else that on its disk, which agents of any age tell. The error is a *NotFoundError if the executor is
// unknown, has not started yet or is forgotten.
func (a *Agent) Sandbox(ctx context.Context, frameworkID, executorID string) (string, error) {
	path := SandboxPath(frameworkID, executorID)
	_, err := a.ListFiles(ctx, path)
	if err == nil || !errors.Is(err, transport.ErrNotFound) {
		return path, err
	}
	var state AgentState
	if err := a.Legacy(ctx, "/state", nil, &state); err != nil {
		return "", err
	}
	if dir := state.Directory(frameworkID, executorID); dir != "" {
		return dir, nil
	}
	return "", &NotFoundError{Kind: "sandbox of executor", Name: executorID, Where: fmt.Sprintf("of framework %s on the agent at %s", frameworkID, a.base)}
}

// Download fetches a whole file by /files/download, byte for byte. The caller closes it.
func (a *Agent) Download(ctx context.Context, path string) (io.ReadCloser, error) {
	return download(ctx, a.transport, a.base, path)
}

// Download fetches a whole file of the master; see Agent.Download.
func (m *Master) Download(ctx context.Context, path string) (body io.ReadCloser, err error) {
	err = m.atLeader(ctx, func(base string) error {
		body, err = download(ctx, m.transport, base, path)
		return err
	})
	return body, err
}

func download(ctx context.Context, t *transport.Client, base, path string) (io.ReadCloser, error) {
	const endpoint = "/files/download"
	resp, err := t.Get(ctx, base+endpoint+"?"+url.Values{"path": {path}}.Encode())
	if err != nil {
		return nil, callError(endpoint, err)
	}
	return resp.Body, nil
}

// ReadFileLegacy is ReadFile by the older endpoint /files/read, for agents or proxies that do not let READ_FILE
// through. The size is that of the file only if it was asked for by a length of 0.
func (a *Agent) ReadFileLegacy(ctx context.Context, path string, offset, length int64) (FileChunk, error) {
	const endpoint = "/files/read"
	query := url.Values{"path": {path}, "offset": {strconv.FormatInt(offset, 10)}}
	switch {
	case length == 0:
		query.Set("offset", "-1") // which Mesos answers with the size
	case length > 0:
		query.Set("length", strconv.FormatInt(length, 10))
	}
	resp, err := a.transport.Get(ctx, a.base+endpoint+"?"+query.Encode())
	if err != nil {
		return FileChunk{}, callError(endpoint, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxLegacyRead))
	if err != nil {
		return FileChunk{}, callError(endpoint, err)
	}
	at, data, err := parseFilesRead(body)
	if err != nil {
		return FileChunk{}, callError(endpoint, err)
	}
	return FileChunk{Size: at + int64(len(data)), Data: data}, nil
}

// maxLegacyRead bounds an answer of /files/read: 64 KiB in which every byte may be escaped, and then some.
const maxLegacyRead = 16 << 20
