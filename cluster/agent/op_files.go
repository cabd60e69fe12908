package agent

// LIST_FILES and READ_FILE: 404 for what is not served, 400 for what cannot be read. READ_FILE returns
// at most 16 pages; length 0, or an offset past the end, gives no data but the size.

import (
	"errors"
	"math"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/files"
	"github.com/mesokit/mesokit/mesos/agentpb"
)

func filesProblem(err error) *problem {
	var invalid *files.InvalidError
	if errors.As(err, &invalid) {
		return &problem{http.StatusBadRequest, invalid.Text + ".\n"}
	}
	return &problem{http.StatusNotFound, ""}
}

func (a *Agent) listFiles(c *agentpb.Call) (*agentpb.Response, *problem) {
	list, err := a.files.List(c.GetListFiles().GetPath())
	if err != nil {
		return nil, filesProblem(err)
	}
	return &agentpb.Response{Type: agentpb.Response_LIST_FILES.Enum(), ListFiles: &agentpb.Response_ListFiles{FileInfos: list}}, nil
}

func (a *Agent) readFile(c *agentpb.Call) (*agentpb.Response, *problem) {
	read := c.GetReadFile()
	length := int64(-1)
	if read.Length != nil {
		length = clampInt64(read.GetLength())
	}
	size, data, err := a.files.ReadAt(read.GetPath(), clampInt64(read.GetOffset()), length)
	if err != nil {
		return nil, filesProblem(err)
	}
	if data == nil {
		data = []byte{}
	}
	return &agentpb.Response{Type: agentpb.Response_READ_FILE.Enum(), ReadFile: &agentpb.Response_ReadFile{Size: proto.Uint64(uint64(size)), Data: data}}, nil
}

func clampInt64(v uint64) int64 { return int64(min(v, math.MaxInt64)) }
