package httpapi

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
)

// unzipped lets endpoints see the bodies of requests without the compression that Content-Encoding names: gzip, and no
// other, as in Mesos. How much they read of them is up to the endpoints, which bound it by MaxBody.
func unzipped(endpoints http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Encoding") == "gzip" {
			r.Body = &gzipBody{packed: r.Body}
			r.ContentLength = -1
			r.Header.Del("Content-Encoding")
			r.Header.Del("Content-Length")
		}
		endpoints.ServeHTTP(w, r)
	})
}

var errGzip = errors.New("failed to decompress the body: it is not what Content-Encoding: gzip says")

// gzipBody begins to unpack when it is read.
type gzipBody struct {
	packed io.ReadCloser
	zip    *gzip.Reader
}

func (b *gzipBody) Read(p []byte) (int, error) {
	if b.zip == nil {
		zip, err := gzip.NewReader(b.packed)
		if err != nil {
			return 0, gzipError(err)
		}
		b.zip = zip
	}
	n, err := b.zip.Read(p)
	return n, gzipError(err)
}

// gzipError is the error of a client that sends something else, or the connection's.
func gzipError(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errGzip
	}
	return err
}

func (b *gzipBody) Close() error { return b.packed.Close() }
