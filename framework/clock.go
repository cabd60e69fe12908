package framework

import "time"

// clock tells the engine the time: what the wall clock said when the term began, plus what has passed since, which is measured. So no step of the wall
// clock makes a wait longer or shorter.
type clock struct {
	wall   func() time.Time
	passed func() time.Duration // since the beginning
	origin time.Time
	ahead  time.Duration // of the wall clock, when it was last found to have been stepped
}

// clockTolerance is by how much the wall clock may drift without being thought of as stepped.
const clockTolerance = time.Second

func newClock() *clock {
	began := time.Now()
	return &clock{wall: time.Now, passed: func() time.Duration { return time.Since(began) }, origin: began.Round(0)}
}

func (c *clock) now() time.Time { return c.origin.Add(c.passed()) }

// stepped reports whether the wall clock was stepped since the last call, and by how much it is ahead of now.
func (c *clock) stepped() (ahead time.Duration, yes bool) {
	ahead = c.wall().Round(0).Sub(c.now()).Round(time.Millisecond)
	if d := ahead - c.ahead; d.Abs() <= clockTolerance {
		return c.ahead, false
	}
	c.ahead = ahead
	return ahead, true
}
