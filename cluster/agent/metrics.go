package agent

import "github.com/mesokit/mesokit/mesos/mesospb"

// counters count what has happened since the start of the agent.
type counters struct {
	validUpdates, invalidUpdates   uint64
	validMessages, invalidMessages uint64
	launched, terminated           uint64 // executors
	tasks                          map[mesospb.TaskState]uint64
}

// ended counts a task that has ended.
func (c *counters) ended(s mesospb.TaskState) {
	if c.tasks == nil {
		c.tasks = map[mesospb.TaskState]uint64{}
	}
	c.tasks[s]++
}
