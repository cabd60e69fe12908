package files

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
)

// Register adds the /files endpoints to mux.
func (f *Files) Register(mux *http.ServeMux) {
	mux.HandleFunc("/files/browse", f.browse)
	mux.HandleFunc("/files/read", f.read)
	mux.HandleFunc("/files/download", f.download)
	mux.HandleFunc("/files/debug", f.debug)
	// The names of old, which dashboards still ask for.
	mux.HandleFunc("/files/browse.json", f.browse)
	mux.HandleFunc("/files/read.json", f.read)
	mux.HandleFunc("/files/debug.json", f.debug)
}

// fail answers as Mesos does: 404 without a body, 400 with a line of text.
func fail(w http.ResponseWriter, err error) {
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		httpapi.Error(w, http.StatusBadRequest, invalid.Text+".\n")
		return
	}
	httpapi.Error(w, http.StatusNotFound, "")
}

// pathOf returns the path that a query names, and answers 400 if it names none.
func pathOf(w http.ResponseWriter, q url.Values) (string, bool) {
	name := q.Get("path")
	if name == "" {
		httpapi.Error(w, http.StatusBadRequest, "Expecting 'path=value' in query.\n")
		return "", false
	}
	return name, true
}

// entry is an element of the answer of /files/browse.
type entry struct {
	GID   string `json:"gid"`
	Mode  string `json:"mode"`
	Mtime int64  `json:"mtime"`
	Nlink int32  `json:"nlink"`
	Path  string `json:"path"`
	Size  uint64 `json:"size"`
	UID   string `json:"uid"`
}

func (f *Files) browse(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name, ok := pathOf(w, q)
	if !ok {
		return
	}
	list, err := f.List(name)
	if err != nil {
		fail(w, err)
		return
	}
	entries := []entry{}
	for _, i := range list {
		entries = append(entries, entry{
			GID: i.GetGid(), Mode: modeText(i.GetMode()), Mtime: i.GetMtime().GetNanoseconds() / 1e9, Nlink: i.GetNlink(),
			Path: i.GetPath(), Size: i.GetSize(), UID: i.GetUid(),
		})
	}
	respond(w, r, entries)
}

func (f *Files) read(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name, ok := pathOf(w, q)
	if !ok {
		return
	}
	offset, ok := number(w, q, "offset")
	if !ok {
		return
	}
	length, ok := number(w, q, "length")
	if !ok {
		return
	}
	if offset == -1 { // the client asks where the end is
		size, _, err := f.ReadAt(name, 0, 0)
		if err != nil {
			fail(w, err)
			return
		}
		respond(w, r, chunk{"", size})
		return
	}
	_, data, err := f.ReadAt(name, offset, length)
	if err != nil {
		fail(w, err)
		return
	}
	respond(w, r, chunk{string(data), offset})
}

// chunk is the answer of /files/read. The data may be any bytes. Mesos writes them as they are, so
// that no part of a file that is followed is lost at a character cut in two.
type chunk struct {
	data   string
	offset int64
}

func (c chunk) encode() []byte {
	out := make([]byte, 0, len(c.data)+len(c.data)/8+32)
	out = append(out, `{"data":"`...)
	for i := range len(c.data) {
		switch b := c.data[i]; {
		case b == '"' || b == '\\':
			out = append(out, '\\', b)
		case b == '\n':
			out = append(out, '\\', 'n')
		case b == '\r':
			out = append(out, '\\', 'r')
		case b == '\t':
			out = append(out, '\\', 't')
		case b < 0x20 || b == 0x7f:
			out = append(out, '\\', 'u', '0', '0', "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
		default:
			out = append(out, b)
		}
	}
	out = append(out, `","offset":`...)
	out = strconv.AppendInt(out, c.offset, 10)
	return append(out, '}')
}

// number reads an optional parameter: -1 if it is absent.
func number(w http.ResponseWriter, q url.Values, name string) (int64, bool) {
	text := q.Get(name)
	if text == "" {
		return -1, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		httpapi.Error(w, http.StatusBadRequest, "Failed to parse "+name+": '"+text+"' is not a number.\n")
		return 0, false
	}
	if n < -1 {
		httpapi.Error(w, http.StatusBadRequest, "Negative "+name+" provided: "+text+".\n")
		return 0, false
	}
	return n, true
}

func (f *Files) download(w http.ResponseWriter, r *http.Request) {
	name, ok := pathOf(w, r.URL.Query())
	if !ok {
		return
	}
	loc, err := f.resolve(name)
	if err != nil {
		fail(w, err)
		return
	}
	file, info, err := loc.open()
	if err != nil {
		fail(w, err)
		return
	}
	defer file.Close()
	if info.IsDir() {
		fail(w, &InvalidError{"Cannot download a directory"})
		return
	}
	base := path.Base(loc.name)
	contentType := mime.TypeByExtension(path.Ext(base))
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": base}))
	http.ServeContent(w, r, base, info.ModTime(), file)
}

func (f *Files) debug(w http.ResponseWriter, r *http.Request) { respond(w, r, f.Attached()) }

// respond writes JSON, wrapped into a call of the function that the jsonp parameter names.
func respond(w http.ResponseWriter, r *http.Request, v any) {
	body, err := encode(v)
	if err != nil {
		httpapi.Error(w, http.StatusInternalServerError, err.Error())
		return
	}
	if fn := r.URL.Query().Get("jsonp"); fn != "" {
		body = append(append([]byte(fn+"("), body...), ");"...)
		httpapi.RespondBytes(w, r, "text/javascript", body)
		return
	}
	httpapi.RespondBytes(w, r, "application/json", body)
}

func encode(v any) ([]byte, error) {
	if c, ok := v.(chunk); ok {
		return c.encode(), nil
	}
	return json.Marshal(v)
}

// modeText writes a mode as ls does.
func modeText(mode uint32) string {
	kind, ok := map[uint32]string{
		0o010000: "p", 0o020000: "c", 0o040000: "d", 0o060000: "b", 0o100000: "-", 0o120000: "l", 0o140000: "s",
	}[mode&0o170000]
	if !ok {
		kind = "?"
	}
	var b strings.Builder
	b.WriteString(kind)
	for i, c := range "rwxrwxrwx" {
		if mode&(1<<(8-i)) != 0 {
			b.WriteRune(c)
		} else {
			b.WriteByte('-')
		}
	}
	return b.String()
}
