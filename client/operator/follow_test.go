package operator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
)

// sandbox is a file that tests let grow, served by READ_FILE in pieces of at most max bytes.
type sandbox struct {
	t   *testing.T
	max int

	mu     sync.Mutex
	exists bool
	data   []byte
	status int // instead of an answer
	reads  int
}

func (s *sandbox) set(change func(s *sandbox)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *sandbox) append(text string) {
	s.set(func(s *sandbox) { s.exists = true; s.data = append(s.data, text...) })
}

func (s *sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := new(agentpb.Call)
	cd := readCall(s.t, r, call)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	read := call.GetReadFile()
	switch {
	case read.GetPath() != "/sandbox/stdout":
		s.t.Errorf("call %v", call)
	case s.status != 0:
		w.WriteHeader(s.status)
		return
	case !s.exists:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	rest := s.data[min(read.GetOffset(), uint64(len(s.data))):]
	n := min(len(rest), s.max)
	if read.Length != nil {
		n = min(n, int(read.GetLength()))
	}
	respond(s.t, w, cd, &agentpb.Response{Type: agentpb.Response_READ_FILE.Enum(), ReadFile: &agentpb.Response_ReadFile{
		Size: proto.Uint64(uint64(len(s.data))), Data: append([]byte{}, rest[:n]...),
	}})
}

func serveSandbox(t *testing.T, cd codec.Codec, pieces int) (*sandbox, *Agent) {
	n := newNetwork(t, cd)
	s := &sandbox{t: t, max: pieces}
	n.serve("a:5051", s.ServeHTTP)
	return s, n.agent("a:5051")
}

// collect ranges over pieces; step is called before each is waited for.
func collect(seq func(func([]byte, error) bool)) (pieces []string, err error) {
	for piece, e := range seq {
		if e != nil {
			return pieces, e
		}
		pieces = append(pieces, string(piece))
	}
	return pieces, nil
}

func TestFollowReadsAFileWhileItGrows(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		s, a := serveSandbox(t, cd, 64<<10)
		done := make(chan struct{})
		go func() {
			time.Sleep(5 * time.Minute) // the task is fetched
			s.append("one\n")
			time.Sleep(10 * time.Minute)
			s.append("two\n")
			time.Sleep(10 * time.Minute)
			s.append("three\n") // at the very end
			close(done)
		}()
		start := time.Now()
		pieces, err := collect(a.Follow(t.Context(), "/sandbox/stdout", FollowConfig{Done: done}))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"one\n", "two\n", "three\n"}, pieces); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != 25*time.Minute {
			t.Errorf("took %v: the end is not noticed at once", took)
		}
		if s.reads < 1450 || s.reads > 1550 {
			t.Errorf("%d reads in 25 minutes; want about one a second", s.reads)
		}
	})
}

func TestFollowIsPromptAfterOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveSandbox(t, codec.Protobuf, 64<<10)
		var wrote time.Time
		write := func(after time.Duration, text string) {
			time.AfterFunc(after, func() { wrote = time.Now(); s.append(text) })
		}
		write(10*time.Minute, "a") // after a long time without output
		for piece, err := range a.Follow(t.Context(), "/sandbox/stdout", FollowConfig{}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(piece) == "a" {
				write(60*time.Millisecond, "b") // more comes soon
				continue
			}
			if took := time.Since(wrote); string(piece) != "b" || took > 100*time.Millisecond {
				t.Errorf("output %q is seen %v after it came", piece, took)
			}
			break
		}
	})
}

func TestFollowReadsWhatIsThereWithoutPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveSandbox(t, codec.Protobuf, 1000)
		text := strings.Repeat("0123456789", 1000)
		s.append(text)
		done := make(chan struct{})
		close(done)
		start := time.Now()
		pieces, err := collect(a.Follow(t.Context(), "/sandbox/stdout", FollowConfig{Done: done}))
		if err != nil || strings.Join(pieces, "") != text || time.Since(start) != 0 {
			t.Errorf("%d pieces, error %v, after %v", len(pieces), err, time.Since(start))
		}
	})
}

