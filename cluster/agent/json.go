package agent

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members as they stand.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// add appends a member.
func (o *object) add(name string, value any) { *o = append(*o, member{name, value}) }

// number is written as Mesos writes doubles: with a decimal point.
type number float64

// MarshalJSON writes 5.0 for 5.
func (n number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("0.0"), nil
	}
	b := strconv.AppendFloat(nil, f, 'g', -1, 64)
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

// message is a Mesos message in JSON, as the v1 API writes it.
type message struct{ proto.Message }

// MarshalJSON encodes the message.
func (m message) MarshalJSON() ([]byte, error) { return codec.ServerJSON.Append(nil, m.Message) }

func messages[M proto.Message](list []M) []message {
	out := make([]message, 0, len(list))
	for _, m := range list {
		out = append(out, message{m})
	}
	return out
}

// respondJSON answers a legacy request. The parameter jsonp wraps the answer into a function call.
func respondJSON(w http.ResponseWriter, r *http.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		httpapi.Error(w, http.StatusInternalServerError, err.Error())
		return
	}
	if f := r.URL.Query().Get("jsonp"); f != "" {
		body = slices.Concat([]byte(f+"("), body, []byte(");"))
		httpapi.RespondBytes(w, r, "text/javascript", body)
		return
	}
	httpapi.RespondBytes(w, r, "application/json", body)
}

// resourceObject is the legacy form of resources: numbers for scalars, text for the rest; cpus, gpus,
// mem and disk are always there. Names of revocable resources get a suffix.
func resourceObject(list []*mesospb.Resource) object {
	scalars := map[string]float64{}
	var names []string
	for _, r := range list {
		if r.GetType() != mesospb.Value_SCALAR {
			continue
		}
		name := legacyName(r)
		if _, ok := scalars[name]; !ok {
			names = append(names, name)
		}
		scalars[name] += r.GetScalar().GetValue()
	}
	out := object{}
	for _, name := range []string{resources.NameDisk, resources.NameMem, resources.NameGPUs, resources.NameCPUs} {
		out.add(name, number(resources.FromFixed(resources.ToFixed(scalars[name]))))
		delete(scalars, name)
	}
	for _, name := range names {
		if v, ok := scalars[name]; ok {
			out.add(name, number(resources.FromFixed(resources.ToFixed(v))))
		}
	}
	done := map[string]bool{}
	for _, r := range list {
		name := legacyName(r)
		if r.GetType() == mesospb.Value_SCALAR || done[name] {
			continue
		}
		done[name] = true
		out.add(name, valueText(list, name, r.GetType()))
	}
	return out
}

func legacyName(r *mesospb.Resource) string {
	if resources.IsRevocable(r) {
		return r.GetName() + "_revocable"
	}
	return r.GetName()
}

// valueText merges the ranges or sets of a name and writes them as Mesos does: [1-2, 4-4], {a, b}.
func valueText(list []*mesospb.Resource, name string, typ mesospb.Value_Type) string {
	var same []*mesospb.Resource
	for _, r := range list {
		if legacyName(r) == name && r.GetType() == typ {
			same = append(same, r)
		}
	}
	if typ == mesospb.Value_RANGES {
		text := "["
		for i, r := range resources.NamedRanges(same, same[0].GetName()) {
			if i > 0 {
				text += ", "
			}
			text += strconv.FormatUint(r.Begin, 10) + "-" + strconv.FormatUint(r.End, 10)
		}
		return text + "]"
	}
	text := "{"
	for i, item := range resources.NamedSet(same, same[0].GetName()) {
		if i > 0 {
			text += ", "
		}
		text += item
	}
	return text + "}"
}
