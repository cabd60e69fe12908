package httpapi

import (
	"bytes"
	"hash/fnv"
	"io"
	"net/http"

	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/codec"
)

// keyedBody is how much of a body goes into the key of a request.
const keyedBody = 1 << 20

// WithKey gives the context of a request a key that is made of what it asks, so that requests which come at one moment can be
// taken in an order that does not depend on which was faster. It reads the beginning of the body, unless that is a stream.
func WithKey(r *http.Request) *http.Request {
	h := fnv.New128a()
	for _, s := range []string{r.Method, r.URL.String(), r.Header.Get("Mesos-Stream-Id"), r.Header.Get("Content-Type"), r.Header.Get("Authorization")} {
		io.WriteString(h, s+"\n")
	}
	var body io.ReadCloser
	if r.Header.Get("Content-Type") != codec.MediaTypeRecordIO {
		var begin bytes.Buffer
		_, err := io.Copy(&begin, io.LimitReader(r.Body, keyedBody))
		h.Write(begin.Bytes())
		rest := io.Reader(r.Body)
		if err != nil {
			rest = failing{err}
		}
		body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(&begin, rest), r.Body}
	}
	r = r.WithContext(loop.WithKey(r.Context(), string(h.Sum(nil))))
	if body != nil {
		r.Body = body
	}
	return r
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
