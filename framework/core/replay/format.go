package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store"
)

// Version of the format that this package writes. It reads this one and those before.
const Version = 1

// MaxFrame bounds one line of a log, in bytes.
const MaxFrame = 256 << 20

// Header is the first frame of a log.
type Header struct {
	Version int       `json:"mesokit_replay"`
	Started time.Time `json:"started"`
	// Config is the part of core.Config that a file can hold.
	Config Config `json:"config"`
}

// Config is what decides how a core acts, besides its inputs. A placer of one's own is not among it.
type Config struct {
	Seed                  uint64               `json:"seed"`
	Roles                 []string             `json:"roles,omitempty"`
	Principal             string               `json:"principal,omitempty"`
	ReservationRefinement bool                 `json:"reservation_refinement,omitempty"`
	HomeRegion            string               `json:"home_region,omitempty"`
	LaunchTimeout         time.Duration        `json:"launch_timeout,omitempty"`
	KillRetry             time.Duration        `json:"kill_retry,omitempty"`
	ReconcileRetry        time.Duration        `json:"reconcile_retry,omitempty"`
	ReconcileEvery        time.Duration        `json:"reconcile_every,omitempty"`
	ReconcileBatch        int                  `json:"reconcile_batch,omitempty"`
	InverseOfferWait      time.Duration        `json:"inverse_offer_wait,omitempty"`
	PlaceAtOnce           int                  `json:"place_at_once,omitempty"`
	MaxOrphans            int                  `json:"max_orphans,omitempty"`
	Book                  placement.BookConfig `json:"book"`
}

func configOf(c core.Config) Config {
	return Config{Seed: c.Seed, Roles: c.Roles, Principal: c.Principal, ReservationRefinement: c.ReservationRefinement, HomeRegion: c.HomeRegion,
		LaunchTimeout: c.LaunchTimeout, KillRetry: c.KillRetry, ReconcileRetry: c.ReconcileRetry, ReconcileEvery: c.ReconcileEvery,
		ReconcileBatch: c.ReconcileBatch, InverseOfferWait: c.InverseOfferWait, PlaceAtOnce: c.PlaceAtOnce, MaxOrphans: c.MaxOrphans, Book: c.Book}
}

// apply puts the recorded values into a configuration that has the placer.
func (r Config) apply(c core.Config) core.Config {
	c.Seed, c.Roles, c.Principal, c.ReservationRefinement, c.HomeRegion = r.Seed, r.Roles, r.Principal, r.ReservationRefinement, r.HomeRegion
	c.LaunchTimeout, c.KillRetry, c.ReconcileRetry, c.ReconcileEvery = r.LaunchTimeout, r.KillRetry, r.ReconcileRetry, r.ReconcileEvery
	c.ReconcileBatch, c.InverseOfferWait, c.PlaceAtOnce, c.MaxOrphans, c.Book = r.ReconcileBatch, r.InverseOfferWait, r.PlaceAtOnce, r.MaxOrphans, r.Book
	return c
}

// Frame is one line of a log. Exactly one of the fields is set.
type Frame struct {
	Header *Header `json:"header,omitempty"`
	Record *Record `json:"record,omitempty"` // stored when the log began
	Apply  *Apply  `json:"apply,omitempty"`
}

// Record is a stored record.
type Record struct {
	Key   string `json:"key"`
	Value string `json:"value"` // sealed records are text
	Bytes []byte `json:"bytes,omitempty"`
}

// Apply is one Apply of the core.
type Apply struct {
	Time    time.Time `json:"time"`
	Inputs  []Input   `json:"inputs,omitempty"`
	Effects *Effects  `json:"effects,omitempty"`
}

// FrameError says which line of a log can't be read.
type FrameError struct {
	Line   int // from 1
	Reason string
	Err    error
}

// Error names the line.
func (e *FrameError) Error() string {
	msg := fmt.Sprintf("replay log, line %d: %s", e.Line, e.Reason)
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the cause.
func (e *FrameError) Unwrap() error { return e.Err }

// ErrNewer is wrapped by errors for logs of a newer format.
var ErrNewer = errors.New("the log was written by a newer version")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func writeFrame(w io.Writer, f Frame) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	line := make([]byte, 0, len(body)+10)
	line = fmt.Appendf(line, "%08x ", crc32.Checksum(body, castagnoli))
	line = append(append(line, body...), '\n')
	_, err = w.Write(line)
	return err
}

// Frames reads a log. The sequence ends after the first error, a *FrameError or that of r. A last line without an end is left out: whoever wrote it was
// interrupted.
func Frames(r io.Reader) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		br := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			line, err := readLine(br)
			if errors.Is(err, io.EOF) {
				return
			}
			var f Frame
			if err == nil {
				f, err = parseFrame(line)
			}
			if err == nil && (n == 1) != (f.Header != nil) {
				err = errors.New("the header has to be the first frame, and the only one")
			}
			if err == nil && f.Header != nil && f.Header.Version != Version {
				err = fmt.Errorf("format %d, this program knows %d: %w", f.Header.Version, Version, ErrNewer)
			}
			if err != nil {
				var fe *FrameError
				if !errors.As(err, &fe) {
					fe = &FrameError{Reason: "not a frame", Err: err}
				}
				fe.Line = n
				yield(Frame{}, fe)
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > MaxFrame:
			return nil, fmt.Errorf("a line of more than %d bytes", MaxFrame)
		}
	}
}

func parseFrame(line []byte) (Frame, error) {
	sum, body, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return Frame{}, errors.New("no checksum")
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || len(sum) != 8 {
		return Frame{}, fmt.Errorf("%.20q is no checksum", sum)
	}
	if got := crc32.Checksum(body, castagnoli); got != uint32(want) {
		return Frame{}, fmt.Errorf("the checksum is %08x, the line says %08x: it is damaged", got, want)
	}
	var f Frame
	if err := json.Unmarshal(body, &f); err != nil {
		return Frame{}, err
	}
	n := 0
	for _, set := range []bool{f.Header != nil, f.Record != nil, f.Apply != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return Frame{}, fmt.Errorf("%d things in one frame", n)
	}
	return f, nil
}

func recordOf(r store.Record) *Record {
	if utf8.Valid(r.Value) {
		return &Record{Key: r.Key, Value: string(r.Value)}
	}
	return &Record{Key: r.Key, Bytes: r.Value}
}

func (r *Record) stored() store.Record {
	if r.Bytes != nil {
		return store.Record{Key: r.Key, Value: r.Bytes, Revision: 1}
	}
	return store.Record{Key: r.Key, Value: []byte(r.Value), Revision: 1}
}
