package framework

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/mesokit/mesokit/framework/core"
)

func notes(from, to uint64) (all []core.Note) {
	for n := from; n <= to; n++ {
		all = append(all, core.Note{Seq: n, Kind: core.NoteApp})
	}
	return all
}

func TestSubscribersGetEveryNoteInOrderFromWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &Framework{hub: newHub(10)}
		f.hub.publish(notes(5, 8))
		read := func(o NoteOptions) (seqs *[]uint64, gaps *[]GapError, stop context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			seqs, gaps = new([]uint64), new([]GapError)
			go func() {
				for n, err := range f.Notes(ctx, o) {
					if gap, ok := errors.AsType[*GapError](err); ok {
						*gaps = append(*gaps, *gap)
						continue
					}
					*seqs = append(*seqs, n.Seq)
				}
			}()
			return seqs, gaps, cancel
		}
		all, noGap, stop1 := read(NoteOptions{})
		some, _, stop2 := read(NoteOptions{After: 6, Filter: func(n core.Note) bool { return n.Seq%2 == 1 }})
		latest, _, stop3 := read(NoteOptions{After: Latest})
		late, gap, stop4 := read(NoteOptions{After: 2})
		synctest.Wait()
		f.hub.publish(notes(9, 12))
		synctest.Wait()
		f.hub.publish(notes(13, 40)) // more than the hub keeps: whoever waited misses some
		synctest.Wait()
		for _, stop := range []func(){stop1, stop2, stop3, stop4} {
			stop()
		}
		synctest.Wait()
		if want := []uint64{5, 6, 7, 8, 9, 10, 11, 12, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40}; !slices.Equal(*all, want) {
			t.Errorf("got %v", *all)
		}
		if want := []GapError{{12, 31}}; !slices.Equal(*noGap, want) {
			t.Errorf("gaps %v, want %v", *noGap, want)
		}
		if want := []uint64{7, 9, 11, 31, 33, 35, 37, 39}; !slices.Equal(*some, want) {
			t.Errorf("filtered: got %v", *some)
		}
		if len(*latest) != 14 || (*latest)[0] != 9 {
			t.Errorf("the latest: got %v", *latest)
		}
		if want := []GapError{{2, 5}, {12, 31}}; !slices.Equal(*gap, want) || (*late)[0] != 5 {
			t.Errorf("came late: gaps %v, want %v; got %v", *gap, want, *late)
		}
	})
}

func TestAReaderMayStopAtAnyNote(t *testing.T) {
	f := &Framework{hub: newHub(4)}
	f.hub.publish(notes(1, 3))
	for n := range f.Notes(t.Context(), NoteOptions{}) {
		if n.Seq == 2 {
			return
		}
	}
	t.Error("the loop ended by itself")
}
