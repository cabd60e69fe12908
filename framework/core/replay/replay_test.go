package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/core/replay"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/framework/store"
)

// recorders records every process of a simulation.
type recorders struct {
	t    testing.TB
	cfg  core.Config
	logs map[int64]*bytes.Buffer
	rec  map[int64]*replay.Recorder
}

func (r *recorders) Started(p int64, now time.Time, records []store.Record) {
	r.logs[p] = new(bytes.Buffer)
	var err error
	if r.rec[p], err = replay.NewRecorder(r.logs[p], now, r.cfg, records); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recorders) Applied(p int64, now time.Time, inputs []core.Input, out *core.Effects) {
	if err := r.rec[p].Apply(now, inputs, out); err != nil {
		r.t.Fatal(err)
	}
}

func record(t testing.TB, seed uint64) map[int64]*bytes.Buffer {
	t.Helper()
	r := &recorders{t: t, cfg: core.Config{Seed: seed}, logs: map[int64]*bytes.Buffer{}, rec: map[int64]*replay.Recorder{}}
	if _, err := sim.Run(sim.Options{Seed: seed, Faults: true, Crash: 0.002, Config: r.cfg, Observer: r, Duration: 3 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	return r.logs
}

func TestAReplayDoesWhatWasDone(t *testing.T) {
	applies := 0
	for seed := range uint64(5) {
		for p, log := range record(t, seed+1) {
			rep, err := replay.Replay(t.Context(), log, core.Config{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range rep.Differences {
				t.Errorf("seed %d, process %d: %v", seed, p, d)
			}
			applies += rep.Applies
		}
	}
	if applies < 500 {
		t.Errorf("only %d applies", applies)
	}
}

func firstLog(t testing.TB) string {
	t.Helper()
	return record(t, 3)[1].String()
}

func TestAReplayFindsWhatHasChanged(t *testing.T) {
	log := firstLog(t)
	var out bytes.Buffer
	rec, n := (*replay.Recorder)(nil), 0
	for f, err := range replay.Frames(strings.NewReader(log)) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Header != nil:
			cfg := core.Config{Seed: f.Header.Config.Seed + 1} // another seed: other task ids
			if rec, err = replay.NewRecorder(&out, f.Header.Started, cfg, nil); err != nil {
				t.Fatal(err)
			}
		case f.Apply != nil:
			n++
			out.WriteString(strings.Split(log, "\n")[n] + "\n")
		}
	}
	_ = rec
	rep, err := replay.Replay(t.Context(), &out, core.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Differences) == 0 || len(rep.Differences) > replay.MaxDifferences {
		t.Errorf("%d differences", len(rep.Differences))
	}
}

func TestADamagedLogNamesTheLine(t *testing.T) {
	log := firstLog(t)
	lines := strings.SplitAfter(log, "\n")
	for name, c := range map[string]struct {
		log  string
		line int
	}{
		"flipped":   {lines[0] + strings.Replace(lines[1], "time", "tame", 1), 2},
		"no header": {lines[1], 1},
		"empty":     {"", 1},
		"no sum":    {lines[0] + "hello\n", 2},
		"twice":     {lines[0] + lines[0], 2},
	} {
		_, err := replay.Replay(t.Context(), strings.NewReader(c.log), core.Config{}, nil)
		var fe *replay.FrameError
		if !errors.As(err, &fe) || fe.Line != c.line {
			t.Errorf("%s: %v, want a FrameError in line %d", name, err, c.line)
		}
	}
	// Cut off in the middle of a line: complete up to there.
	rep, err := replay.Replay(t.Context(), strings.NewReader(lines[0]+lines[1]+lines[2][:len(lines[2])/2]), core.Config{}, nil)
	if err != nil || rep.Applies != 1 {
		t.Errorf("cut off: %v, %d applies", err, rep.Applies)
	}
}

func TestReplayStopsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay.Replay(ctx, strings.NewReader(firstLog(t)), core.Config{}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzReplay(f *testing.F) {
	log := firstLog(f)
	lines := strings.SplitAfter(log, "\n")
	f.Add(strings.Join(lines[:min(6, len(lines))], ""))
	f.Add(lines[0])
	f.Add("00000000 {}\n")
	f.Fuzz(func(t *testing.T, in string) {
		_, err := replay.Replay(t.Context(), strings.NewReader(replay.Resum(in)), core.Config{}, nil)
		if err != nil && err.Error() == "" {
			t.Error("an error without text")
		}
	})
}

func ExampleReplay() {
	var log bytes.Buffer
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	c := core.New(core.Config{})
	rec, err := replay.NewRecorder(&log, now, core.Config{}, nil)
	if err != nil {
		fmt.Println(err)
	}
	in := []core.Input{core.Scale{App: "web", Instances: 3}}
	if err := rec.Apply(now, in, c.Apply(now, in...)); err != nil {
		fmt.Println(err)
	}
	rep, err := replay.Replay(context.Background(), &log, core.Config{}, func(a *replay.Apply, out *core.Effects) {
		fmt.Println(a.Inputs[0].Kind, out.Replies[0].Err)
	})
	fmt.Println(rep.Applies, len(rep.Differences), err)
	// Output:
	// scale no such application: "web"
	// 1 0 <nil>
}

func TestSeveralSubmissionsAreRecordedWithTheirDefinitions(t *testing.T) {
	def, err := app.Parse([]byte(`{"name":"web","resources":{"cpus":1,"mem":64},"command":{"cmd":"serve"}}`))
	if err != nil {
		t.Fatal(err)
	}
	in := core.SubmitAll{All: []core.Submit{{App: def, Force: true}, {App: def, KeepInstances: true}}}
	got, err := replay.RoundTrip(in)
	if diff := cmp.Diff(core.Input(in), got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
