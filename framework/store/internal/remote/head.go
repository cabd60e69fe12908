package remote

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mesokit/mesokit/framework/store"
)

// format is the version of the layout in the service.
const format = 1

// remembered is how many commits the head remembers.
const remembered = 16

// headData is what the head holds, in JSON.
type headData struct {
	Format int         `json:"format"`
	Fence  store.Token `json:"fence,omitempty"`
	// Commits counts commits; Recent identifies the latest, oldest first.
	Commits int64    `json:"commits"`
	Recent  []string `json:"recent,omitempty"`
	// Pending is a committed batch that is being applied.
	Pending *intent `json:"pending,omitempty"`
}

// intent is a batch that was written ahead.
type intent struct {
	ID     string `json:"id"`
	Chunks int    `json:"chunks"`
	Next   int    `json:"next"` // chunk to apply
}

func parseHead(h Head, where string) (headData, error) {
	if h.Version == 0 {
		return headData{Format: format}, nil
	}
	var d headData
	if err := json.Unmarshal(h.Data, &d); err != nil {
		return headData{}, Permanent(&store.CorruptError{Where: where, Reason: "its head is malformed: " + err.Error()})
	}
	p := d.Pending
	switch {
	case d.Format > format:
		return headData{}, Permanent(&store.NewerVersionError{Where: where, Kind: "store layout", Version: d.Format, Supported: format})
	case d.Format < 1, d.Fence < 0, d.Commits < 0, p != nil && (p.ID == "" || p.Next < 0 || p.Next >= p.Chunks):
		return headData{}, Permanent(&store.CorruptError{Where: where, Reason: fmt.Sprintf("its head makes no sense: %.200q", h.Data)})
	}
	return d, nil
}

func (d headData) encode() []byte {
	data, err := json.Marshal(d)
	if err != nil {
		panic(err) // numbers and strings only
	}
	return data
}

// with returns the head after a commit.
func (d headData) with(id string, fence store.Token, pending *intent) headData {
	d.Fence, d.Pending = fence, pending
	d.Commits++
	d.Recent = append(slices.Clone(d.Recent), id)
	d.Recent = d.Recent[max(0, len(d.Recent)-remembered):]
	return d
}

// has says whether the commit id is among the commits after the first base ones; sure is false if so many followed that the head
// does not know.
func (d headData) has(id string, base int64) (has, sure bool) {
	return slices.Contains(d.Recent, id), d.Commits-base <= remembered
}

// EmptyHead returns the head of a store that nothing was committed to, for backends that need one to begin with.
func EmptyHead() []byte { return headData{Format: format}.encode() }
