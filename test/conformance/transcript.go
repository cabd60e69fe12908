package conformance

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// CompareTranscript compares a transcript of the probe with the recorded one: its environment, its
// directory and its conversation with the agent. restore maps texts of the target (its work
// directory, the probe's command) to those of the recording.
func (s *Session) CompareTranscript(name string, recorded, transcript []byte, restore map[string]string) ([]Row, error) {
	want, err := Parse(recorded)
	if err != nil {
		return nil, fmt.Errorf("conformance: %s: %w", name, err)
	}
	got, err := Parse(transcript)
	if err != nil {
		return nil, fmt.Errorf("conformance: transcript of %s: %w", name, err)
	}
	r := &replay{
		name: name, ids: s.ids.clone(), known: s.ids.clone(), timeline: want.timeline(), results: make(map[*Exchange]*result),
		opts: Options{Replace: make(map[string]string)},
	}
	for from, to := range restore {
		r.opts.Replace[to] = from
	}
	for i, e := range want.Exchanges {
		if i < len(got.Exchanges) {
			r.results[e] = transcribed(e, got.Exchanges[i])
		}
	}
	j := newJudge(r)
	rows := j.judge()
	for i := len(want.Exchanges); i < len(got.Exchanges); i++ {
		e := got.Exchanges[i]
		rows = append(rows, Row{Case: name, Exchange: e.Label(), Difference: Difference{Kind: KindExtra, Got: encode(e.Request.Body)}})
	}
	wantTree, errWant := decode(recorded)
	gotTree, errGot := decode(transcript)
	if err := errors.Join(errWant, errGot); err != nil {
		return nil, err
	}
	for _, part := range []string{"environment", "cwd_listing"} {
		c := j.comparer()
		c.compare(get(wantTree, part), get(gotTree, part), "$", part)
		for _, d := range c.out {
			rows = append(rows, Row{Case: name, Exchange: part, Difference: d})
		}
		if len(c.out) == 0 {
			rows = append(rows, Row{Case: name, Exchange: part})
		}
	}
	s.ids = j.ids
	return rows, nil
}

// transcribed is the result that a transcript shows for a recorded exchange.
func transcribed(e, got *Exchange) *result {
	res := &result{status: got.Response.Status, header: make(http.Header), body: got.Response.Body}
	for k, v := range got.Response.Headers {
		res.header.Set(k, v)
	}
	res.chunked = res.header.Get("Transfer-Encoding") == "chunked"
	if !e.Response.Stream || !got.Response.Stream {
		return res
	}
	s := newStream(e, false)
	for _, f := range got.Response.Frames {
		switch ev := newEvent(f.Event, s.seen); {
		case ev.typ == "HEARTBEAT":
			s.gotHeartbeats++
		default:
			s.got = append(s.got, ev)
		}
	}
	if got.Response.ServerClosed {
		s.end(io.EOF)
	}
	res.stream = s
	return res
}

// CompareNodes compares the nodes that masters keep in ZooKeeper: as many, with names of the same
// form and in the same order, with contents that differ in nothing but ids and places.
func CompareNodes(name string, recorded []byte, got map[string]string) ([]Row, error) {
	tree, err := decode(recorded)
	if err != nil {
		return nil, fmt.Errorf("conformance: %s: %w", name, err)
	}
	want, _ := tree.(map[string]any)
	wantNames, gotNames := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))
	ids := newBindings()
	var rows []Row
	for i := range max(len(wantNames), len(gotNames)) {
		row := Row{Case: name, Exchange: "node " + strconv.Itoa(i)}
		switch {
		case i >= len(gotNames):
			row.Difference = Difference{Kind: KindMissing, Want: wantNames[i]}
		case i >= len(wantNames):
			row.Difference = Difference{Kind: KindExtra, Got: gotNames[i]}
		case nodeForm(wantNames[i]) != nodeForm(gotNames[i]):
			row.Difference = Difference{Path: "name", Kind: KindValue, Want: wantNames[i], Got: gotNames[i]}
		default:
			contents, _ := want[wantNames[i]].(string)
			w, errWant := decode([]byte(contents))
			g, errGot := decode([]byte(got[gotNames[i]]))
			if errWant != nil || errGot != nil {
				row.Difference = Difference{Path: "contents", Kind: KindType, Want: contents, Got: got[gotNames[i]]}
				break
			}
			c := &comparer{ids: ids, commit: true}
			c.compare(w, g, "$", "")
			for _, d := range c.out {
				rows = append(rows, Row{Case: name, Exchange: row.Exchange, Difference: d})
			}
			if len(c.out) > 0 {
				continue
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// nodeForm is the name of a node with its sequence number made the same.
func nodeForm(name string) string {
	i := strings.LastIndex(name, "_")
	if _, err := strconv.Atoi(name[i+1:]); i < 0 || err != nil {
		return name
	}
	return name[:i+1] + strings.Repeat("0", len(name)-i-1)
}

// readTranscript reads what the probe wrote.
func readTranscript(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("conformance: the executor wrote no transcript (did the agent start it?): %w", err)
	}
	return data, err
}
