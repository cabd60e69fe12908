// Package httpapi is what the HTTP endpoints of the embedded master and agents have in common:
// which requests are taken, in which order they are checked, and how answers, errors and event
// streams are written. It follows docs/behaviour.md#transport.
package httpapi

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
)

// MaxBody is the largest request body taken, in bytes.
const MaxBody = 64 << 20

// Error answers with a plain text body, as Mesos does for everything that is not a 2xx.
func Error(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// Empty answers with a status and no body.
func Empty(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// RequirePOST answers 405 and reports false unless the request is a POST.
func RequirePOST(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodPost {
		return true
	}
	w.Header().Set("Allow", "POST")
	Error(w, http.StatusMethodNotAllowed, "405 Method Not Allowed. Expecting one of { 'POST' }, but received '"+r.Method+"'.")
	return false
}

// ReadCall decodes the body of a request into call by the rules of the Content-Type header. It
// answers 400, 413 or 415 itself and then reports false.
func ReadCall(w http.ResponseWriter, r *http.Request, call proto.Message) bool {
	types := r.Header["Content-Type"]
	if len(types) == 0 {
		Error(w, http.StatusBadRequest, "Expecting 'Content-Type' to be present")
		return false
	}
	c, ok := codec.ByMediaType(types[0])
	if !ok {
		Error(w, http.StatusUnsupportedMediaType, "Expecting 'Content-Type' of application/json or application/x-protobuf")
		return false
	}
	if r.ContentLength > MaxBody {
		tooLarge(w)
		return false
	}
	body, err := readAll(r)
	if err != nil {
		Error(w, http.StatusBadRequest, "Failed to read the body: "+err.Error())
		return false
	}
	if len(body) > MaxBody {
		tooLarge(w)
		return false
	}
	if err := c.UnmarshalOwned(body, call); err != nil {
		Error(w, http.StatusBadRequest, decodeError(body, err))
		return false
	}
	return true
}

func tooLarge(w http.ResponseWriter) {
	w.Header().Set("Connection", "close") // what is left of the body is not worth reading
	Error(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is larger than %d bytes", MaxBody))
}

// readAll reads at most one byte more than MaxBody.
func readAll(r *http.Request) (body []byte, err error) {
	limited := io.LimitReader(r.Body, MaxBody+1)
	if n := r.ContentLength; n >= 0 && n < 1<<20 {
		body = make([]byte, n)
		n, e := io.ReadFull(limited, body)
		body, err = body[:n], e
	} else {
		body, err = io.ReadAll(limited)
	}
	return body, err
}

// Accept returns the codec that the Accept header asks for: JSON if the header admits it or is
// absent, then protobuf. It reports false if neither is admitted.
func Accept(r *http.Request) (codec.Codec, bool) {
	for _, c := range []codec.Codec{codec.ServerJSON, codec.Protobuf} {
		if Accepts(r.Header.Values("Accept"), c.MediaType()) {
			return c, true
		}
	}
	return nil, false
}

// NotAcceptable answers 406.
func NotAcceptable(w http.ResponseWriter) {
	Error(w, http.StatusNotAcceptable, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")
}

// Accepts reports whether the values of an Accept header admit a media type. No header admits
// all; q=0 excludes; other q values do not rank.
func Accepts(values []string, mediaType string) bool {
	if len(values) == 0 {
		return true
	}
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if (name == mediaType || name == kind+"/*" || name == "*/*") && !excluded(params) {
				return true
			}
		}
	}
	return false
}

// excluded reports whether the parameters of an Accept item contain q=0.
func excluded(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return err == nil && q == 0
		}
	}
	return false
}

// acceptsGzip reports whether the values of an Accept-Encoding header admit gzip. No header does not.
func acceptsGzip(values []string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(item, ";")
			if name = strings.ToLower(strings.TrimSpace(name)); (name == "gzip" || name == "*") && !excluded(params) {
				return true
			}
		}
	}
	return false
}

// Respond answers 200 with a message, gzipped where the client admits it and it is worth it.
func Respond(w http.ResponseWriter, r *http.Request, c codec.Codec, m proto.Message) {
	body, err := c.Append(nil, m)
	if err != nil {
		Error(w, http.StatusInternalServerError, "Failed to encode the response: "+err.Error())
		return
	}
	RespondBytes(w, r, c.MediaType(), body)
}

// RespondBytes answers 200 with a body, gzipped where the client admits it and it is worth it.
func RespondBytes(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	if len(body) >= 1024 && acceptsGzip(r.Header.Values("Accept-Encoding")) {
		w.Header().Set("Content-Encoding", "gzip")
		gz := gzip.NewWriter(w)
		gz.Write(body)
		gz.Close()
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
