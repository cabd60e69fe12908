package operator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/agentpb"
)

// BenchmarkFollow reads a file of 8 MiB over loopback in the pieces of 64 KiB that agents give.
func BenchmarkFollow(b *testing.B) {
	file := []byte(strings.Repeat("0123456789abcde\n", 8<<20/16))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := new(agentpb.Call)
		cd, err := decodeCall(r, call)
		if err != nil {
			b.Error(err)
			return
		}
		rest := file[min(call.GetReadFile().GetOffset(), uint64(len(file))):]
		answer, _ := cd.Append(nil, &agentpb.Response{Type: agentpb.Response_READ_FILE.Enum(), ReadFile: &agentpb.Response_ReadFile{
			Size: proto.Uint64(uint64(len(file))), Data: rest[:min(len(rest), 64<<10)],
		}})
		w.Header().Set("Content-Type", cd.MediaType())
		_, _ = w.Write(answer)
	}))
	defer server.Close()
	a, err := NewAgent(AgentConfig{Address: server.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		n := 0
		for piece, err := range a.Follow(b.Context(), "/f", FollowConfig{Done: closedChan()}) {
			if err != nil {
				b.Fatal(err)
			}
			n += len(piece)
		}
		if n != len(file) {
			b.Fatalf("read %d of %d bytes", n, len(file))
		}
	}
}