func TestFollowBegins(t *testing.T) {
	tests := map[string]struct {
		cfg  FollowConfig
		late bool // the file does not exist at first
		want string
	}{
		"at the beginning":                     {FollowConfig{}, false, "0123456789+"},
		"at an offset":                         {FollowConfig{Offset: 4}, false, "456789+"},
		"beyond the end, as for a rotated one": {FollowConfig{Offset: 400}, false, "0123456789+"},
		"before the end":                       {FollowConfig{Offset: -3}, false, "789+"},
		"before the beginning":                 {FollowConfig{Offset: -300}, false, "0123456789+"},
		"at the end":                           {FollowConfig{Tail: true}, false, "+"},
		"at the end of what was not there":     {FollowConfig{Tail: true}, true, "0123456789+"},
		"before the end of it":                 {FollowConfig{Offset: -3}, true, "0123456789+"},
		"at an offset of it":                   {FollowConfig{Offset: 4}, true, "456789+"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := serveSandbox(t, codec.Protobuf, 64<<10)
				if !tt.late {
					s.append("0123456789")
				}
				done := make(chan struct{})
				tt.cfg.Done = done
				go func() {
					time.Sleep(time.Minute)
					if tt.late {
						s.append("0123456789")
						time.Sleep(time.Minute)
					}
					s.append("+")
					close(done)
				}()
				pieces, err := collect(a.Follow(t.Context(), "/sandbox/stdout", tt.cfg))
				if got := strings.Join(pieces, ""); err != nil || got != tt.want {
					t.Errorf("got %q, error %v; want %q", got, err, tt.want)
				}
			})
		})
	}
}

func TestFollowBeginsAgainWhenTheFileIsTruncated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveSandbox(t, codec.Protobuf, 64<<10)
		s.append("before rotation\n\xc3") // and half a character
		done := make(chan struct{})
		go func() {
			time.Sleep(time.Minute)
			s.set(func(s *sandbox) { s.exists = false }) // moved away for a moment
			time.Sleep(time.Minute)
			s.set(func(s *sandbox) { s.exists, s.data = true, []byte("after\n") })
			time.Sleep(time.Minute)
			close(done)
		}()
		pieces, err := collect(a.Follow(t.Context(), "/sandbox/stdout", FollowConfig{Done: done}))
		if diff := cmp.Diff([]string{"before rotation\n", "\xc3", "after\n"}, pieces); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestFollowDoesNotCutCharacters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveSandbox(t, codec.Protobuf, 3) // every piece cuts something
		text := "aä€😀zαβγ日本語😀\xff\xfe€"
		s.append(text[:len(text)-2])
		done := make(chan struct{})
		go func() {
			time.Sleep(time.Minute)
			s.append(text[len(text)-2:])
			time.Sleep(time.Minute)
			s.append("\xe2\x82") // the file ends in the middle
			close(done)
		}()
		pieces, err := collect(a.Follow(t.Context(), "/sandbox/stdout", FollowConfig{Done: done}))
		if got := strings.Join(pieces, ""); err != nil || got != text+"\xe2\x82" {
			t.Errorf("error %v, got %q", err, got)
		}
		for i, piece := range pieces[:len(pieces)-1] {
			if incompleteSuffix([]byte(piece)) != 0 {
				t.Errorf("piece %d ends in the middle of a character: %q", i, piece)
			}
		}
	})
}

func TestFollowEndsWithTheReason(t *testing.T) {
	tests := map[string]struct {
		change func(s *sandbox)
		cfg    FollowConfig
		want   error
		after  time.Duration
	}{
		"forbidden":        {func(s *sandbox) { s.status = 403 }, FollowConfig{}, transport.ErrForbidden, 0},
		"a directory":      {func(s *sandbox) { s.status = 400 }, FollowConfig{}, transport.ErrBadRequest, 0},
		"no agent":         {func(s *sandbox) { s.status = 503 }, FollowConfig{}, transport.ErrUnavailable, time.Minute},
		"no agent, sooner": {func(s *sandbox) { s.status = 503 }, FollowConfig{RetryFor: 10 * time.Second}, transport.ErrUnavailable, 10 * time.Second},
		"no file, ever":    {func(s *sandbox) {}, FollowConfig{Done: closedChan()}, fs.ErrNotExist, 0},
		"forbidden tail":   {func(s *sandbox) { s.status = 403 }, FollowConfig{Tail: true}, transport.ErrForbidden, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := serveSandbox(t, codec.Protobuf, 64<<10)
				s.set(tt.change)
				start := time.Now()
				_, err := collect(a.Follow(t.Context(), "/sandbox/stdout", tt.cfg))
				took := time.Since(start)
				if !errors.Is(err, tt.want) || took < tt.after || took > tt.after+time.Second {
					t.Errorf("ended after %v with %v; want %v after %v", took, err, tt.want, tt.after)
				}
			})
		})
	}
}

