package core

import "strings"

// Event is what can happen to a task, seen or wanted.
type Event uint8

// The events. Saw… are reports of Mesos (eventOf maps states and reasons to them), the others come from the engine.
const (
	SawStaging Event = iota
	SawStarting
	SawRunning
	SawKilling     // TASK_KILLING
	SawFinished    // TASK_FINISHED
	SawFailed      // TASK_FAILED, TASK_ERROR
	SawKilled      // TASK_KILLED
	SawDropped     // TASK_DROPPED: it was never started and never will be
	SawGone        // TASK_GONE, TASK_GONE_BY_OPERATOR, TASK_LOST: it is not there any more
	SawUnreachable // TASK_UNREACHABLE
	SawUnknown     // TASK_UNKNOWN: the master knows neither the task nor its agent
	WantKill       // the engine wants it dead: scaled down, removed, replaced, moved
	Overdue        // no answer within the bound for this state
	Despair        // the unreachable policy says that the wait is over

	numEvents
)

var eventNames = [numEvents]string{"staging", "starting", "running", "killing", "finished", "failed", "killed", "dropped", "gone",
	"unreachable", "unknown", "want-kill", "overdue", "despair"}

// String is the name of the event.
func (e Event) String() string {
	if e < numEvents {
		return eventNames[e]
	}
	return "invalid"
}

// Does is the set of things that follow from a transition. Records are written and notes are made for every transition
// that changes something; that goes without saying here.
type Does uint8

// What may follow.
const (
	Kill    Does = 1 << iota // send KILL and arm the timer for its repetition
	Ask                      // ask the master about it (explicit reconciliation)
	Count                    // the end counts as a failure of the application: backoff grows
	Achieve                  // the task has done its work: goals finish and once are reached
	Free                     // the task has left its agent; its instance decides what comes next
	Wait                     // start the clock of the unreachable policy
	Detach                   // the instance goes on without it; it is remembered until it can be killed
)

var doesNames = []string{"kill", "ask", "count", "achieve", "free", "wait", "detach"}

