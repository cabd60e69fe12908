package master

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/codec"
)

// object is a JSON object that keeps the order of its fields, as the older endpoints of Mesos write them.
type object []field

type field struct {
	name  string
	value any
}

// with returns the object with one more field.
func (o object) with(name string, value any) object { return append(o, field{name, value}) }

func (o *object) add(name string, value any) { *o = append(*o, field{name, value}) }

// MarshalJSON writes the fields in order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range o {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// number is a JSON number with a decimal, as Mesos writes all doubles: 4.0.
type number float64

// MarshalJSON writes the shortest form.
func (n number) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat(nil, float64(n), 'f', -1, 64)
	for _, c := range b {
		if c == '.' || c == 'N' || c == 'I' {
			return b, nil
		}
	}
	return append(b, ".0"...), nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// writeJSON answers with a value, as a call of the function named by the query parameter jsonp if there is one.
func writeJSON(w http.ResponseWriter, r *http.Request, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		httpapi.Error(w, http.StatusInternalServerError, "Failed to encode the response: "+err.Error())
		return
	}
	kind := codec.MediaTypeJSON
	if f := r.URL.Query().Get("jsonp"); f != "" {
		kind = "text/javascript"
		body = append(append([]byte(f+"("), body...), ");"...)
	}
	httpapi.RespondBytes(w, r, kind, body)
}
