package framework

import (
	"testing"
	"time"
)

func TestTheEnginesClockMeasuresWhatPassesHoweverTheWallClockIsStepped(t *testing.T) {
	start := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	wall, passed := start, time.Duration(0)
	c := &clock{wall: func() time.Time { return wall }, passed: func() time.Duration { return passed }, origin: start}
	tick := func(d, step time.Duration) {
		wall, passed = wall.Add(d+step), passed+d
	}
	expect := func(ahead time.Duration, stepped bool) {
		t.Helper()
		if got := c.now(); !got.Equal(start.Add(passed)) {
			t.Errorf("%v after %v", got, passed)
		}
		if a, s := c.stepped(); a != ahead || s != stepped {
			t.Errorf("ahead %v, stepped %v; want %v, %v", a, s, ahead, stepped)
		}
	}
	expect(0, false)
	tick(time.Minute, 0)
	expect(0, false)
	tick(time.Minute, -3*time.Hour)
	expect(-3*time.Hour, true)
	tick(time.Minute, 500*time.Millisecond) // drift
	expect(-3*time.Hour, false)
	tick(time.Minute, 8*time.Hour-500*time.Millisecond)
	expect(5*time.Hour, true)
	expect(5*time.Hour, false)
}