func closedChan() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestFollowSurvivesAnAgentThatRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		s := &sandbox{t: t, max: 64 << 10}
		s.append("before ")
		stop := n.serve("a:5051", s.ServeHTTP)
		done := make(chan struct{})
		go func() {
			time.Sleep(time.Minute)
			stop()
			n.Listen("a:5051").Close()
			time.Sleep(40 * time.Second)
			s.append("after")
			s.set(func(s *sandbox) { s.status = 503 })
			n.serve("a:5051", s.ServeHTTP)
			close(done) // the task has ended meanwhile
			time.Sleep(15 * time.Second)
			s.set(func(s *sandbox) { s.status = 0 })
		}()
		pieces, err := collect(n.agent("a:5051").Follow(t.Context(), "/sandbox/stdout", FollowConfig{Done: done}))
		if got := strings.Join(pieces, ""); err != nil || got != "before after" {
			t.Errorf("got %q, error %v", got, err)
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := serveSandbox(t, codec.Protobuf, 64<<10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := collect(a.Follow(ctx, "/sandbox/stdout", FollowConfig{}))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("ended after %v with %v", time.Since(start), err)
		}
	})
}

func TestFollowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := serveSandbox(t, codec.Protobuf, 100)
		text := strings.Repeat("line\n", 1000)
		s.append(text)
		r := a.FollowReader(t.Context(), "/sandbox/stdout", FollowConfig{Done: closedChan()})
		var got bytes.Buffer
		if _, err := io.Copy(&got, io.MultiReader(io.LimitReader(r, 7), r)); err != nil || got.String() != text {
			t.Errorf("error %v, %d of %d bytes", err, got.Len(), len(text))
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("Read after the end: %d, %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFollowReaderCloseEndsARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := serveSandbox(t, codec.Protobuf, 100)
		r := a.FollowReader(t.Context(), "/sandbox/stdout", FollowConfig{})
		ended := make(chan error)
		go func() {
			_, err := r.Read(make([]byte, 10))
			ended <- err
		}()
		time.Sleep(10 * time.Second)
		_ = r.Close()
		if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the read ended with %v", err)
		}
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the next read: %v", err)
		}
		_ = r.Close()
	})
}

func TestMasterFollowsItsFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		s := &sandbox{t: t, max: 100}
		s.append("log")
		n.serve("m:5050", s.ServeHTTP) // the calls have the same numbers on both
		pieces, err := collect(n.master("m:5050").Follow(t.Context(), "/sandbox/stdout", FollowConfig{Done: closedChan()}))
		if diff := cmp.Diff([]string{"log"}, pieces); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	})
}

// Whatever the bytes and however they are cut, everything comes through, and no piece but the last ends within
// a character.
func FuzzFollow(f *testing.F) {
	f.Add([]byte("aä€😀"), uint64(1))
	f.Add([]byte("\xf0\x9f\x98"), uint64(2))
	f.Add([]byte("\xff\xc0\xe2\x28\xa1\xf0\x28"), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		done := make(chan struct{})
		there := 0
		read := func(_ context.Context, _ string, offset, length int64) (FileChunk, error) {
			there = min(len(data), there+1+random.IntN(8))
			if there == len(data) && !isClosed(done) {
				close(done)
			}
			end := min(int64(there), offset+1+random.Int64N(5))
			return FileChunk{Size: int64(there), Data: append([]byte{}, data[offset:end]...)}, nil
		}
		var got []byte
		var pieces [][]byte
		for piece, err := range follow(t.Context(), read, "/f", FollowConfig{Done: done, PollInterval: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			if len(piece) == 0 {
				t.Fatal("an empty piece")
			}
			got = append(got, piece...)
			pieces = append(pieces, piece)
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("got %q, want %q", got, data)
		}
		for i, piece := range pieces {
			if i < len(pieces)-1 && utf8.Valid(data) && !utf8.Valid(piece) {
				t.Fatalf("valid text was cut to %q", pieces)
			}
		}
	})
}