// String lists the set, for instance "kill, ask".
func (d Does) String() string {
	var names []string
	for i, name := range doesNames {
		if d&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Transition is one cell of the table.
type Transition struct {
	To   State
	Does Does
}

// Next returns what becomes of a task in state s when e happens. It is the only place where states change.
func Next(s State, e Event) Transition { return table[s][e] }

// table has a cell for every state and event; a test checks that none is missing, another that docs/applications.md shows it.
//
// Three rules explain most of it. What is over stays over, except that a task that was only said to be lost may turn up again.
// A task that has to go stays so, whatever it reports. Without certainty that a task is gone its instance does not move on,
// unless the unreachable policy says so.
var table = [numStates][numEvents]Transition{
	Launching: {
		SawStaging:     {To: Starting},
		SawStarting:    {To: Starting},
		SawRunning:     {To: Running},
		SawKilling:     {To: Killing},
		SawFinished:    {Ended, Achieve | Free},
		SawFailed:      {Ended, Count | Free},
		SawKilled:      {Ended, Count | Free},
		SawDropped:     {Ended, Free},
		SawGone:        {Lost, Free},
		SawUnreachable: {Unreachable, Wait},
		SawUnknown:     {Lost, Free}, // the ACCEPT has not arrived
		WantKill:       {Killing, Kill},
		Overdue:        {Launching, Ask},
		Despair:        {To: Launching},
	},
	Starting: {
		SawStaging:     {To: Starting},
		SawStarting:    {To: Starting},
		SawRunning:     {To: Running},
		SawKilling:     {To: Killing},
		SawFinished:    {Ended, Achieve | Free},
		SawFailed:      {Ended, Count | Free},
		SawKilled:      {Ended, Count | Free},
		SawDropped:     {Ended, Free},
		SawGone:        {Lost, Free},
		SawUnreachable: {Unreachable, Wait},
		SawUnknown:     {Unreachable, Wait},
		WantKill:       {Killing, Kill},
		Overdue:        {Starting, Ask},
		Despair:        {To: Starting},
	},
	Running: {
		SawStaging:     {To: Running}, // late
		SawStarting:    {To: Running}, // late
		SawRunning:     {To: Running}, // health may have changed
		SawKilling:     {To: Killing},
		SawFinished:    {Ended, Achieve | Free},
		SawFailed:      {Ended, Count | Free},
		SawKilled:      {Ended, Count | Free},
		SawDropped:     {Ended, Free},
		SawGone:        {Lost, Free},
		SawUnreachable: {Unreachable, Wait},
		SawUnknown:     {Unreachable, Wait},
		WantKill:       {Killing, Kill},
		Overdue:        {Running, Ask},
		Despair:        {To: Running},
	},
	Killing: {
		SawStaging:     {To: Killing},
		SawStarting:    {To: Killing},
		SawRunning:     {To: Killing},
		SawKilling:     {To: Killing},
		SawFinished:    {Ended, Achieve | Free},
		SawFailed:      {Ended, Count | Free},
		SawKilled:      {Ended, Count | Free},
		SawDropped:     {Ended, Free},
		SawGone:        {Lost, Free},
		SawUnreachable: {Stranded, Wait},
		SawUnknown:     {Stranded, Wait},
		WantKill:       {To: Killing},
		Overdue:        {Killing, Kill},
		Despair:        {To: Killing},
	},
	Unreachable: {
		SawStaging:     {Starting, Ask}, // is it really back, or is this late?
		SawStarting:    {Starting, Ask},
		SawRunning:     {Running, Ask},
		SawKilling:     {Killing, Ask},
		SawFinished:    {Ended, Achieve | Free},
		SawFailed:      {Ended, Count | Free},
		SawKilled:      {Ended, Count | Free},
		SawDropped:     {Ended, Free},
		SawGone:        {Lost, Free},
		SawUnreachable: {To: Unreachable},
		SawUnknown:     {To: Unreachable},
		WantKill:       {Stranded, Kill},
		Overdue:        {Unreachable, Ask},
		Despair:        {Stranded, Detach},
	},
	Stranded: {
		SawStaging:     {Killing, Kill},
		SawStarting:    {Killing, Kill},
		SawRunning:     {Killing, Kill},
		SawKilling:     {To: Killing},
		SawFinished:    {Ended, Achieve | Free},
		SawFailed:      {Ended, Count | Free},
		SawKilled:      {Ended, Count | Free},
		SawDropped:     {Ended, Free},
		SawGone:        {Lost, Free},
		SawUnreachable: {To: Stranded},
		SawUnknown:     {To: Stranded},
		WantKill:       {To: Stranded},
		Overdue:        {Stranded, Kill},
		Despair:        {Stranded, Detach},
	},
	Ended: {
		SawStaging:     {To: Ended},
		SawStarting:    {To: Ended},
		SawRunning:     {To: Ended},
		SawKilling:     {To: Ended},
		SawFinished:    {To: Ended},
		SawFailed:      {To: Ended},
		SawKilled:      {To: Ended},
		SawDropped:     {To: Ended},
		SawGone:        {To: Ended},
		SawUnreachable: {To: Ended},
		SawUnknown:     {To: Ended},
		WantKill:       {To: Ended},
		Overdue:        {To: Ended},
		Despair:        {To: Ended},
	},
	Lost: {
		SawStaging:     {Starting, Ask}, // said to be gone, but here it is, and nothing has replaced it yet
		SawStarting:    {Starting, Ask},
		SawRunning:     {Running, Ask},
		SawKilling:     {Killing, Ask},
		SawFinished:    {Ended, Achieve | Free},
		SawFailed:      {Ended, Count | Free},
		SawKilled:      {Ended, Count | Free},
		SawDropped:     {To: Lost},
		SawGone:        {To: Lost},
		SawUnreachable: {Unreachable, Wait},
		SawUnknown:     {To: Lost},
		WantKill:       {To: Lost},
		Overdue:        {To: Lost},
		Despair:        {To: Lost},
	},
}

// TableText returns the table in Markdown: a row for each event, a column for each state, and in the cells the next state if it is another, and what follows.
func TableText() string {
	var b strings.Builder
	b.WriteString("| |")
	for s := range numStates {
		b.WriteString(" " + s.String() + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", int(numStates)) + "\n")
	for e := range numEvents {
		b.WriteString("| **" + e.String() + "** |")
		for s := range numStates {
			tr := Next(s, e)
			var cell []string
			if tr.To != s {
				cell = append(cell, tr.To.String())
			}
			if tr.Does != 0 {
				cell = append(cell, tr.Does.String())
			}
			b.WriteString(" " + strings.Join(cell, ": ") + " |")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
